"""Reports a wrong setting 'stream_maps' in one sentence. The SDK (0.54) doesn't check all of it."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lucca_elimity_kit.errors import ConnectorError
from singer_sdk.exceptions import MappingError

# What an expression may raise when it is applied to a record.
EXPRESSION_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def has_invalid_expression(stream_maps: Mapping[str, Any]) -> bool:
    """Whether an expression is not valid Python."""
    return not all(map(_is_valid, _expressions(stream_maps)))


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


def _expressions(stream_maps: Mapping[str, Any]) -> Iterator[str]:
    for stream_map in stream_maps.values():
        if isinstance(stream_map, dict):
            for name, value in stream_map.items():
                if isinstance(value, str) and value != "__NULL__" and name not in {"__alias__", "__source__"}:
                    yield value


def _is_valid(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
