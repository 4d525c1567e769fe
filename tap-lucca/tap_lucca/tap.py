"""The tap: its command line and its list of streams."""

import fnmatch
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import click
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.progress import Progress
from lucca_elimity_kit.settings import read_file
from singer_sdk import Stream, Tap
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Message, RecordMessage
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_lucca.catalog import checked_catalog, checked_state
from tap_lucca.settings import TapSettings, instance_url
from tap_lucca.stream import COMPLETION, STREAM_MAP_ERRORS, UNUSABLE_STREAM_MAPS, ConnectedTap, LuccaStream
from tap_lucca.streams import UsersStream, WorkContractsStream


class _Writer(MsgSpecWriter):
    """Buffers the records of a stream. The SDK (0.54) flushes after each record."""

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, RecordMessage):
            sys.stdout.buffer.write(self.format_message(message))
        else:
            super().write_message(message)


class TapLucca(ConnectedTap):
    """Singer tap for Lucca HR: users and work contracts."""

    name = "tap-lucca"
    settings_class = TapSettings
    message_writer_class = _Writer
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = TapSettings.schema()

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for option in command.params:
            if option.name in {"catalog", "state"}:
                option.type = click.STRING  # the SDK would use the system's encoding
            elif option.name == "test":  # the SDK (0.54) takes an unknown value for "all"
                option.type = click.Choice([value.value for value in CliTestOptionValue])
        return command

    @classmethod
    @override
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        state: Any = None,
        catalog: Any = None,
        **kwargs: Any,
    ) -> None:
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        try:
            tap = cls(
                config=config.config,
                catalog=None if catalog is None else checked_catalog(read_file(catalog, "catalog")),
                state=None if state is None else checked_state(read_file(state, "state")),
            )
        except RecursionError:
            raise ConnectorError("The catalog or state is nested too deeply. Use one that the tap wrote.") from None
        _ = tap.client  # loads the TLS files: a wrong one must end the run before the first message
        tap.progress = Progress(tap.logger)
        tap.sync_all()

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Read one record of each stream, and log that it can be read. The SDK's own check logs a failed sync."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        tap = cls.for_check(ctx.params["config"].config)
        _ = tap.client
        tap.write_schemas()
        for stream in tap.streams.values():
            cast("LuccaStream", stream).check()
        readable = " and ".join(name.replace("_", " ") for name in tap.streams)
        host = urlsplit(instance_url(tap.settings.host)).netloc
        tap.logger.info("Lucca at %s accepts the API key: %s can be read.", host, readable)
        ctx.exit()

    @override
    def discover_streams(self) -> Sequence[Stream]:
        return [UsersStream(self), WorkContractsStream(self)]

    @override
    def setup_mapper(self) -> None:
        """Announce exactly the fields that are emitted.

        The SDK (0.54) announces an object although none of its fields is selected, and all fields of objects in lists.

        Raises:
            ConnectorError: The setting 'stream_maps' or the catalog doesn't fit the streams.
        """
        stream_maps = self.settings.stream_maps
        try:
            super(Tap, self).setup_mapper()  # without the schemas of `Tap.setup_mapper`
            for name, stream in self.streams.items():
                schema = cast("LuccaStream", stream).projection.schema
                self.mapper.register_raw_stream_schema(name, schema, stream.primary_keys)
        except STREAM_MAP_ERRORS as error:
            if stream_maps:
                raise ConnectorError(UNUSABLE_STREAM_MAPS) from error
            if self.input_catalog is not None:
                raise ConnectorError(
                    "The catalog has a schema that can't be used. Use one that the tap wrote."
                ) from error
            raise
        for name, stream_map in stream_maps.items():
            source = stream_map.get("__source__", name) if isinstance(stream_map, dict) else name
            if name != "__else__" and not fnmatch.filter(self.streams, cast("str", source)):
                known = " and ".join(self.streams)
                problem = f"names a stream that the tap doesn't have: correct its name. The streams are {known}."
                raise ConnectorError(f"The setting 'stream_maps' {problem}")

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Load the state of an earlier run without its completion marks, because the SDK emits the state at once."""
        super().load_state(state)
        for bookmark in self.state.get("bookmarks", {}).values():
            bookmark.pop(COMPLETION, None)
