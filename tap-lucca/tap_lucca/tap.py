"""The tap: its settings and the list of its streams."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from lucca_elimity_kit.progress import Progress
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_lucca import client
from tap_lucca.bookmarks import on_luccas_clock
from tap_lucca.settings import readable_environment, readable_files, settings_errors
from tap_lucca.streams import UsersStream, WorkContractsStream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import requests
    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class TapLucca(Tap):
    """Singer tap for Lucca HR: users and work contracts."""

    name = "tap-lucca"
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
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "host",
            th.StringType(min_length=1),
            required=True,
            title="Host",
            description="URL of the Lucca instance; `acme.ilucca.net` is read as `https://acme.ilucca.net`",
        ),
        th.Property(
            "api_key",
            th.StringType(min_length=1, pattern=r"^[!-~]+$(?!\n)"),
            required=True,
            secret=True,
            title="API key",
            description="API key of the Lucca instance",
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=1000),
            default=1000,
            title="Page size",
            description="Rows asked for in one request, 1 to 1000",
        ),
        th.Property(
            "requests_per_minute",
            th.IntegerType(minimum=1),
            default=40,
            title="Requests per minute",
            description=(
                "Requests a minute, 1 or more; Lucca allows a tenant 50 for all of its integrations together, "
                "so more only for a tenant whose limit Lucca has raised"
            ),
        ),
        th.Property(
            "former_employees",
            th.BooleanType,
            default=True,
            title="Former employees",
            description="Whether former employees are read too",
        ),
        th.Property(
            "start_date",
            th.StringType,
            title="Start date",
            description=(
                "Date, or date and time, from which changes are read, unless STATE names a later one; "
                "only where a catalog asks for incremental replication"
            ),
        ),
        th.Property(
            "request_timeout",
            th.IntegerType(minimum=1, maximum=3600),
            default=30,
            title="Request timeout",
            description="Seconds to wait for an answer, 1 to 3600; Lucca itself gives up after 5",
        ),
        th.Property(
            "max_retry_seconds",
            th.IntegerType(minimum=0),
            default=300,
            title="Maximum retry time",
            description="Seconds for which a request that fails in passing (429, 5xx, network) is tried again",
        ),
    ).to_dict()

    def __init__(self, *, parse_env_config: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        with readable_environment(parse_env_config), readable_files(kwargs.get("catalog"), kwargs.get("state")):
            if isinstance(catalog := kwargs.get("catalog"), dict):
                _let_entries_tell_replication(catalog)
            super().__init__(parse_env_config=parse_env_config, **kwargs)

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a class property
        """The settings in the environment, which the SDK would let a `.env` in any folder above overwrite."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return parse_environment_config(schema, cls._env_var_prefix, os.devnull)

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
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings in words of our own: the SDK's quote the value, which may be the key."""
        errors = settings_errors(self.config_jsonschema, self._config)
        if "host" in self._config and not errors:
            try:
                client.instance_url(self._config["host"])
            except ValueError as error:
                errors = [f"The setting 'host' is not the URL of a Lucca instance: {error}."]
        if "start_date" in self._config and not errors:
            try:
                on_luccas_clock(self._config["start_date"])
            except ValueError as error:
                errors = [f"The setting 'start_date' is malformed: {error}."]
        if errors and raise_errors:
            raise ConfigValidationError(" ".join(errors), errors=errors)
        return [*errors, *super()._validate_config(raise_errors=False)]  # which also fills in the defaults

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at once and non-zero; the SDK's own handler would report success."""
        self.logger.warning("Interrupted by signal %d before the end.", signum)
        sys.exit(128 + signum)


def _let_entries_tell_replication(catalog: dict[str, Any]) -> None:
    """Bring what the metadata of a catalog's streams chooses to where the SDK looks for it: into their entries.

    Both are Singer: https://hub.meltano.com/singer/spec.
    """
    for entry in catalog["streams"]:
        for metadata in entry.get("metadata", ()):
            if not metadata["breadcrumb"]:
                for name in ("replication-method", "replication-key"):
                    if name in metadata["metadata"]:
                        entry[name.replace("-", "_")] = metadata["metadata"][name]
