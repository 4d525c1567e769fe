"""Connects the SDK to an import: reads Singer messages, and emits STATE once the import was accepted."""

from contextlib import closing
from functools import cached_property
from typing import IO, Any, ClassVar

import click
import msgspec
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.plugin import StrictPlugin
from singer_sdk import Target
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from typing_extensions import override

from target_elimity.collection import Collection
from target_elimity.data_model import export_file
from target_elimity.messages import MessageReader, RecordBeforeSchemaError, SchemaMessage
from target_elimity.records import RECORD_TYPES
from target_elimity.run import PROGRESS_EVERY, Run
from target_elimity.settings import TargetSettings


class TargetElimity(StrictPlugin, Target):
    """Singer target for Elimity Insights: each run uploads one whole snapshot of employees."""

    # It has no sinks, because it uploads both streams together, at the end of the input.

    name = "target-elimity"
    settings_class = TargetSettings
    settings: TargetSettings
    message_reader_class = MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = TargetSettings.schema()

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        super().__init__(**kwargs)
        self.current_run = Run(self.settings, self.logger)
        self._received = 0
        self._streams: set[str] = set()

    @cached_property
    def collection(self) -> Collection:
        """The collection for the records. Starts the run."""
        return self.current_run.start()

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
        target = cls.for_check(config.config) if check else cls(config=config.config)
        with closing(target.current_run) as run:
            if check:
                for finding in run.check():
                    click.echo(finding)
                return
            with run.reporting():
                _ = target.collection  # checks everything that can be checked before the first record
                target.listen(file_input)

    @override
    def process_endofpipe(self) -> None:
        """Import the records, then emit STATE.

        Raises:
            ConnectorError: Nothing was imported; the message says why.
        """
        state = self.current_run.finish(self.collection)
        if state is not None:
            click.echo(msgspec.json.encode(state))

    # The messages

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        message = SchemaMessage.read(message_dict)
        if message.bookmark_properties and message.stream in RECORD_TYPES:
            raise ConnectorError(
                f"The stream '{message.stream}' is incremental, but an import needs the whole stream: "
                "set its replication method to FULL_TABLE."
            )
        if message.stream in RECORD_TYPES:
            self.collection.schema_received(message.stream, message.schema)
        elif message.stream not in self._streams:
            self.logger.warning("A stream that is not part of an import is ignored.")
        self._streams.add(message.stream)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream, record = message_dict.get("stream"), message_dict.get("record")
        if not isinstance(stream, str) or not isinstance(record, dict):
            raise ConnectorError("A RECORD message lacks its stream or its record.")
        if stream not in self._streams:
            raise RecordBeforeSchemaError("A RECORD message comes before the SCHEMA message of its stream.")
        if stream in RECORD_TYPES:
            self.collection.add(stream, record)
            self._received += 1
        if self._received % PROGRESS_EVERY == 0:
            self.current_run.progress.report("records received", self._received)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        value = message_dict.get("value")
        if not isinstance(value, dict):
            raise ConnectorError("A STATE message has no object as its value.")
        self.current_run.state_received(value, self.collection.received)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Do nothing: each snapshot replaces the one before, so there are no versions."""

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise ConnectorError("BATCH messages are not supported: leave 'batch_config' of the tap unset.")

    # Settings and command line

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for option in command.params:
            if option.name == "file_input":
                option.type = click.File("rb")  # the SDK would use the system's encoding
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
