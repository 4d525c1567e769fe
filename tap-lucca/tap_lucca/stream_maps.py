"""Reports a wrong setting 'stream_maps' in one sentence. The SDK (0.54) doesn't check all of it."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lucca_elimity_kit.errors import ConnectorError
from singer_sdk.exceptions import MappingError

DROPPED = "__NULL__"
INVALID = "has an expression that is not valid Python"
_OPERATORS = ("__alias__", "__source__", "__key_properties__", "__else__")
# What an expression may raise when it is applied to a record.
EXPRESSION_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def flaw_of(stream_maps: Mapping[str, object]) -> str | None:
    """Return what is wrong with the maps, whatever the streams are: https://sdk.meltano.com/en/latest/stream_maps.html."""
    for stream, stream_map in stream_maps.items():
        if isinstance(stream_map, dict) and stream != "__else__":
            for name, value in stream_map.items():
                if not _fits(name, value):
                    return f"has a wrong value for {name}" if name in _OPERATORS else INVALID
        elif stream_map not in (None, DROPPED):
            return f"has a stream that is neither an object nor {DROPPED}"
    return None


@contextmanager
def building(stream_maps: Mapping[str, Any] | None) -> Iterator[None]:
    """Report what fails when the SDK builds the maps of the streams.

    Raises:
        ConnectorError: The setting doesn't fit the streams.
    """
    try:
        yield
    except (AttributeError, MappingError, ValueError) as error:
        if not stream_maps:
            raise
        raise unusable() from error


def unusable() -> ConnectorError:
    """Return the error for maps that don't fit the streams. The SDK's own message would quote an expression."""
    return ConnectorError(
        "The setting 'stream_maps' can't be used with these streams: check its names and expressions."
    )


def _fits(name: str, value: object) -> bool:
    match name:
        case "__alias__" | "__source__":
            return isinstance(value, str)
        case "__key_properties__":
            return value is None or isinstance(value, list)
        case "__else__":
            return value in (None, DROPPED)
        case "__filter__":
            return isinstance(value, str) and _is_expression(value)
    return value in (None, DROPPED) or (isinstance(value, str) and _is_expression(value))


def _is_expression(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
