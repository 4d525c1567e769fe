"""Incremental `users` for other targets: several runs of the console script, each with the STATE of the one before."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tap_lucca.incremental import time_of

from sandbox.faults import Fault
from sandbox.lucca import USERS, Lucca
from tests.harness import ROOT, Run, Sandbox, open_sandbox

# The time on Lucca's clock in these tests, long before the time on this machine's clock.
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
FRACTIONS = ("", ".2", ".12", ".583")
# The latest `modifiedAt` when a test begins. Two people have it.
LATEST = "2026-03-01T10:00:00.12"


@pytest.fixture
def company(sandbox: Sandbox) -> Sandbox:
    """Serve a company in which two people changed at the same moment in March, and all others in February."""
    sandbox.lucca.clock = lambda: NOON
    with sandbox.lucca.changing() as company:
        for number, user in enumerate(company.users):
            user["modifiedAt"] = f"2026-02-{1 + number % 28:02}T08:30:{number % 60:02}{FRACTIONS[number % 4]}"
        for user in company.users[50], company.users[200]:
            user["modifiedAt"] = LATEST
    return sandbox


def catalog(
    sandbox: Sandbox,
    method: str | None = "INCREMENTAL",
    key: str | None = "modifiedAt",
    stream: str = "users",
    **changes: Any,
) -> Path:
    """Write the committed catalog with another replication method and key for a stream."""
    content = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    entry = next(entry for entry in content["streams"] if entry["tap_stream_id"] == stream)
    entry.update({"replication_method": method, "replication_key": key, **changes})
    return sandbox.file("catalog.json", content)


def read(sandbox: Sandbox, state: dict[str, Any] | None = None, **settings: Any) -> Run:
    """Run the tap incrementally, with the STATE of an earlier run; it has to succeed."""
    sandbox.lucca.requests.clear()
    sandbox.tap_settings = settings
    tap = sandbox.tap("--catalog", catalog(sandbox), "--state", sandbox.file("state.json", state or {}))
    assert tap.exit_code == 0, tap.log
    return tap


def ids(rows: Any) -> list[int]:
    """Return the ids of records, or of Lucca's rows."""
    return [row["id"] for row in rows]


def changed_from(sandbox: Sandbox, moment: str) -> list[int]:
    """Return the ids of users who changed at that moment or later. Fractions must have the same length, or none."""
    return ids(user for user in sandbox.lucca.company.users if user["modifiedAt"] >= moment)


def filters(sandbox: Sandbox) -> set[str | None]:
    """Return the `modifiedAt` filters in the requests for users."""
    return {request.query.get("modifiedAt") for request in sandbox.lucca.requests if request.path == USERS}


def bookmark(tap: Run) -> dict[str, Any]:
    """Return the bookmark of users in the last STATE."""
    row: dict[str, Any] = tap.state["bookmarks"]["users"]
    return row


def bookmarked(moment: str) -> dict[str, Any]:
    """Return a STATE with a bookmark of users."""
    return {"bookmarks": {"users": {"replication_key": "modifiedAt", "replication_key_value": moment}}}


def test_runs_follow_each_other(company: Sandbox) -> None:
    """The first run reads everybody. Later runs read people who changed at the moment of the bookmark or since."""
    first = read(company)
    assert ids(first.records("users")) == ids(company.lucca.company.users)
    assert filters(company) == {None}
    assert bookmark(first) == {"replication_key": "modifiedAt", "replication_key_value": LATEST}

    second = read(company, first.state)
    ties = changed_from(company, LATEST)
    assert len(ties) == 2
    assert ids(second.records("users")) == ties
    assert filters(company) == {"since,2026-03-01T09:59:59"}
    assert bookmark(second) == bookmark(first)

    changed = company.lucca.company.users[3]["id"]
    company.lucca.modify({changed})
    third = read(company, second.state)
    assert ids(third.records("users")) == [changed, *ties]
    # The earliest local time on earth when the read starts, minus a margin: 13 hours before UTC.
    assert bookmark(third)["replication_key_value"] == "2026-03-13T23:00:00"

    company.lucca.clock = lambda: NOON + timedelta(days=1)
    company.lucca.delete_users({company.lucca.company.users[100]["id"]})
    fourth = read(company, third.state)
    assert ids(fourth.records("users")) == [changed]
    assert bookmark(fourth)["replication_key_value"] == "2026-03-14T12:00:00"


def test_the_stream_says_that_it_is_incremental(company: Sandbox) -> None:
    """SCHEMA has `bookmark_properties`. STATE has no completion mark, even if a full-table run left one."""
    full = company.tap()
    assert "bookmark_properties" not in full.messages[0]
    assert full.state["bookmarks"]["users"]["completion"]
    tap = read(company, full.state)
    schema = next(message for message in tap.messages if message["type"] == "SCHEMA" and message["stream"] == "users")
    assert schema["bookmark_properties"] == ["modifiedAt"]
    assert all("completion" not in message["value"]["bookmarks"]["users"]
               for message in tap.messages if message["type"] == "STATE")  # fmt: skip
    assert tap.state["bookmarks"]["work_contracts"]["completion"]["records"] == len(tap.records("work_contracts"))


@pytest.mark.parametrize(
    ("start_date", "moment"),
    [
        ("2026-02-20", "2026-02-20"),
        ("2026-02-20T08:30:19.2", "2026-02-20T08:30:19.2"),
        ("2026-02-20T08:30:19+01:00", "2026-02-19T19:30:19"),
        ("2027-01-01", "2027-01-01"),
    ],
)
def test_a_start_date_is_where_the_first_run_starts(company: Sandbox, start_date: str, moment: str) -> None:
    """The run reads everybody who changed since then. A date with a zone works whatever the zone of Lucca's clock."""
    tap = read(company, start_date=start_date)
    assert ids(tap.records("users")) == changed_from(company, moment)
    assert filters(company) != {None}


def test_the_later_of_bookmark_and_start_date_counts(company: Sandbox) -> None:
    """The tap reads from the later of the two, like every tap of the SDK."""
    for start_date in ("2026-02-10", "2026-02-25"):
        tap = read(company, bookmarked("2026-02-20T08:30:00"), start_date=start_date)
        later = max(start_date, "2026-02-20T08:30:00")
        assert ids(tap.records("users")) == changed_from(company, later)


def test_a_start_date_has_no_part_in_a_full_table(company: Sandbox) -> None:
    """A full-table run ignores the start date: it reads everybody and marks the stream complete."""
    company.tap_settings = {"start_date": "2026-02-20"}
    tap = company.tap()
    assert len(tap.records("users")) == 250
    assert bookmark(tap)["completion"]["records"] == 250
    assert filters(company) == {None}


@pytest.mark.parametrize("since_excludes", [False, True])
@pytest.mark.parametrize("filter_fractions", [False, True])
def test_nobody_is_lost_at_the_moment_of_the_bookmark(
    company: Sandbox, since_excludes: bool, filter_fractions: bool
) -> None:
    """The tap emits everybody from the bookmark on, however Lucca implements `since` and writes fractions."""
    company.lucca.since_excludes, company.lucca.filter_fractions = since_excludes, filter_fractions
    times = [f"2026-03-10T10:00:{second}" for second in (
        "05.9", "06", "06.0", "06.12", "06.199", "06.2", "06.20", "06.200", "06.21", "06.583", "07"
    )]  # fmt: skip
    with company.lucca.changing() as changing:
        for user, time in zip(changing.users, times, strict=False):
            user["modifiedAt"] = time
    for number, moment in ((1, times[1]), (5, times[6])):
        tap = read(company, bookmarked(moment))
        assert [row["modifiedAt"] for row in tap.records("users")] == times[number:]


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        (UTC, NOON),
        (ZoneInfo("America/New_York"), NOON),
        (ZoneInfo("Asia/Tokyo"), NOON),
        (timezone(timedelta(hours=-12)), NOON),
        (timezone(timedelta(hours=14)), NOON),
        # Summer time ends during the read: Lucca's clock jumps back from 02:59 to 02:00 before the missed change.
        (ZoneInfo("Europe/Paris"), datetime(2026, 10, 25, 0, 59, tzinfo=UTC)),
    ],
    ids=["UTC", "New York", "Tokyo", "furthest behind", "furthest ahead", "Paris, end of summer"],
)
def test_who_is_changed_after_their_page_was_read_comes_next_time(
    company: Sandbox, zone: tzinfo, start: datetime
) -> None:
    """The next run emits them, whatever the zone of Lucca's clock, although this machine's clock is months ahead."""
    lucca = company.lucca
    lucca.zone, lucca.clock = zone, lambda: start
    missed, seen = lucca.company.users[10]["id"], lucca.company.users[-1]["id"]

    def change(lucca: Lucca, path: str, nth: int) -> None:
        if path == USERS and nth in {1, 2, 3}:
            # `seen`, on the last page, changes before the first page is read and again before the last one.
            # `missed`, on the first page, changes after that page was read.
            lucca.clock = lambda: start + timedelta(minutes=nth - 1)
            lucca.modify({1: {seen}, 2: {missed}, 3: {seen}}[nth])

    lucca.on_request.append(change)
    first = read(company, page_size=100)
    lucca.clock = lambda: start + timedelta(minutes=10)
    stamps = {user["id"]: user["modifiedAt"] for user in lucca.company.users}
    read_stamps = {row["id"]: row["modifiedAt"] for row in first.records("users")}
    assert read_stamps[missed] < stamps[missed]
    assert read_stamps[seen] == stamps[seen]
    second = read(company, first.state, page_size=100)
    assert {row["id"]: row["modifiedAt"] for row in second.records("users")} == {
        missed: stamps[missed],
        seen: stamps[seen],
    }


def test_who_comes_into_the_walk_is_read_too(company: Sandbox) -> None:
    """People who change during the read join the filtered rows. The tap emits them and loses nobody else."""
    with company.lucca.changing() as changing:
        for user in changing.users[20:]:
            user["modifiedAt"] = "2026-03-10T10:00:00"
    newcomers = {changing.users[number]["id"] for number in (2, 9)}

    def change(lucca: Lucca, path: str, nth: int) -> None:
        if (path, nth) == (USERS, 3):
            lucca.modify(newcomers)

    company.lucca.on_request.append(change)
    tap = read(company, bookmarked("2026-03-05T00:00:00"), page_size=40)
    assert set(ids(tap.records("users"))) == {*ids(company.lucca.company.users[20:]), *newcomers}
    assert len(tap.records("users")) == 232


def test_a_run_that_fails_leaves_the_bookmark_alone(tmp_path: Path) -> None:
    """A run that fails keeps the old bookmark, even if it has emitted STATE. The next run reads everything again."""
    with ExitStack() as stack:
        sandbox = open_sandbox(stack, tmp_path, employees=11_000)
        sandbox.lucca.delete_contracts({row["id"] for row in sandbox.lucca.company.work_contracts})
        sandbox.lucca.faults.add(Fault(USERS, 403, nth=12))
        arguments = ("--catalog", catalog(sandbox), "--state")
        failed = sandbox.tap(*arguments, sandbox.file("state.json", bookmarked("2000-01-01T00:00:00")))
        assert failed.exit_code == 1
        assert len(failed.records("users")) == 10_990
        assert bookmark(failed)["replication_key_value"] == "2000-01-01T00:00:00"
        assert bookmark(failed)["progress_markers"]["replication_key_value"] > "2000"
        tap = sandbox.tap(*arguments, sandbox.file("state.json", failed.state))
        assert ids(tap.records("users")) == ids(sandbox.lucca.company.users)
        assert set(bookmark(tap)) == {"replication_key", "replication_key_value"}
        assert bookmark(tap)["replication_key_value"] > "2000-01-01T00:00:00"


def test_a_full_table_reads_everybody_whatever_was_read_before(company: Sandbox) -> None:
    """The full-table run keeps the bookmark, and the next incremental run reads from there."""
    first = read(company)
    full = company.tap("--state", company.file("state.json", first.state))
    assert ids(full.records("users")) == ids(company.lucca.company.users)
    assert bookmark(full)["completion"]["records"] == 250
    assert bookmark(full)["replication_key_value"] == LATEST
    assert ids(read(company, full.state).records("users")) == changed_from(company, LATEST)


def test_former_employees_can_be_left_out(company: Sandbox) -> None:
    """`former_employees: false` works in incremental runs too."""
    everybody = read(company, bookmarked("2026-02-15T00:00:00")).records("users")
    present = read(company, bookmarked("2026-02-15T00:00:00"), former_employees=False).records("users")
    assert 0 < len(present) < len(everybody)


def test_who_was_never_changed_is_read_at_first(company: Sandbox) -> None:
    """The first run reads people without `modifiedAt`, or with an extreme one, which never becomes the bookmark."""
    with company.lucca.changing() as changing:
        never, ever, always = changing.users[:3]
        never["modifiedAt"] = None  # type: ignore[typeddict-item] # Lucca's rows may have null anywhere
        ever["modifiedAt"], always["modifiedAt"] = "9999-12-31T23:59:59.997", "0001-01-01T00:00:00"
    first = read(company)
    assert ids(first.records("users")) == ids(company.lucca.company.users)
    assert bookmark(first)["replication_key_value"] == "2026-03-13T23:00:00"
    assert ids(read(company, first.state).records("users")) == [ever["id"]]
    assert len(read(company, bookmarked("0001-01-01T00:00:00")).records("users")) == 250
    assert filters(company) == {None}


@pytest.mark.parametrize(
    ("replication", "told"),
    [
        ({"key": "id"}, "'users' cannot be read as the catalog asks (INCREMENTAL by id): its replication method can"),
        ({"key": None}, "(INCREMENTAL by no key): its replication method can be FULL_TABLE or INCREMENTAL with the"),
        ({"method": "LOG_BASED"}, "(LOG_BASED by modifiedAt): its replication method can be FULL_TABLE or INCREMENTAL"),
        (
            {"metadata": [{"breadcrumb": ["properties", "modifiedAt"], "metadata": {"selected": False}},
                          {"breadcrumb": [], "metadata": {"selected": True}}]},
            "(INCREMENTAL by modifiedAt): select modifiedAt, its replication key.",
        ),
        (
            {"schema": {"properties": {"id": {"type": "integer"}}, "type": "object"}},
            "(INCREMENTAL by modifiedAt): select modifiedAt, its replication key.",
        ),
        ({"stream": "work_contracts"},
         "'work_contracts' cannot be read as the catalog asks (INCREMENTAL by modifiedAt): its replication method can"),
    ],
)  # fmt: skip
def test_a_catalog_that_asks_for_too_much_is_refused(company: Sandbox, replication: dict[str, Any], told: str) -> None:
    """The tap refuses before its first request, and names the stream and the replication methods it supports."""
    tap = company.tap("--catalog", catalog(company, **replication))
    assert tap.exit_code == 1
    assert told in tap.log
    assert "Traceback" not in tap.log
    assert company.lucca.requests == []


@pytest.mark.parametrize(
    "replication", [{"method": "FULL_TABLE"}, {"method": None, "key": None}], ids=["key without method", "neither"]
)
def test_a_full_table_is_one_whatever_the_key(company: Sandbox, replication: dict[str, Any]) -> None:
    """A full-table stream with a replication key stays a full table: SCHEMA has no `bookmark_properties`."""
    tap = company.tap("--catalog", catalog(company, **replication))
    assert all("bookmark_properties" not in message for message in tap.messages if message["type"] == "SCHEMA")
    assert bookmark(tap)["completion"]["records"] == 250


def test_the_metadata_of_a_catalog_can_ask_for_it_too(company: Sandbox) -> None:
    """A stream's metadata can ask for incremental replication, as Singer specifies."""
    content = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    for entry in content["streams"]:
        (root,) = (row["metadata"] for row in entry["metadata"] if not row["breadcrumb"])
        if entry["tap_stream_id"] == "users":
            root.update({"replication-method": "INCREMENTAL", "replication-key": "modifiedAt"})
    company.tap_settings = {"start_date": "2026-03-01"}
    tap = company.tap("--catalog", company.file("catalog.json", content))
    assert tap.exit_code == 0
    assert {user["modifiedAt"] for user in tap.records("users")} == {LATEST}
    assert len(tap.records("work_contracts")) == len(company.contracts)


def test_a_key_alone_asks_for_incremental(company: Sandbox) -> None:
    """If a stream or its metadata has a replication key but no method, it is incremental, as in the SDK."""
    metadata = [{"breadcrumb": [], "metadata": {"selected": True, "replication-key": "modifiedAt"}}]
    for replication in ({"method": None}, {"method": None, "key": None, "metadata": metadata}):
        tap = company.tap("--catalog", catalog(company, **replication))
        assert bookmark(tap)["replication_key_value"] == LATEST


@pytest.mark.parametrize("moment", ["soon", "2026-02-30T00:00:00", 5])
def test_a_bookmark_that_is_none_is_told(company: Sandbox, moment: Any) -> None:
    """The tap refuses a malformed bookmark before its first request."""
    company.tap_settings = {"start_date": "2026-01-01"} if moment == "soon" else {}
    tap = company.tap("--catalog", catalog(company), "--state", company.file("state.json", bookmarked(moment)))
    assert tap.exit_code == 1
    assert "The bookmark of 'users' in the state cannot be used:" in tap.log
    assert "Traceback" not in tap.log
    assert company.lucca.requests == []


@pytest.mark.parametrize(
    ("modified", "told"),
    [
        ("2026-03-10T10:00:00Z", "'users' cannot be read incrementally: the 'modifiedAt' of record {id} is not a date"),
        (None, "'users' cannot be read incrementally: Lucca shows no 'modifiedAt' to this API key."),
    ],
)
def test_timestamps_that_do_not_compare_are_told(company: Sandbox, modified: str | None, told: str) -> None:
    """The tap refuses a timestamp with a zone, or one that the key may not see, because it could miss people."""
    user = company.lucca.company.users[5]
    if modified:
        with company.lucca.changing():
            user["modifiedAt"] = modified
    else:
        company.lucca.hidden_fields = frozenset({"modifiedAt"})
    tap = company.tap("--catalog", catalog(company))
    assert tap.exit_code == 1
    assert told.format(id=user["id"]) in tap.log
    assert "Traceback" not in tap.log
    assert company.tap().exit_code == 0


@pytest.mark.parametrize("date", [None, "yesterday", "Tue, 99 Mar 2026 12:00:00 GMT"])
def test_without_a_date_this_machines_clock_counts(date: str | None) -> None:
    """If the Date header is missing or malformed, perhaps because of a proxy, the tap uses this machine's clock."""
    headers = {"Date": date} if date else {}
    assert abs(datetime.now(UTC) - time_of(headers)) < timedelta(minutes=1)
