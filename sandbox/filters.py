"""The filters for users in the v3 API."""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from operator import le, lt
from typing import TypeAlias

from sandbox.projection import Field

Matches: TypeAlias = Callable[[Mapping[str, object]], bool]


def parse_filter(field: Field, text: str, *, since_excludes: bool = False, fractions: bool = True) -> Matches:
    """Return the test for a filter such as `modifiedAt=since,2025-01-01`. Raises ValueError if it is not supported.

    The documentation doesn't say whether `since` includes the given time, nor whether a time may have a fraction.
    """
    operator, *operands = text.split(",")
    name = field.name
    if (operator, operands) == ("notequal", ["null"]):
        return lambda row: row[name] is not None
    if field.kind == "number" and len(operands) == 1 and re.fullmatch(r"-?\d+", operands[0]):
        number = int(operands[0])
        if operator == "greaterthan":
            return lambda row: isinstance(value := row[name], int) and value > number
        if operator == "greaterthanorequal":
            return lambda row: isinstance(value := row[name], int) and value >= number
    if field.kind == "timestamp":
        bounds = [_timestamp(operand, fractions) for operand in operands]
        # Timestamps in this format sort correctly as text, with and without a fraction.
        if operator == "since" and len(bounds) == 1:
            is_in_order = lt if since_excludes else le
            return lambda row: isinstance(value := row[name], str) and is_in_order(bounds[0], value)
        if operator == "until" and len(bounds) == 1:
            return lambda row: isinstance(value := row[name], str) and value <= bounds[0]
        if operator == "between" and len(bounds) == 2:  # noqa: PLR2004 - a first and a last one
            return lambda row: isinstance(value := row[name], str) and bounds[0] <= value <= bounds[1]
    raise ValueError(f"filter not understood: {name}={text}")


def _timestamp(text: str, fractions: bool) -> str:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(\.\d+)?)?", text)
    if match is None or (match[3] and not fractions):
        raise ValueError(f"not a date or a date and time: {text}")
    day, clock, fraction = match.groups("")
    date.fromisoformat(day)
    time.fromisoformat(clock or "00:00:00")
    return f"{day}T{clock or '00:00:00'}{fraction}"
