"""Reads the texts, days and moments in Lucca's records."""

import re
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

from msgspec import UnsetType

_DAY = re.compile(r"\d{4}-\d\d-\d\d(?=\Z|[T ]\d\d:\d\d)", re.ASCII)
# `fromisoformat` would also take weeks and days without hyphens.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


def read_text(value: str | None) -> str | None:
    """Return the text unchanged, or None if it is blank."""
    return value if value and not value.isspace() else None


def read_day(value: str | UnsetType | None, field: str) -> date | None:
    """Return the day. A time and a zone after it are ignored.

    Raises:
        ValueError: It is no date. The message names the field, not the value.
    """
    try:
        return _parse_day(value)
    except ValueError:
        raise ValueError(f"'{field}' is not a date") from None


@lru_cache(maxsize=1 << 14)
def _parse_day(value: str | UnsetType | None) -> date | None:
    if not isinstance(value, str) or not read_text(value):
        return None
    if not _DAY.match(value):
        raise ValueError
    return date.fromisoformat(value[:10])


def read_moment(value: str | None, field: str, zone: tzinfo) -> str | None:
    """Return the moment in UTC, such as `2026-01-31T08:30:00`. Without a zone, it is in the given one.

    Raises:
        ValueError: It is no timestamp. The message names the field, not the value.
    """
    if value is None or not read_text(value):
        return None
    try:
        moment = _parse_moment(value)
    except ValueError:
        raise ValueError(f"'{field}' is not a timestamp") from None
    if moment.date() not in {date.min, date.max}:  # they mean "ever" and "never": don't convert them
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    return moment.isoformat()[: len("2026-01-31T08:30:00")]


def _parse_moment(value: str) -> datetime:
    if not _MOMENT.fullmatch(value):
        raise ValueError
    return datetime.fromisoformat(value)
