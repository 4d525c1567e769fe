"""From when on changes are to be read, by a clock of which Lucca does not say in which zone it is.

`modifiedAt` is `2015-09-07T10:20:06.583`: UTC, or the local time of wherever, with an hour that comes twice in autumn.
So what Lucca says is never converted: bookmarks are its own timestamps. What comes from another clock (a `start_date`
with a zone, the time at which a walk began) is set back as far as Lucca's clock may be behind UTC, and so is early
enough in every zone. The price is to read again what was changed in the half day before, once a run.

Timestamps of Lucca compare as text, as fractions of any length do (`…06`, `…06.12`, `…06.2`) but for zeros at the end.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_lucca.pagination import Row

# No clock in the world is further behind UTC.
FURTHEST_BEHIND = timedelta(hours=12)
# How far Lucca's own clocks may differ, and how late an answer may be.
TOLERANCE = timedelta(hours=1)

_DATE_OR_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", re.ASCII)


def on_luccas_clock(text: str) -> str:
    """Return what Lucca's clock shows at a date or time, or earlier than that; without a zone it is Lucca's own.

    Raises:
        ValueError: It is neither a date nor a date and time.
    """
    match = _DATE_OR_TIME.fullmatch(text)
    if match is None:
        raise ValueError("it is neither a date (2026-01-31) nor a date and time (2026-01-31T09:30:00)")
    day, time, fraction, zone = match.groups(default="")
    moment = datetime.fromisoformat(f"{day}T{time or '00:00:00'}{zone.replace('Z', '+00:00')}")
    if moment.tzinfo:
        try:
            moment = moment.astimezone(timezone.utc) - FURTHEST_BEHIND
        except OverflowError as error:
            raise ValueError(str(error)) from None
    return _without_zone(moment) + fraction.rstrip("0").rstrip(".")


def latest_bookmark(start: datetime) -> str:
    """Return the latest bookmark after a walk that started then: whoever changes during it has a later `modifiedAt`."""
    return _without_zone(start.astimezone(timezone.utc) - FURTHEST_BEHIND - TOLERANCE)


def filter_since(bookmark: str) -> str | None:
    """Return what to ask for to get all from the bookmark on, and perhaps a little more; None to ask for everything.

    Lucca does not say whether `since` includes the moment it names, and whether that may have a fraction of a second.
    """
    try:
        return _without_zone(datetime.fromisoformat(bookmark[:19]) - timedelta(seconds=1))
    except OverflowError:
        return None


def changed_since(rows: Sequence[Row], key: str, bookmark: str | None) -> list[Row]:
    """Return the rows from the bookmark on, the moment itself included.

    Raises:
        ValueError: A row has a timestamp that does not compare with others, or none that this API key may see.
    """
    for row in rows:
        if key not in row:
            raise ValueError(f"Lucca shows no '{key}' to this API key")
        if row[key] is not None and not _TIMESTAMP.fullmatch(str(row[key])):
            raise ValueError(f"the '{key}' of record {row['id']} is not a date and time without a zone")
    return [row for row in rows if row[key] is None or bookmark is None or str(row[key]) >= bookmark]


def _without_zone(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
