"""The filters of the v3 API on users."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from operator import le, lt
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sandbox.projection import Field

Matches: TypeAlias = Callable[[Mapping[str, object]], bool]


def parse_filter(field: Field, text: str, *, since_excludes: bool = False, fractions: bool = True) -> Matches:
    """Make the test that `modifiedAt=since,2025-01-01` and the like stand for; raises ValueError if there is none.

    The documentation leaves open whether `since` includes the moment it names, and whether that may have a fraction.
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
        # Timestamps of one form sort as text, with and without a fraction.
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
