"""Carries an import out: uploads it to a source of Elimity Insights, or writes a dry run into a folder."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.progress import Progress
from lucca_elimity_kit.retries import CallError

from target_elimity.completion import Completion
from target_elimity.data_model import ATTRIBUTE_TYPES, differences
from target_elimity.employees import Rules
from target_elimity.imports import Import, ImportRefusedError, Verdict
from target_elimity.insights import Insights, InsightsError
from target_elimity.records import USERS
from target_elimity.safeguard import Limits, Memory, Objection, lost_on_purpose, objections, rights_lost, variables
from target_elimity.snapshot import write_compressed, write_json

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping, Sequence

    from target_elimity.employees import Employee
    from target_elimity.preview import Preview

# Where the target keeps what it remembers of the last import, among the bookmarks of the tap's STATE.
BOOKMARK = "target-elimity"
VARIABLES = "TARGET_ELIMITY_"
COMMAND = "meltano run tap-lucca target-elimity"
NOTHING_COMPARED = (
    "Nothing was compared: no earlier import is remembered (this is the first one, STATE was lost, or --full-refresh)"
)
# Asking for the time after each employee would take longer than making them.
PROGRESS_EVERY = 100


class Agent:
    """One import, from the checks before the first record to what the log says at the end."""

    def __init__(self, config: Mapping[str, Any], logger: logging.Logger) -> None:
        """Prepare an import.

        Args:
            config: The checked settings of the target.
            logger: Where the run is logged; what administrators should see goes to the source's Logs tab too.
        """
        self.incoming = Import()
        self.progress = Progress(logger)
        self._config = config
        self._logger = logger
        self._insights = None if "output_path" in config else _new_insights(config)
        self._preview = _new_preview(config) if "output_path" in config or "previous_snapshot" in config else None
        self._completion = Completion()
        self._limits = Limits(**{limit.name: config[limit.name] for limit in fields(Limits)})
        self._state: dict[str, Any] = {}
        self._uploading = self._accepted = False

    def close(self) -> None:
        """Delete what was collected."""
        self.incoming.close()
        if self._preview:
            self._preview.close()

    def check(self) -> Iterator[str]:
        """Check URL, credentials and data model; yield what was found to be right.

        Raises:
            InsightsError: One of them is wrong.
        """
        if self._insights is None:
            yield "Dry run ('output_path' is set): there is nothing to check at Elimity Insights."
            return
        self._check_data_model(self._insights)
        yield f"Elimity Insights at {self._config['url']} accepts the credentials of source {self._source}."
        yield f"The data model of the source fits: Employee, with all {len(ATTRIBUTE_TYPES)} attributes."

    def start(self) -> None:
        """Check everything that can be known to be wrong before the first record arrives.

        Raises:
            InsightsError: URL, credentials or data model are wrong.
            SettingsError: The previous snapshot cannot be read.
        """
        if self._preview:
            self._preview.read_previous()
        if self._insights:
            self._check_data_model(self._insights)
            self._tell("info", f"Import from Lucca started (target-elimity {version('target-elimity')}).")

    def state_received(self, state: dict[str, Any]) -> None:
        """Keep the tap's state, which is emitted once the import was accepted.

        Raises:
            InvalidStateError: It is not of the form that tap-lucca gives it.
        """
        self._state = state
        self._completion.state_received(state, self.incoming.collection.rows)

    def finish(self) -> dict[str, Any] | None:
        """Import what arrived, if it is whole and plausible.

        Returns:
            The state to emit: the tap's, with what is remembered of this import; None after a dry run.

        Raises:
            ImportRefusedError: It is not whole, or not plausible.
            InsightsError: Elimity Insights did not accept it.
            UnusableStreamError: A record cannot be imported.
        """
        rows = self.incoming.collection.rows
        if problems := self._completion.problems(rows, accept_filtered=self._config["accept_filtered"]):
            raise ImportRefusedError(" ".join(problems))
        self.incoming.check_records()
        zone = ZoneInfo(self._config["timezone"])
        now = datetime.now(zone)
        rules = Rules(now.date(), zone, self._config.get("contract_type_names") or {})
        with TemporaryFile() as snapshot:
            write = write_compressed if self._insights else write_json
            write(self._employees(rules), snapshot)
            refused = list(self._objections())
            reasons = " ".join(objection.reason for objection in refused)
            if self._preview and not self._insights:  # the report shows what the safeguard refuses
                warnings = list(self._warnings())
                self._preview.write(snapshot, Verdict(self.incoming.summary, reasons, warnings, now))
            if refused:
                raise ImportRefusedError(f"{reasons} {self._what_to_do(refused)}")
            if self._insights:
                self._uploading = True
                self._insights.upload(snapshot)
                self._accepted = True
        self._tell_outcome()
        if self._insights is None:  # nothing was imported, so there is nothing to remember
            return None
        memory = msgspec.to_builtins(self.incoming.memory)
        return {**self._state, "bookmarks": {**self._state.get("bookmarks", {}), BOOKMARK: memory}}

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Log what became of an import that fails, and write it to the source's Logs tab."""
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
                self.progress.tell("employees", number, total)
            if self._preview:
                self._preview.add(employee, has_contract=has_contract)
            yield employee

    def _objections(self) -> Iterator[Objection]:
        previous = self._remembered
        if previous is None:
            self._tell("info", f"{NOTHING_COMPARED}.")
            return
        yield from rights_lost(previous.fields, self.incoming.hidden_fields)
        yield from objections(previous, self.incoming.memory, self._limits, self.incoming.deselected)

    @property
    def _remembered(self) -> Memory | None:
        """What STATE remembers of the last import; None if that is nothing, or nothing that can be read."""
        try:
            return msgspec.convert(self._state.get("bookmarks", {}).get(BOOKMARK), Memory)
        except msgspec.ValidationError:
            return None

    def _warnings(self) -> Iterator[str]:
        previous = self._remembered
        yield from self.incoming.warnings(is_first=previous is None)
        if previous and (names := lost_on_purpose(previous.values, self.incoming.deselected)):
            yield f"Everybody loses {names}: the tap's catalog no longer selects it."

    def _what_to_do(self, refused: Sequence[Objection]) -> str:
        """Return how to let an import through, if that is possible, and how to see whom it concerns."""
        advice = ""
        if once := variables(refused, VARIABLES):
            advice = (
                f"If that is right, let it through once: {once} {COMMAND} (the variables in front of the command, not "
                "in .env). "
            )
        if self._preview and not self._insights:
            return f"{advice}Open {self._preview.report_path}."
        return (
            f"{advice}To see the plan first, without an upload: {VARIABLES}OUTPUT_PATH=output {COMMAND} writes "
            "output/report.html."
        )

    def _tell_outcome(self) -> None:
        summary = self.incoming.summary
        if self._insights:
            self._tell("info", f"Import complete. {summary}.")
        elif self._preview:
            self._tell("info", f"Dry run: nothing was uploaded. {summary}. Open {self._preview.report_path}.")
        if self._preview and (counts := self._preview.change_counts):
            self._tell("info", f"Since the previous snapshot: {counts}.")
        for warning in self._warnings():
            self._tell("info", f"Warning: {warning}")

    def _tell(self, level: Literal["info", "alert"], message: str) -> None:
        self._logger.info(message)
        if self._insights:
            self._insights.log(level, message)

    @property
    def _source(self) -> str:
        return str(self._config["source_id"])

    def _check_data_model(self, insights: Insights) -> None:
        found = differences(insights.data_model())
        if found:
            raise InsightsError(
                f"The data model of source {self._source} does not fit: {'; '.join(found)}. "
                "Correct it in Elimity Insights under Data model, or make a new custom source from the export file "
                "that `target-elimity --data-model` prints."
            )


def _new_insights(config: Mapping[str, Any]) -> Insights:
    return Insights(
        config["url"].rstrip("/"),
        str(config["source_id"]),
        config["source_token"],
        timeout=config["request_timeout"],
        max_retry_seconds=config["max_retry_seconds"],
        client_certificate=config.get("client_certificate"),
        client_private_key=config.get("client_private_key"),
        ca_bundle=config.get("ca_bundle"),
    )


def _new_preview(config: Mapping[str, Any]) -> Preview:
    from target_elimity.preview import Preview  # noqa: PLC0415 - an import without a preview needs no template engine

    path, previous = config.get("output_path"), config.get("previous_snapshot")
    return Preview(path and Path(path), previous and Path(previous))
