"""The transform from records to employees: tables of cases, and properties that hold for any records."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert
from target_elimity.attributes import IDS, Employee, Rules, new_employee
from target_elimity.contracts import applicable_contract
from target_elimity.records import User, WorkContract

TODAY = date(2026, 3, 14)
UTC_RULES = Rules(TODAY, UTC, {})

# The documentation's example person.
JOHN: dict[str, Any] = {
    "id": 416,
    "name": "John Doe",
    "modifiedAt": "2015-09-07T10:20:06.583",
    "lastName": "DOE",
    "firstName": "John",
    "login": "jdoe",
    "mail": "no-reply@lucca.fr",
    "jobTitle": "Consultant",
    "employeeNumber": "00057",
    "dtContractStart": "2014-09-01T00:00:00",
    "dtContractEnd": None,
    "seniorityDate": "2014-09-01T00:00:00",
    "legalEntity": {"id": 1, "name": "Lucca"},
    "department": {"id": 13, "name": "BU Timmi/Lucca", "code": "BTL"},
    "manager": {"id": 383, "name": "Roger Smith", "mail": "rsmith@example.org"},
    "rolePrincipal": {"id": 55, "name": "User"},
    "habilitedRoles": [{"id": 59, "name": "Employee +"}, {"id": 7, "name": "Approver"}],
}


def employee(*contracts: dict[str, Any], rules: Rules = UTC_RULES, **changes: Any) -> Employee:
    """Return the employee of the example person with changes."""
    return made({**JOHN, **changes}, contracts, rules)


def made(user: dict[str, Any], contracts: Sequence[dict[str, Any]], rules: Rules = UTC_RULES) -> Employee:
    """Return the employee that the target makes of records as a tap emits them."""
    return new_employee(convert(user, User), convert(contracts, list[WorkContract]), rules)


def values(somebody: Employee) -> dict[str, str | None]:
    """Return an employee's values by attribute id."""
    return dict(zip(IDS, somebody.values, strict=True))


def chosen(contracts: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the applicable contract, in the form that it was passed."""
    rows = list(contracts)
    found = applicable_contract(convert(rows, list[WorkContract]), TODAY)
    return next((row for row in rows if found and convert(row, WorkContract) == found), None)


def contract(start: str | None, end: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a work contract named after its first day."""
    return {
        "id": 1,
        "ownerId": 416,
        "startsOn": start,
        "endsOn": end,
        "isApplicable": False,
        "type": {"id": 1, "name": str(start)},
        **more,
    }


def test_the_example_person() -> None:
    """The documentation's example person becomes an employee with all attributes."""
    john = employee(contract("2021-01-01", type={"id": 1, "name": "CDI"}, typeId=1))
    assert (john.id, john.name) == ("416", "John Doe")
    assert values(john) == {
        "login": "jdoe",
        "email": "no-reply@lucca.fr",
        "firstName": "John",
        "lastName": "DOE",
        "jobTitle": "Consultant",
        "employeeNumber": "00057",
        "department": "BU Timmi/Lucca",
        "departmentCode": "BTL",
        "legalEntity": "Lucca",
        "managerId": "383",
        "managerName": "Roger Smith",
        "managerEmail": "rsmith@example.org",
        "seniorityDate": "2014-09-01",
        "contractStartDate": "2014-09-01",
        "endDate": None,
        "lastModified": "2015-09-07T10:20:06",
        "status": "active",
        "primaryRole": "User",
        "secondaryRoles": "Approver, Employee +",
        "contractType": "CDI",
    }


@pytest.mark.parametrize("blank", [None, "", " \t\n"])
def test_a_missing_null_or_blank_value_assigns_nothing(blank: str | None) -> None:
    """A user with nothing but an id is active and has the id as name; all other attributes are missing."""
    nobody = {field: blank for field in JOHN if field != "id"} | {"habilitedRoles": None}
    nobody |= dict.fromkeys(("legalEntity", "department", "manager", "rolePrincipal"))
    for user in (nobody | {"id": 7}, {"id": 7}):
        somebody = made(user, [])
        assert somebody.id == somebody.name == "7"
        assert values(somebody) == {**dict.fromkeys(IDS), "status": "active"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "John Doe"),
        ({"name": " "}, "John DOE"),
        ({"name": None, "firstName": None}, "DOE"),
        ({"name": None, "firstName": "", "lastName": None}, "jdoe"),
        ({"name": None, "firstName": "", "lastName": None, "login": None}, "416"),
    ],
)
def test_the_name(changes: dict[str, Any], name: str) -> None:
    """The name is the user's name, else first and last name, else the login, else the id."""
    assert employee(**changes).name == name


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (None, "active"),
        ("2026-03-13T00:00:00", "inactive"),
        ("2026-03-14T00:00:00", "active"),
        ("2026-03-15T00:00:00", "active"),
        ("0001-01-01T00:00:00", "inactive"),
        ("9999-12-31T00:00:00", "active"),
        ("2026-03-13", "inactive"),
        ("2026-03-13T23:59:59+02:00", "inactive"),
    ],
)
def test_the_status(end: str | None, status: str) -> None:
    """People are inactive after their last day. On that day, and before their first day, they are active."""
    assert values(employee(dtContractEnd=end))["status"] == status
    assert values(employee(dtContractEnd=end, dtContractStart="2026-04-01T00:00:00"))["status"] == status


@pytest.mark.parametrize(
    ("modified", "zone", "expected"),
    [
        ("2015-09-07T10:20:06.583", "UTC", "2015-09-07T10:20:06"),
        ("2015-09-07T10:20:06.5", "Europe/Paris", "2015-09-07T08:20:06"),
        ("2015-01-07T10:20:06", "Europe/Paris", "2015-01-07T09:20:06"),
        ("2015-09-07T10:20:06.583Z", "Europe/Paris", "2015-09-07T10:20:06"),
        ("2015-09-07T10:20:06+05:30", "Europe/Paris", "2015-09-07T04:50:06"),
        ("2015-09-07", "UTC", "2015-09-07T00:00:00"),
        ("0001-01-01T00:00:00", "Europe/Paris", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59.9999999", "America/New_York", "9999-12-31T23:59:59"),
    ],
)
def test_timestamps_are_utc_without_fractions(modified: str, zone: str, expected: str) -> None:
    """A timestamp without a zone is read in the configured zone. The first and last possible days aren't shifted."""
    somebody = employee(modifiedAt=modified, rules=Rules(TODAY, ZoneInfo(zone), {}))
    assert values(somebody)["lastModified"] == expected


def test_dates_pass_as_they_stand() -> None:
    """Neither a date's time nor a zone moves it to another day."""
    rules = Rules(TODAY, ZoneInfo("Asia/Tokyo"), {})
    for text in ("2014-09-01", "2014-09-01T23:30:00", "2014-09-01T00:00:00Z", "2014-09-01 00:00:00.000"):
        assert values(employee(seniorityDate=text, rules=rules))["seniorityDate"] == "2014-09-01"


@pytest.mark.parametrize("field", ["dtContractEnd", "seniorityDate", "dtContractStart", "modifiedAt"])
@pytest.mark.parametrize(
    "value",
    ["soon", "2026-02-30", "2026-13-01T00:00:00", "01/02/2026", "2026-01-01x", "1420070400", "20260101", "2026-W01-1"],
)
def test_a_date_that_is_none_is_told_by_its_field(field: str, value: str) -> None:
    """The error names the field of a malformed date, but not the value, which is personal."""
    with pytest.raises(ValueError, match=field) as error:
        made(JOHN | {field: value}, [])
    assert value not in str(error.value)


PAST = contract("2019-01-01", "2019-12-31", id=1)
LAST_PAST = contract("2020-01-01", "2020-12-31", id=2)
ONGOING = contract("2021-01-01", id=3)
UPCOMING = contract("2026-05-01", id=4)
LATER = contract("2027-01-01", id=5)


@pytest.mark.parametrize(
    ("contracts", "expected"),
    [
        ([], None),
        ([PAST], PAST),
        ([PAST, LAST_PAST], LAST_PAST),
        ([PAST, LAST_PAST, UPCOMING, LATER], UPCOMING),
        ([PAST, ONGOING, UPCOMING], ONGOING),
        ([contract("2020-01-01", "2026-03-14"), UPCOMING], contract("2020-01-01", "2026-03-14")),
        ([contract("2020-01-01", "2026-03-13"), UPCOMING], UPCOMING),
        ([contract("2026-03-14"), PAST], contract("2026-03-14")),
        ([contract("2026-03-14"), ONGOING], contract("2026-03-14")),
        ([contract(None), PAST], contract(None)),
        ([ONGOING, PAST | {"isApplicable": True}], PAST | {"isApplicable": True}),
        ([ONGOING | {"isApplicable": None}, PAST], ONGOING | {"isApplicable": None}),
        ([PAST | {"isApplicable": True}, UPCOMING | {"isApplicable": True}], UPCOMING | {"isApplicable": True}),
    ],
    ids=str,
)
def test_the_contract_that_counts(contracts: list[dict[str, Any]], expected: dict[str, Any] | None) -> None:
    """It is the contract that Lucca marks, else the ongoing one, else the first upcoming, else the last past one."""
    assert chosen(contracts) == expected
    assert chosen(reversed(contracts)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": {"id": 1, "name": "CDI"}, "typeId": 1}, "CDI"),
        ({"type": None, "typeId": 1}, "Permanent"),
        ({"type": {"id": 1, "name": " "}, "typeId": 1}, "Permanent"),
        ({"type": {"id": 1}}, "Permanent"),
        ({"type": None, "typeId": 2}, "2"),
        ({"type": None, "typeId": 3}, "3"),
        ({"type": None, "typeId": None}, None),
    ],
)
def test_the_contract_type(changes: dict[str, Any], expected: str | None) -> None:
    """It is the type's name. If only the id is known, it is the configured label, else the id; a blank one is none."""
    rules = Rules(TODAY, UTC, {"1": "Permanent", "3": " \t"})
    assert values(employee(contract("2021-01-01", **changes), rules=rules))["contractType"] == expected


def test_secondary_roles_are_sorted_and_blank_ones_left_out() -> None:
    """Secondary roles are sorted by name, because Lucca's order means nothing."""
    roles = [{"id": 1, "name": "b"}, {"id": 2, "name": None}, {"id": 3, "name": " "}, {"id": 4, "name": "a"}]
    assert values(employee(habilitedRoles=roles))["secondaryRoles"] == "a, b"
    assert values(employee(habilitedRoles=[]))["secondaryRoles"] is None


Days = st.dates(TODAY - timedelta(400), TODAY + timedelta(400))


@st.composite
def contracts_of_a_person(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw contracts whose date ranges do not overlap, in any order; the last may be open-ended."""
    days = sorted(draw(st.lists(Days, unique=True, max_size=10)))
    ranges: list[tuple[date, date | None]] = list(zip(days[::2], days[1::2], strict=False))
    if len(days) % 2:
        ranges.append((days[-1], None))
    rows = [
        contract(start.isoformat(), end.isoformat() if end else None, id=number)
        for number, (start, end) in enumerate(ranges)
    ]
    return draw(st.permutations(rows))


@given(contracts_of_a_person())
def test_lucca_and_the_rule_agree_on_the_contract(contracts: list[dict[str, Any]]) -> None:
    """The rule that Lucca documents (ongoing, else first upcoming, else last past) holds with or without its mark."""
    today = TODAY.isoformat()
    ongoing = [row for row in contracts if row["startsOn"] <= today <= (row["endsOn"] or "9")]
    upcoming = sorted((row for row in contracts if row["startsOn"] > today), key=lambda row: row["startsOn"])
    past = sorted((row for row in contracts if (row["endsOn"] or "9") < today), key=lambda row: row["startsOn"])
    expected = next(iter(ongoing or upcoming or past[-1:]), None)
    assert chosen(contracts) == expected
    marked = [row | {"isApplicable": row is expected} for row in contracts]
    found = chosen(marked)
    assert (found and found["id"]) == (expected and expected["id"])


Text = st.one_of(st.none(), st.text(max_size=8))
Reference = st.one_of(
    st.none(), st.fixed_dictionaries({}, optional={"id": st.integers(-(2**63), 2**63 - 1), "name": Text, "code": Text})
)


@given(
    user=st.fixed_dictionaries(
        {"id": st.integers(1, 2**63 - 1)},
        optional={
            **dict.fromkeys(("name", "firstName", "lastName", "login", "mail", "employeeNumber"), Text),
            **dict.fromkeys(("department", "legalEntity", "manager", "rolePrincipal"), Reference),
            "habilitedRoles": st.one_of(st.none(), st.lists(st.fixed_dictionaries({"name": Text}))),
            "dtContractEnd": st.one_of(st.none(), st.dates().map(lambda day: f"{day.isoformat()}T00:00:00")),
        },
    ),
    contracts=contracts_of_a_person(),
)
def test_whatever_lucca_holds_becomes_an_employee(user: dict[str, Any], contracts: list[dict[str, Any]]) -> None:
    """Every employee has an id and a name, no value is blank, and the status depends only on the end date."""
    somebody = made(user, contracts)
    assert somebody.id == str(user["id"])
    assert somebody.name.strip()
    for value in somebody.values:
        assert value is None or value.strip()
    end = user.get("dtContractEnd")
    assert (values(somebody)["status"] == "inactive") == (end is not None and end[:10] < TODAY.isoformat())
    assert (values(somebody)["contractType"] is None) == (not contracts)
