"""What is wrong with the settings, in sentences that name the setting and never its value."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from singer_sdk.exceptions import ConfigValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def settings_errors(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every setting that is missing, out of range or malformed."""
    flaws = {name: "is missing" for name in schema.get("required", ()) if name not in config}
    for error in Draft202012Validator(schema).iter_errors(config):
        if error.path:
            flaws[str(error.path[0])] = "is out of range or malformed"
    return [
        f"The setting '{name}' {flaw}. It is: {schema['properties'][name]['description']}."
        for name, flaw in sorted(flaws.items())
    ]


@contextmanager
def readable_environment(parsed: bool) -> Iterator[None]:
    """Tell of a variable that is not what its setting must be; the SDK logs which one it parses before it fails."""
    try:
        yield
    except ValueError as error:
        if not parsed:
            raise
        message = f"The setting parsed last from the environment is malformed: {error}."
        raise ConfigValidationError(message, errors=[message]) from None


@contextmanager
def readable_files(*files: object) -> Iterator[None]:
    """Tell of a catalog or a state that is JSON, but not of the form that Singer gives it."""
    try:
        yield
    except (AttributeError, KeyError, RuntimeError, TypeError):
        if not any(file is not None for file in files):
            raise
        message = "The catalog or the state is JSON, but not of the form that Singer gives it."
        raise ConfigValidationError(message, errors=[message]) from None
