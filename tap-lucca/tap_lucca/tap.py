"""The tap: its settings, its command line and the list of its streams."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import click
from lucca_elimity_kit.plugin import StrictPlugin
from lucca_elimity_kit.progress import Progress
from lucca_elimity_kit.settings import read_file
from singer_sdk import Tap
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_lucca import client
from tap_lucca.catalog import checked_catalog, checked_state
from tap_lucca.settings import SCHEMA, flaws
from tap_lucca.streams import UsersStream, WorkContractsStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import FrameType

    import requests
    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class TapLucca(StrictPlugin, Tap):
    """Singer tap for Lucca HR: users and work contracts."""

    name = "tap-lucca"
    variables = "TAP_LUCCA_"
    message_writer_class = MsgSpecWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA

    def __init__(self, *, catalog: Any = None, state: Any = None, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        super().__init__(catalog=checked_catalog(catalog), state=checked_state(state), **kwargs)

    @classmethod
    @override
    def flaws(cls, settings: Mapping[str, Any]) -> Iterable[str]:
        return flaws(settings)

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for option in command.params:
            if option.name in {"catalog", "state"}:
                option.type = click.STRING  # the SDK would read them in the encoding of the system
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
        tap = cls(
            config=config.config,
            catalog=None if catalog is None else read_file(catalog, "catalog"),
            state=None if state is None else read_file(state, "state"),
        )
        tap.sync_all()

    @cached_property
    def instance_url(self) -> str:
        """The URL of the Lucca instance, without a slash at its end."""
        return client.instance_url(self.config["host"])

    @cached_property
    def session(self) -> requests.Session:
        """The one session, and so the one rate limit, of all streams."""
        return client.new_session(self.config["api_key"], self.config["requests_per_minute"])

    @cached_property
    def progress(self) -> Progress:
        """Tells how far the run is."""
        return Progress(self.logger)

    @cached_property
    def run_id(self) -> str:
        """What tells the completion marks of this run from those of any other."""
        return uuid4().hex

    @override
    def discover_streams(self) -> Sequence[Stream]:
        return [UsersStream(self), WorkContractsStream(self)]

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Load an earlier run's state without its completion marks: the SDK writes it out again first thing."""
        super().load_state(state)
        for bookmark in self.state.get("bookmarks", {}).values():
            bookmark.pop(client.COMPLETION, None)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once and non-zero; the SDK's own handler would report success."""
        self.logger.warning("Interrupted by signal %d before the end.", signum)
        sys.exit(128 + signum)
