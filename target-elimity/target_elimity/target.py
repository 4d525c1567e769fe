"""The target: its settings, and at the end of the input whether there is a whole import to upload."""

from __future__ import annotations

import copy
import os
import sys
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import click
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError, FatalSyncError, SingerSDKError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from target_elimity.completion import REQUIRED_STREAMS, Completion
from target_elimity.data_model import ATTRIBUTE_TYPES, export_file, misfits
from target_elimity.employees import Rules
from target_elimity.insights import Insights, InsightsError
from target_elimity.messages import InvalidMessageError, MessageReader
from target_elimity.preview.changes import Changes
from target_elimity.preview.folder import REPORT, write_folder
from target_elimity.preview.previous_snapshot import read_employees
from target_elimity.preview.report import Preview
from target_elimity.preview.roster import Roster
from target_elimity.progress import Progress
from target_elimity.safeguard import Headcount, objection
from target_elimity.settings import readable_environment, settings_errors
from target_elimity.sinks import Collection, EmployeeSink, IgnoringSink, UnusableStreamError
from target_elimity.snapshot import write_compressed, write_json
from target_elimity.workforce import Workforce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import IO

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.sinks import Sink

    from target_elimity.employees import Employee
    from target_elimity.workforce import Summary

# Where the target keeps what it remembers of the last upload, among the bookmarks of the tap's STATE.
BOOKMARK = "target-elimity"
# To ask for the time after each record would take longer than to collect it.
RECORDS_BETWEEN_WORDS = 100


class ImportRefusedError(FatalSyncError):
    """What arrived is not to replace what the source holds; the message says why."""


class TargetElimity(Target):
    """Singer target for Elimity Insights: one whole snapshot of employees a run."""

    name = "target-elimity"
    message_reader_class = MessageReader
    # Nothing may leave before the end of the input: by default the SDK drains its sinks, and emits STATE, in between.
    _MAX_RECORD_AGE_IN_MINUTES = float("inf")
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "url",
            th.StringType(min_length=1),
            title="URL",
            description="URL of the Elimity Insights server; required, unless `output_path` is set",
        ),
        th.Property(
            "source_id",
            th.CustomType({"type": ["string", "integer"], "pattern": r"^[0-9A-Za-z_][0-9A-Za-z._-]*$(?!\n)"}),
            title="Source id",
            description="Id of the custom source; required, unless `output_path` is set",
        ),
        th.Property(
            "source_token",
            th.StringType(min_length=1, pattern=r"^[!-~]+$(?!\n)"),
            secret=True,
            title="Source token",
            description="Token of the custom source; required, unless `output_path` is set",
        ),
        th.Property(
            "output_path",
            th.StringType(min_length=1),
            title="Output path",
            description="Dry run: write the snapshot and a report about it into this folder, and upload nothing",
        ),
        th.Property(
            "previous_snapshot",
            th.StringType(min_length=1),
            title="Previous snapshot",
            description="`snapshot.json` of an earlier dry run, or gzipped: to tell who joined, left and moved since",
        ),
        th.Property(
            "accept_filtered",
            th.BooleanType,
            default=False,
            title="Accept filtered streams",
            description="Whether to import what a stream map or mapper has left of a company; all others are removed",
        ),
        th.Property(
            "timezone",
            th.StringType(min_length=1),
            default="UTC",
            title="Time zone",
            description="IANA time zone that decides what day it is today, and that of timestamps which name none",
        ),
        th.Property(
            "max_removed_percent",
            th.IntegerType(minimum=0, maximum=100),
            default=20,
            title="Maximum removed",
            description=(
                "Refuse an import with over this percentage fewer employees, 0 to 100; 100 lets everything through"
            ),
        ),
        th.Property(
            "max_deactivated_percent",
            th.IntegerType(minimum=0, maximum=100),
            default=20,
            title="Maximum deactivated",
            description=(
                "Refuse an import with over this percentage fewer active employees, 0 to 100; "
                "100 lets everything through"
            ),
        ),
        th.Property(
            "contract_type_names",
            th.ObjectType(additional_properties=th.StringType),
            title="Contract type names",
            description='Labels for contract types of which Lucca gives only the id, such as `{"1": "CDI"}`',
        ),
        th.Property(
            "client_certificate",
            th.StringType(min_length=1),
            title="Client certificate",
            description="File with the client certificate, for mutual TLS",
        ),
        th.Property(
            "client_private_key",
            th.StringType(min_length=1),
            title="Client private key",
            description="File with the private key of the client certificate, unless that file has it too",
        ),
        th.Property(
            "ca_bundle",
            th.StringType(min_length=1),
            title="CA bundle",
            description="File with the certificates of private authorities",
        ),
        th.Property(
            "request_timeout",
            th.IntegerType(minimum=1, maximum=3600),
            default=60,
            title="Request timeout",
            description="Seconds to wait for an answer, 1 to 3600",
        ),
        th.Property(
            "max_retry_seconds",
            th.IntegerType(minimum=0),
            default=300,
            title="Maximum retry time",
            description="Seconds for which a request that fails in passing (408, 429, 5xx, network) is tried again",
        ),
    ).to_dict()

    def __init__(self, *, parse_env_config: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        with readable_environment(parse_env_config):
            super().__init__(parse_env_config=parse_env_config, **kwargs)
        self.max_parallelism = 1
        self.collection = Collection()
        # The employees to look into, with those of the previous snapshot, if there is one.
        self._roster = Roster()
        self._completion = Completion(accept_filtered=self.config["accept_filtered"])
        self._state: dict[str, Any] = {}
        self._uploading = self._accepted = False

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a class property
        """The settings in the environment, which the SDK would let a `.env` in any folder above overwrite."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return parse_environment_config(schema, cls._env_var_prefix, os.devnull)

    # The run

    @classmethod
    @override
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: IO[str] | None = None,
        check: bool = False,
        **kwargs: Any,
    ) -> None:
        super(Target, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        target = cls(config=config.config, parse_env_config=config.parse_env)
        if check:
            target.check()
            return
        with closing(target.collection), closing(target._roster), target._reporting():
            target.start()
            target.listen(file_input)

    def start(self) -> None:
        """Make sure, before the first record, that an import will be accepted, and read what it is compared with.

        Raises:
            ConfigValidationError: The previous snapshot cannot be read.
            InsightsError: The server, the credentials or the data model are not as they must be.
        """
        if self._compares:
            self._roster.add_previous(read_employees(Path(self.config["previous_snapshot"])))
        if self._insights is None:
            return
        self._check_data_model(self._insights)
        self._tell("info", f"Import from Lucca started (target-elimity {version('target-elimity')}).")

    def check(self) -> None:
        """Say on the standard output whether URL, credentials and data model are as they must be.

        Raises:
            InsightsError: They are not.
        """
        if self._insights is None:
            click.echo("Dry run ('output_path' is set): there is nothing to check at Elimity Insights.")
            return
        self._check_data_model(self._insights)
        click.echo(f"Elimity Insights at {self.config['url']} accepts the credentials of source {self._source}.")
        click.echo(f"The data model of the source fits: Employee, with all {len(ATTRIBUTE_TYPES)} attributes.")

    @override
    def process_endofpipe(self) -> None:
        """Upload the import if it is whole, and only then emit STATE.

        Raises:
            ImportRefusedError: It is not whole, or the safeguard objects.
            InsightsError: Elimity Insights did not accept it.
            UnusableStreamError: A record cannot be imported.
        """
        if missing := self._completion.missing():
            raise ImportRefusedError(" ".join(missing))
        zone = ZoneInfo(self.config["timezone"])
        now = datetime.now(zone)
        rules = Rules(now.date(), zone, self.config.get("contract_type_names") or {})
        dry_run = self._insights is None
        workforce = Workforce(self.collection, rules, self._roster if dry_run or self._compares else None)
        with TemporaryFile() as snapshot:
            write = write_json if dry_run else write_compressed
            write(self._watched(workforce.employees()), snapshot)
            if reason := workforce.objection():
                raise ImportRefusedError(reason)
            reason = self._objection_of_safeguard(workforce.summary)
            changes = Changes(self._roster) if self._compares else None
            if dry_run:  # the report is what shows whether the safeguard is right
                preview = Preview(self._roster, workforce.summary, changes, reason, now)
                write_folder(Path(self.config["output_path"]), snapshot, preview)
            if reason:
                raise ImportRefusedError(reason)
            if self._insights:
                self._uploading = True
                self._insights.upload(snapshot)
                self._accepted = True
        self._tell_outcome(workforce, changes)
        if dry_run:  # nothing was imported, so there is nothing to remember
            return
        self._latest_state = copy.deepcopy(self._state)
        self._latest_state.setdefault("bookmarks", {})[BOOKMARK] = {
            "employees": workforce.summary.employees,
            "active": workforce.summary.active,
        }
        super().process_endofpipe()

    def _tell_outcome(self, workforce: Workforce, changes: Changes | None) -> None:
        if self._insights:
            self._tell("info", f"Import complete. {workforce.summary}.")
        else:
            self._tell(
                "info",
                f"Dry run: nothing was uploaded. {workforce.summary}. Open {REPORT} in {self.config['output_path']}.",
            )
        if changes:
            self._tell("info", f"Since the previous snapshot: {changes.counts}.")
        for warning in workforce.warnings():
            self._tell("info", f"Warning: {warning}")

    def _objection_of_safeguard(self, summary: Summary) -> str | None:
        try:
            remembered = self._state["bookmarks"][BOOKMARK]
            previous = Headcount(int(remembered["employees"]), int(remembered["active"]))
        except (KeyError, TypeError, ValueError):  # nothing is remembered, or nothing that can be read
            return None
        return objection(
            previous,
            Headcount(summary.employees, summary.active),
            self.config["max_removed_percent"],
            self.config["max_deactivated_percent"],
        )

    @property
    def _compares(self) -> bool:
        return "previous_snapshot" in self.config

    # Elimity Insights

    @cached_property
    def _insights(self) -> Insights | None:
        """The source to upload to; None in a dry run."""
        if "output_path" in self.config:
            return None
        return Insights(
            self.config["url"].rstrip("/"),
            self._source,
            self.config["source_token"],
            timeout=self.config["request_timeout"],
            max_retry_seconds=self.config["max_retry_seconds"],
            client_certificate=self.config.get("client_certificate"),
            client_private_key=self.config.get("client_private_key"),
            ca_bundle=self.config.get("ca_bundle"),
        )

    @property
    def _source(self) -> str:
        return str(self.config["source_id"])

    def _check_data_model(self, insights: Insights) -> None:
        try:
            found = misfits(insights.data_model())
        except (AttributeError, KeyError, TypeError):
            raise InsightsError(
                f"{self.config['url']} answers with something that is no data model; check the setting 'url'."
            ) from None
        if found:
            raise InsightsError(
                f"The data model of source {self._source} does not fit: {'; '.join(found)}. "
                "Correct it in Elimity Insights under Data model, or make a new custom source from the export file "
                "that `target-elimity --data-model` prints."
            )

    def _tell(self, level: Literal["info", "alert"], message: str) -> None:
        self.logger.info(message)
        if self._insights:
            self._insights.log(level, message)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Put the reason for which nothing was imported into the source's Logs tab."""
        try:
            yield
        except BaseException as error:
            outcome = "Nothing was imported"
            if self._accepted:
                outcome = "Imported, but the run failed afterwards"
            elif self._uploading and isinstance(error, SystemExit):
                outcome = "It is unknown whether the import was accepted"
            self.logger.error("%s.", outcome)  # noqa: TRY400 - the error itself is told where it is caught
            if self._insights:
                if isinstance(error, SystemExit):
                    reason = "the run was interrupted."
                else:
                    # An error that nobody foresaw may quote a record; the words of ours never do.
                    reason = str(error) if isinstance(error, SingerSDKError) else type(error).__name__
                self._insights.log("alert", f"{outcome}: {reason}")
            raise

    @cached_property
    def _progress(self) -> Progress:
        """Tells how far the run is."""
        return Progress(self.logger)

    def _watched(self, employees: Iterator[Employee]) -> Iterator[Employee]:
        total = self.collection.count_users()
        for number, employee in enumerate(employees):
            if number % RECORDS_BETWEEN_WORDS == 0:
                self._progress.tell("employees", number, total)
            yield employee

    # The messages

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict.get("bookmark_properties") and message_dict.get("stream") in REQUIRED_STREAMS:
            raise UnusableStreamError(
                f"The stream '{message_dict['stream']}' is incremental, and a partial set is not an import: "
                "set its replication method to FULL_TABLE."
            )
        super()._process_schema_message(message_dict)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        added = self.collection.added
        try:
            super()._process_record_message(message_dict)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # The SDK tells of an expression that fails with the value that it failed on.
            raise UnusableStreamError(
                f"A record of the stream '{message_dict.get('stream')}' cannot be used ({type(error).__name__}): "
                "does an expression in 'stream_maps' not allow for its values?"
            ) from None
        stream = message_dict["stream"]
        self._completion.received[stream] += 1
        self._completion.dropped[stream] += self.collection.added == added
        if self.collection.added % RECORDS_BETWEEN_WORDS == 0:
            self._progress.tell(f"{stream.replace('_', ' ')} received", self._completion.received[stream])

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Keep the state; that of the SDK would go out whenever a sink is drained."""
        self._assert_line_requires(message_dict, requires={"value"})
        if not isinstance(message_dict["value"], dict):
            raise InvalidMessageError("A STATE message has a value that is no object.")
        self._state = message_dict["value"]
        self._completion.state_received(self._state)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Every snapshot replaces all before it: there are no versions to activate."""

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise InvalidMessageError("BATCH messages are not supported: leave 'batch_config' of the tap unset.")

    @override
    def get_sink_class(self, stream_name: str) -> type[Sink]:
        return EmployeeSink if stream_name in REQUIRED_STREAMS else IgnoringSink

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once and non-zero; the SDK's own handler would drain, emit STATE and report success."""
        self.logger.warning("Interrupted by signal %d before the end.", signum)
        sys.exit(128 + signum)

    # Settings and command line

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leave out the SDK's settings for targets that load tables."""
        super(Target, cls).append_builtin_config(config_jsonschema)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings in words of our own: the SDK's quote the value, which may be the token."""
        errors = settings_errors(self.config_jsonschema, self._config)
        if errors and raise_errors:
            raise ConfigValidationError(" ".join(errors), errors=errors)
        return [*errors, *super()._validate_config(raise_errors=False)]  # which also fills in the defaults

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.params.extend(
            [
                click.Option(
                    ["--check"],
                    is_flag=True,
                    help="Check URL, credentials and data model, and upload nothing.",
                ),
                click.Option(
                    ["--data-model"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_print_data_model,
                    help="Print the data model export file for Elimity Insights.",
                ),
            ]
        )
        return command


def _print_data_model(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's form
    if value:
        click.echo(export_file(), nl=False)
        context.exit()
