"""Bookmarks by Lucca's clock, whose time zone is unknown."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_lucca.bookmarks import changed_since, filter_since, latest_bookmark, on_luccas_clock

ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def stamp(moment: datetime, zone: tzinfo) -> str:
    """Return Lucca's timestamp of a change at that moment, if its clock is in that zone."""
    return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}"


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=3)), ZONES)
def test_a_change_after_the_start_is_never_before_the_bookmark(start: datetime, later: timedelta, zone: tzinfo) -> None:
    """This holds in every time zone, even in the hour that occurs twice when summer time ends."""
    assert latest_bookmark(start) <= stamp(start + later, zone)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=3)), ZONES, ZONES)
def test_a_start_date_with_a_zone_misses_no_change(
    start: datetime, later: timedelta, own: tzinfo, zone: tzinfo
) -> None:
    """Everybody who changed after that moment is requested, whatever the zone of Lucca's clock."""
    assert on_luccas_clock(start.astimezone(own).isoformat(timespec="seconds")) <= stamp(start + later, zone)


@given(st.from_regex(r"[0-9]{1,4}", fullmatch=True), st.from_regex(r"[0-9]{1,4}", fullmatch=True))
def test_fractions_of_any_length_compare_as_numbers(bookmark: str, changed: str) -> None:
    """`.2` is later than `.12`, and the same as `.20`."""
    row: dict[str, object] = {"id": 1, "modifiedAt": f"2026-01-31T09:30:00.{changed}"}
    is_chosen = bool(changed_since([row], "modifiedAt", on_luccas_clock(f"2026-01-31T09:30:00.{bookmark}")))
    assert is_chosen == (Decimal(f"0.{changed}") >= Decimal(f"0.{bookmark}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", "2026-01-31T00:00:00"),
        ("2026-01-31T09:30:00", "2026-01-31T09:30:00"),
        ("2026-01-31 09:30:00", "2026-01-31T09:30:00"),
        ("2026-01-31T09:30:00.120", "2026-01-31T09:30:00.12"),
        ("2026-01-31T09:30:00.000", "2026-01-31T09:30:00"),
        ("2026-01-31T09:30:00Z", "2026-01-30T21:30:00"),
        ("2026-01-31T09:30:00.5+01:00", "2026-01-30T20:30:00.5"),
        ("2026-01-31T09:30:00-05:00", "2026-01-31T02:30:00"),
        ("0001-01-01", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59.997", "9999-12-31T23:59:59.997"),
    ],
)
def test_a_time_is_brought_onto_luccas_clock(text: str, expected: str) -> None:
    """A time without a zone stays as it is. A time with a zone becomes UTC minus 12 hours."""
    assert on_luccas_clock(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-1-1", "2026-02-30", "2026-01-31T25:00:00", "2026-01-31T09:30", "2026-01-31T09:30:00+1",
     "31/01/2026", "0001-01-01T00:00:00Z", "2026-01-31T09:30:00\n", "\uff12026-01-31"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """Text that isn't a date or a time raises an error."""
    with pytest.raises(ValueError, match=re.compile(".")):
        on_luccas_clock(text)


def test_more_is_asked_for_than_the_bookmark_says() -> None:
    """The filter starts a second earlier and has no fractions. Without an earlier second, there is no filter."""
    assert filter_since("2026-01-31T09:30:00.583") == "2026-01-31T09:29:59"
    assert filter_since("2026-01-01T00:00:00") == "2025-12-31T23:59:59"
    assert filter_since("0001-01-01T00:00:00") is None
