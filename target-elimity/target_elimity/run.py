"""One run: it checks, collects, and imports into a source of Elimity Insights, or writes the files of a dry run."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from tempfile import TemporaryFile
from typing import Any

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.progress import Progress
from lucca_elimity_kit.retries import CallError

from target_elimity.attributes import ATTRIBUTES
from target_elimity.collection import Collection
from target_elimity.completion import Completion
from target_elimity.data_model import differences
from target_elimity.employees import Counts, Employees
from target_elimity.imports import Assessment, Import
from target_elimity.insights import Insights, new_http
from target_elimity.preview import REPORT, Changes, Report, check_folder, write_folder
from target_elimity.settings import TargetSettings
from target_elimity.snapshot import write_compressed
from target_elimity.source import Source

# The bookmark in the tap's STATE that stores the counts of the last import.
BOOKMARK = "target-elimity"
VARIABLES = TargetSettings.prefix
COMMAND = "meltano run tap-lucca target-elimity"
# The time limit for reading back a source, as a multiple of the normal limit.
READING_TIMEOUTS = 10
# Reading the clock for each employee would be slower than converting them.
PROGRESS_EVERY = 100


class Run:
    """One execution of the target.

    Lines for administrators go to the source's Logs tab, too.
    """

    def __init__(self, settings: TargetSettings, logger: logging.Logger) -> None:
        self.progress = Progress(logger)
        self._settings = settings
        self._logger = logger
        self._folder = settings.output_path
        self._insights = None if self._folder else Insights(settings)
        self._source = _new_source(settings) if settings.api_token_id else None
        self._import = Import(settings, self._source)
        self._completion = Completion()
        self._state: dict[str, Any] = {"bookmarks": {}}
        self._uploading = self._accepted = False

    def close(self) -> None:
        """Delete everything that was collected."""
        self._import.close()

    def check(self) -> Iterator[str]:
        """Check folder of a dry run, URL, credentials, data model and API token; yield a line for each that is right.

        Raises:
            CallError: URL or credentials are wrong.
            ConnectorError: The data model doesn't fit.
            SettingsError: The folder of a dry run can't be written.
            SourceError: The API token is wrong or may not read the source.
        """
        source_id = self._settings.source_id
        if self._folder:
            check_folder(self._folder)
            yield f"The dry run can write into {self._folder}."
        if self._insights:
            self._check_data_model(self._insights)
            yield f"Elimity Insights at {self._settings.url} accepts the credentials of source {source_id}."
            yield f"The data model of the source fits: Employee, with all {len(ATTRIBUTES)} attributes."
        if self._source:
            self._source.check()
            yield f"The API token may read source {source_id}."
        elif not self._insights:
            yield "Dry run ('output_path' is set): there is nothing to check at Elimity Insights."

    def start(self) -> Collection:
        """Check everything that can be checked before the first record, and return the collection for the records.

        Raises:
            CallError: URL or credentials are wrong.
            ConnectorError: The data model doesn't fit.
            SettingsError: The folder of a dry run can't be written.
            SourceError: What the source holds can't be read back.
        """
        if self._folder:
            check_folder(self._folder)
        if self._insights:
            self._check_data_model(self._insights)
        collection = self._import.start(values=self._folder is not None)
        if self._insights:
            self._log(f"Import from Lucca started (target-elimity {version('target-elimity')}).")
        return collection

    def state_received(self, state: dict[str, Any], received: Mapping[str, int]) -> None:
        """Store the tap's state. It is emitted once the import was accepted.

        Args:
            state: The state.
            received: How many records of each stream came before it.

        Raises:
            ConnectorError: It doesn't have the form that tap-lucca gives it.
        """
        self._state = {**state, "bookmarks": state.get("bookmarks") or {}}
        self._completion.state_received(state, received)

    def finish(self, collection: Collection) -> dict[str, Any] | None:
        """Import the records, if they are complete and the safeguard has no objection.

        Returns:
            The state to emit: the tap's state with the counts of this import; None after a dry run.

        Raises:
            CallError: Elimity Insights did not accept it.
            ConnectorError: The records are incomplete or can't be imported, or the safeguard objects.
        """
        accept_filtered = self._settings.accept_filtered
        if problems := self._completion.problems(collection.rows, collection.received, accept_filtered=accept_filtered):
            raise ConnectorError(" ".join(problems))
        now = datetime.now(self._settings.timezone)
        employees = self._import.make_employees(collection, now, self._report_progress)
        assessment = self._import.assess(
            employees, self._last_counts(), former_employees=self._completion.former_employees
        )
        if assessment.nothing_compared:
            self._log(assessment.nothing_compared)
        changes = Changes(employees.database) if self._folder and self._source else None
        if self._folder:  # before the refusal, because the report shows it
            write_folder(self._folder, Report(employees, assessment, changes, now))
        if assessment.objections:
            self._log_warnings(assessment)  # they may explain the objections
            raise ConnectorError(f"{assessment.reasons} {self._what_to_do(assessment)}")
        if self._insights:
            self._upload(employees, self._insights)
            self._log(f"Import complete. {employees}.")
        else:
            self._log(f"Dry run: nothing was uploaded. {employees}. Open {REPORT} in {self._folder}.")
        if assessment.changes:
            moved = f", {changes.counts['moved']} moved" if changes else ""
            self._log(f"Compared with what the source held: {assessment.changes}{moved}.")
        self._log_warnings(assessment)
        if self._folder:  # STATE describes imports only
            return None
        bookmark = msgspec.to_builtins(employees.counts)
        return {**self._state, "bookmarks": {**self._state["bookmarks"], BOOKMARK: bookmark}}

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """If the import fails, log its outcome, also to the source's Logs tab."""
        try:
            yield
        except BaseException as error:
            outcome = "Nothing was imported"
            interrupted = isinstance(error, SystemExit)
            if self._accepted:
                outcome = "Imported, but the run failed afterwards"
            elif self._uploading and (interrupted or (isinstance(error, CallError) and error.answer_lost)):
                outcome = "It is unknown whether the import was accepted"
            self._logger.error("%s.", outcome)  # noqa: TRY400 - main() logs the error itself
            if self._insights:
                reason = "The run was interrupted."
                if not interrupted:
                    # The message of an unexpected error may quote a record; our own messages never do.
                    reason = str(error) if isinstance(error, ConnectorError) else type(error).__name__
                self._insights.log("alert", f"{outcome}: {reason}")
            raise

    def _upload(self, employees: Employees, insights: Insights) -> None:
        with TemporaryFile() as snapshot:
            write_compressed(employees, snapshot)
            self._uploading = True
            insights.upload(snapshot)
            self._accepted = True

    def _report_progress(self, done: int, total: int) -> None:
        if done % PROGRESS_EVERY == 0:
            self.progress.report("employees", done, total)

    def _last_counts(self) -> Counts | None:
        """Return the counts of the last import in STATE; None if there are none, or if they can't be read."""
        try:
            return msgspec.convert(self._state["bookmarks"].get(BOOKMARK), Counts)
        except msgspec.ValidationError:
            return None

    def _what_to_do(self, assessment: Assessment) -> str:
        """Return how to let the import through, if a setting can, and how to see whom it affects."""
        hint = ""
        if once := assessment.variables(VARIABLES):
            hint = (
                f"If that is right, let it through once: {once} {COMMAND} (the variables in front of the command, not "
                "in .env). "
            )
        if self._folder:
            return f"{hint}Open {REPORT} in {self._folder}."
        return (
            f"{hint}To see the plan first, without an upload: {VARIABLES}OUTPUT_PATH=output {COMMAND} writes "
            "output/report.html."
        )

    def _log_warnings(self, assessment: Assessment) -> None:
        for warning in assessment.warnings:
            self._log(f"Warning: {warning}", logging.WARNING)

    def _log(self, message: str, level: int = logging.INFO) -> None:
        self._logger.log(level, message)
        if self._insights:
            self._insights.log("info", message)

    def _check_data_model(self, insights: Insights) -> None:
        if found := differences(insights.data_model()):
            raise ConnectorError(
                f"The data model of source {self._settings.source_id} does not fit: {'; '.join(found)}. "
                "Correct it in Elimity Insights under Data model, or make a new custom source from the export file "
                "that `target-elimity --data-model` prints."
            )


def _new_source(settings: TargetSettings) -> Source:
    http = new_http(settings, settings.api_token_id, settings.api_token_secret)
    seconds = READING_TIMEOUTS * settings.request_timeout
    return Source(http, settings.url.rstrip("/"), int(settings.source_id), seconds)
