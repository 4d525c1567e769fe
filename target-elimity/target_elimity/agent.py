"""Runs an import: uploads it to a source of Elimity Insights, or writes the files of a dry run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.progress import Progress
from lucca_elimity_kit.retries import CallError

from target_elimity.completion import Completion
from target_elimity.data_model import ATTRIBUTE_TYPES, differences
from target_elimity.employees import Employee, Rules
from target_elimity.imports import Import, ImportRefusedError, Verdict
from target_elimity.insights import Insights, InsightsError, new_http
from target_elimity.records import USERS
from target_elimity.safeguard import Limits, Memory
from target_elimity.settings import TargetSettings
from target_elimity.snapshot import write_compressed, write_json
from target_elimity.source import Source, advice

if TYPE_CHECKING:
    from target_elimity.preview import Preview

# The bookmark in the tap's STATE that stores the counts of the last import.
BOOKMARK = "target-elimity"
VARIABLES = TargetSettings.prefix
COMMAND = "meltano run tap-lucca target-elimity"
# The time limit for reading back a source, as a multiple of the normal limit.
READING_TIMEOUTS = 10
# Reading the clock for each employee would be slower than converting them.
PROGRESS_EVERY = 100


class Agent:
    """One import, from the checks before the first record to the log lines at the end.

    Lines for administrators go to the source's Logs tab, too.
    """

    def __init__(self, settings: TargetSettings, logger: logging.Logger) -> None:
        limits = Limits(settings.max_removed_percent, settings.max_deactivated_percent, settings.max_emptied_percent)
        self.incoming = Import(limits, _new_source(settings) if settings.api_token_id else None)
        self.progress = Progress(logger)
        self._settings = settings
        self._logger = logger
        self._insights = None if settings.output_path else Insights(settings)
        self._preview = _new_preview(settings)
        self._completion = Completion()
        self._state: dict[str, Any] = {}
        self._uploading = self._accepted = False

    def close(self) -> None:
        """Delete what was collected."""
        self.incoming.close()
        if self._preview:
            self._preview.close()

    def check(self) -> Iterator[str]:
        """Check URL, credentials, data model and API token; yield a line for each check that passed.

        Raises:
            InsightsError: URL, credentials or data model are wrong.
            SourceError: The API token is wrong or may not read the source.
        """
        source_id = self._settings.source_id
        if self._insights:
            self._check_data_model(self._insights)
            yield f"Elimity Insights at {self._settings.url} accepts the credentials of source {source_id}."
            yield f"The data model of the source fits: Employee, with all {len(ATTRIBUTE_TYPES)} attributes."
        if comparison := self.incoming.comparison:
            comparison.source.check()
            yield f"The API token may read source {source_id}."
        elif not self._insights:
            yield "Dry run ('output_path' is set): there is nothing to check at Elimity Insights."

    def start(self) -> None:
        """Check everything that can be checked before the first record arrives.

        Raises:
            InsightsError: URL, credentials or data model are wrong.
            SettingsError: The folder of a dry run can't be written.
            SourceError: What the source holds can't be read back.
        """
        if self._preview:
            self._preview.start()
        if self._insights:
            self._check_data_model(self._insights)
        if comparison := self.incoming.comparison:
            for held in comparison.read(values=self._preview is not None):
                if self._preview:
                    self._preview.add_previous({"id": held.id, "name": held.name, **held.values})
        if self._insights:
            self._log(f"Import from Lucca started (target-elimity {version('target-elimity')}).")

    def state_received(self, state: dict[str, Any]) -> None:
        """Store the tap's state. It is emitted once the import was accepted.

        Raises:
            InvalidStateError: It doesn't have the form that tap-lucca gives it.
        """
        self._state = {**state, "bookmarks": state.get("bookmarks") or {}}
        self._completion.state_received(state, self.incoming.collection.received)

    def finish(self) -> dict[str, Any] | None:
        """Import the records, if they are complete and the safeguard has no objection.

        Returns:
            The state to emit: the tap's state with the counts of this import; None after a dry run.

        Raises:
            ImportRefusedError: The records are incomplete, or the safeguard objects.
            InsightsError: Elimity Insights did not accept it.
            UnusableStreamError: A record can't be imported.
        """
        collection, accept_filtered = self.incoming.collection, self._settings.accept_filtered
        if problems := self._completion.problems(collection.rows, collection.received, accept_filtered=accept_filtered):
            raise ImportRefusedError(" ".join(problems))
        self.incoming.check_records()
        zone = self._settings.timezone
        now = datetime.now(zone)
        rules = Rules(now.date(), zone, self._settings.contract_type_names)
        with TemporaryFile() as snapshot:
            write = write_compressed if self._insights else write_json
            write(self._employees(rules), snapshot)
            verdict = self.incoming.judge(self._remembered)
            if verdict.nothing_compared:
                self._log(verdict.nothing_compared)
            if self._preview:  # before the refusal, because the report shows it
                self._preview.write(snapshot, verdict, now)
            if verdict.objections:
                self._log_warnings(verdict)  # they may explain the loss
                raise ImportRefusedError(f"{verdict.reasons} {self._what_to_do(verdict)}")
            if self._insights:
                self._uploading = True
                self._insights.upload(snapshot)
                self._accepted = True
        self._log_outcome(verdict)
        if self._preview:  # STATE describes imports only
            return None
        memory = msgspec.to_builtins(self.incoming.memory)
        return {**self._state, "bookmarks": {**self._state.get("bookmarks", {}), BOOKMARK: memory}}

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

    def _employees(self, rules: Rules) -> Iterator[Employee]:
        total = self.incoming.collection.rows(USERS)
        for number, (employee, has_contract) in enumerate(self.incoming.employees(rules)):
            if number % PROGRESS_EVERY == 0:
                self.progress.report("employees", number, total)
            if self._preview:
                self._preview.add(employee, has_contract=has_contract)
            yield employee

    @property
    def _remembered(self) -> Memory | None:
        """The counts of the last import in STATE; None if there are none, or if they can't be read."""
        try:
            return msgspec.convert(self._state.get("bookmarks", {}).get(BOOKMARK), Memory)
        except msgspec.ValidationError:
            return None

    def _what_to_do(self, verdict: Verdict) -> str:
        """Return how to let the import through, if a setting can, and how to see whom it affects."""
        hint = ""
        if once := verdict.variables(VARIABLES):
            hint = (
                f"If that is right, let it through once: {once} {COMMAND} (the variables in front of the command, not "
                "in .env). "
            )
        if self._preview:
            return f"{hint}Open {self._preview.report_path}."
        return (
            f"{hint}To see the plan first, without an upload: {VARIABLES}OUTPUT_PATH=output {COMMAND} writes "
            "output/report.html."
        )

    def _log_outcome(self, verdict: Verdict) -> None:
        summary = verdict.summary
        if self._insights:
            self._log(f"Import complete. {summary}.")
        elif self._preview:
            self._log(f"Dry run: nothing was uploaded. {summary}. Open {self._preview.report_path}.")
        comparison = self.incoming.comparison
        if comparison and comparison.held:
            counts = self._preview and self._preview.change_counts
            moved = f", {counts.moved} moved" if counts else ""
            self._log(f"Compared with what the source held: {comparison}{moved}.")
        self._log_warnings(verdict)

    def _log_warnings(self, verdict: Verdict) -> None:
        for warning in verdict.warnings:
            self._log(f"Warning: {warning}", logging.WARNING)

    def _log(self, message: str, level: int = logging.INFO) -> None:
        self._logger.log(level, message)
        if self._insights:
            self._insights.log("info", message)

    def _check_data_model(self, insights: Insights) -> None:
        found = differences(insights.data_model())
        if found:
            raise InsightsError(
                f"The data model of source {self._settings.source_id} does not fit: {'; '.join(found)}. "
                "Correct it in Elimity Insights under Data model, or make a new custom source from the export file "
                "that `target-elimity --data-model` prints."
            )


def _new_source(settings: TargetSettings) -> Source:
    http = new_http(settings, settings.api_token_id, settings.api_token_secret, advice)
    seconds = READING_TIMEOUTS * settings.request_timeout
    return Source(http, settings.url.rstrip("/"), int(settings.source_id), seconds)


def _new_preview(settings: TargetSettings) -> "Preview | None":
    if not settings.output_path:
        return None
    from target_elimity.preview import Preview  # noqa: PLC0415 - only a dry run needs to load the template engine

    return Preview(settings.output_path, compares_with_source=bool(settings.api_token_id))
