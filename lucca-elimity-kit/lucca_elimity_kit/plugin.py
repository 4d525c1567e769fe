"""The base class of tap and target as plugins of the Singer SDK: it reads the settings and runs the command line."""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import FrameType
from typing import Any, ClassVar, Self

import click
import msgspec
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.foreign import quiet_libraries
from lucca_elimity_kit.settings import ProgramSettings, read_file

ENVIRONMENT = "ENV"
CHECK_RETRY_SECONDS = 10


class StrictPlugin(PluginBase):
    """Checks the settings itself. The SDK would coerce them, quote them in messages and read a `.env` file."""

    settings_class: ClassVar[type[ProgramSettings]]
    settings: ProgramSettings

    def __init__(
        self,
        *,
        config: dict[str, Any] | PurePath | str | list[PurePath | str] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        **kwargs: Any,  # noqa: ANN401 - the SDK's own
    ) -> None:
        if not isinstance(config, dict):
            config = self.read_settings([config] if isinstance(config, (str, PurePath)) else config or [])
        if parse_env_config:
            config = _merged(config, self.read_settings([ENVIRONMENT]))
        self.settings = self.settings_class.parse(config, complete=validate_config)
        # Only what is set: the SDK (0.54) fails on a `stream_maps` that is null.
        values = msgspec.to_builtins(self.settings, enc_hook=str)
        self.logger.addFilter(_keeps)
        super().__init__(config=values, parse_env_config=False, validate_config=False, **kwargs)

    @classmethod
    def for_check(cls, config: Mapping[str, Any]) -> Self:
        """Create the plugin for a check. Somebody waits for its result, so it retries only briefly.

        Raises:
            SettingsError: A setting is wrong.
        """
        seconds = cls.settings_class.parse(config, complete=False).max_retry_seconds
        return cls(config={**config, "max_retry_seconds": min(seconds, CHECK_RETRY_SECONDS)})

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: the struct has the SDK's settings that apply."""

    @classmethod
    def read_settings(cls, sources: Sequence[PurePath | str]) -> dict[str, Any]:
        """Read settings from files and, if `ENV` is named, the environment.

        Later files override earlier ones. The environment overrides them all.

        Raises:
            SettingsError: A file can't be read, or a variable is misspelled.
        """
        settings: dict[str, Any] = {}
        for source in sources:
            if source != ENVIRONMENT:
                settings = _merged(settings, read_file(source))
        # Meltano passes the settings in a file, but not a misspelled variable. So the names are checked in any case.
        variables = cls.settings_class.read_environment(os.environ)
        return _merged(settings, variables) if ENVIRONMENT in sources else settings

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        config = super().cb_config(ctx, param, ())
        config.config = cls.read_settings(value)
        return config

    @classmethod
    def run(cls) -> int:
        """Run the command line, and return its exit code.

        Raises:
            ConnectorError: An expected error ended the run.
        """
        for variable in (f"{cls.settings_class.prefix}LOGLEVEL", "LOGLEVEL"):
            if (level := os.environ.get(variable)) and not isinstance(logging.getLevelName(level.upper()), int):
                raise SettingsError(f"The variable {variable} is not a log level: use DEBUG, INFO, WARNING or ERROR.")
        quiet_libraries()
        # If the terminal is closed, stop as on SIGTERM. Under nohup, the signal stays ignored.
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        try:
            command = cls.cli  # sets up logging
        except Exception:
            if "SINGER_SDK_LOG_CONFIG" not in os.environ:
                raise
            raise SettingsError(
                "The variable SINGER_SDK_LOG_CONFIG does not name a usable logging configuration: it must be a YAML "
                "file of the form that Python's logging.config.dictConfig takes."
            ) from None
        try:
            exit_code = command(standalone_mode=False)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        return exit_code if isinstance(exit_code, int) else 0

    # Private to the SDK (0.54), which logs a warning about settings that a discovery doesn't need.
    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        return []

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Exit at once with an error. The SDK would report success: https://github.com/meltano/sdk/pull/2620."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a second signal must not interrupt the end
            signal.signal(number, signal.SIG_IGN)
        self.logger.warning("Interrupted by signal %d before the end.", signum)
        sys.exit(128 + signum)


def _keeps(record: logging.LogRecord) -> bool:
    """Drop the SDK's (0.54) line "Skipping parse of env var settings...": they were read before, by this module."""
    return not str(record.msg).startswith("Skipping parse of env var")


def _merged(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, overridden by those in `more` that aren't empty."""
    return {
        **settings,
        **{name: value for name, value in more.items() if name not in settings or value not in (None, "")},
    }
