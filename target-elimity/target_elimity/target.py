"""The adapter between the SDK and an import: Singer messages in, STATE out once the import was accepted."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

import click
import msgspec
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError, MapExpressionError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import DefaultStreamMap
from typing_extensions import override

from target_elimity.agent import PROGRESS_EVERY, Agent
from target_elimity.data_model import export_file
from target_elimity.messages import InvalidMessageError, MessageReader, RecordBeforeSchemaError, SchemaMessage
from target_elimity.records import RECORD_TYPES, UnusableStreamError
from target_elimity.settings import readable_environment, settings_errors

if TYPE_CHECKING:
    from types import FrameType
    from typing import IO

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap


class TargetElimity(Target):
    """Singer target for Elimity Insights: one whole snapshot of employees a run.

    It has no sinks: nothing is loaded before the end of the input, and then both streams at once.
    """

    name = "target-elimity"
    message_reader_class = MessageReader
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
        self.agent = Agent(self.config, self.logger)
        self._received = 0
        self._ignored: set[str] = set()

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
        with closing(target.agent):
            if check:
                for finding in target.agent.check():
                    click.echo(finding)
                return
            with target.agent.reporting():
                target.agent.start()
                target.listen(file_input)

    @override
    def process_endofpipe(self) -> None:
        """Import what arrived, and only then emit STATE.

        Raises:
            ConnectorError: Nothing was imported; the message says why.
        """
        state = self.agent.finish()
        if state is not None:
            click.echo(msgspec.json.encode(state))

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once and non-zero; the SDK's own handler would emit STATE and report success."""
        self.logger.warning("Interrupted by signal %d before the end.", signum)
        sys.exit(128 + signum)

    # The messages

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        message = SchemaMessage.read(message_dict)
        if message.bookmark_properties and message.stream in RECORD_TYPES:
            raise UnusableStreamError(
                f"The stream '{message.stream}' is incremental, and a part of a stream is not an import: "
                "set its replication method to FULL_TABLE."
            )
        try:
            self.mapper.register_raw_stream_schema(message.stream, message.schema, message.key_properties)
        except RecursionError:
            raise InvalidMessageError("The schema of a SCHEMA message is nested too deeply.") from None
        for stream_map in self.mapper.stream_maps[message.stream]:
            if stream_map.stream_alias in RECORD_TYPES:
                self.agent.incoming.schema_received(stream_map.stream_alias, stream_map.transformed_schema)
            elif stream_map.stream_alias not in self._ignored:
                self._ignored.add(stream_map.stream_alias)
                self.logger.warning("A stream that is not part of an import is ignored.")

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream, record = message_dict.get("stream"), message_dict.get("record")
        if not isinstance(stream, str) or not isinstance(record, dict):
            raise InvalidMessageError("A RECORD message lacks its stream or its record.")
        if stream not in self.mapper.stream_maps:
            raise RecordBeforeSchemaError("A RECORD message comes before the SCHEMA message of its stream.")
        for stream_map in self.mapper.stream_maps[stream]:
            if stream_map.stream_alias in RECORD_TYPES and (row := _transformed(stream_map, record)) is not None:
                self.agent.incoming.record_received(stream_map.stream_alias, row)
                self._received += 1
        if self._received % PROGRESS_EVERY == 0:
            self.agent.progress.tell("records received", self._received)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        value = message_dict.get("value")
        if not isinstance(value, dict):
            raise InvalidMessageError("A STATE message has no object as its value.")
        self.agent.state_received(value)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Every snapshot replaces all before it: there are no versions to activate."""

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise InvalidMessageError("BATCH messages are not supported: leave 'batch_config' of the tap unset.")

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


def _transformed(stream_map: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record as a stream map makes it; None if the map filters it out."""
    if isinstance(stream_map, DefaultStreamMap):
        return stream_map.transform(record)
    try:
        return stream_map.transform(record.copy())
    except (ArithmeticError, AttributeError, LookupError, MapExpressionError, TypeError, ValueError) as error:
        # The text of the error may quote what the expression failed on.
        raise UnusableStreamError(
            f"An expression in 'stream_maps' fails on a record of the stream '{stream_map.stream_alias}' "
            f"({type(error).__name__}): does it allow for values that are null?"
        ) from None


def _print_data_model(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's form
    if value:
        click.echo(export_file(), nl=False)
        context.exit()
