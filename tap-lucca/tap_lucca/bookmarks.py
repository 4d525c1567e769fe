"""Incremental bookmarks. Lucca's timestamps carry no time zone, so bookmarks are compared as Lucca wrote them.

`modifiedAt` is `2015-09-07T10:20:06.583`. It may be UTC, or local time with an hour that comes twice in autumn. So a
bookmark is one of Lucca's own timestamps and is never converted. A time from another clock (a `start_date` with a
zone, the start of a walk) is moved back by the most that Lucca's clock may be behind UTC, which is early enough in
every zone. As a result, each run reads the changes of the last half day again.

Lucca's timestamps compare as text, with fractions of any length (`…06`, `…06.12`, `…06.2`), once zeros at the end are
removed.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tap_lucca.pagination import Row

# No time zone is further behind UTC.
FURTHEST_BEHIND = timedelta(hours=12)
# Allows for differences between the clocks of Lucca's servers and for late answers.
TOLERANCE = timedelta(hours=1)

_DATE_OR_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", re.ASCII)


def on_luccas_clock(text: str) -> str:
    """Convert a date or time to Lucca's clock. A time with a zone is moved back far enough.

    Raises:
        ValueError: The text is neither a date nor a date and time.
    """
    match = _DATE_OR_TIME.fullmatch(text)
    if match is None:
        raise ValueError("it is neither a date (2026-01-31) nor a date and time (2026-01-31T09:30:00)")
    day, time, fraction, zone = match.groups(default="")
    moment = datetime.fromisoformat(f"{day}T{time or '00:00:00'}{zone.replace('Z', '+00:00')}")
    if moment.tzinfo:
        try:
            moment = moment.astimezone(UTC) - FURTHEST_BEHIND
        except OverflowError as error:
            raise ValueError(str(error)) from None
    return _without_zone(moment) + fraction.rstrip("0").rstrip(".")


def latest_bookmark(start: datetime) -> str:
    """Return the latest bookmark that a walk may write. Changes after its start have a later `modifiedAt`."""
    return _without_zone(start.astimezone(UTC) - FURTHEST_BEHIND - TOLERANCE)


def filter_since(bookmark: str) -> str | None:
    """Return the time to send to Lucca, a second before the bookmark; None to read everything.

    Lucca doesn't document whether `since` includes the given time, or whether it accepts fractions of a second.
    """
    try:
        return _without_zone(datetime.fromisoformat(bookmark[:19]) - timedelta(seconds=1))
    except OverflowError:
        return None


def changed_since(rows: Sequence[Row], key: str, bookmark: str | None) -> list[Row]:
    """Return the rows that changed at the time of the bookmark or later.

    Raises:
        ValueError: A row's timestamp can't be compared, or the row lacks the field because the key may not see it.
    """
    for row in rows:
        if key not in row:
            raise ValueError(f"Lucca shows no '{key}' to this API key")
        if row[key] is not None and not _TIMESTAMP.fullmatch(str(row[key])):
            raise ValueError(f"the '{key}' of record {row['id']} is not a date and time without a zone")
    return [row for row in rows if row[key] is None or bookmark is None or str(row[key]) >= bookmark]


def _without_zone(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
