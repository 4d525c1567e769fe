"""The made-up company."""

import json
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import get_type_hints

import pytest

from sandbox.awkward import CASES
from sandbox.company import generate_company, has_left
from sandbox.rows import SENSITIVE_FIELDS, User, WorkContract

from .conftest import TODAY


def test_the_same_arguments_make_the_same_company() -> None:
    """A company depends only on its size, seed and day."""
    assert generate_company(120, 7, TODAY) == generate_company(120, 7, TODAY)
    assert generate_company(120, 7, TODAY) != generate_company(120, 8, TODAY)


@pytest.mark.parametrize("employees", [0, 1, 2, 24, 25, 26, 251])
def test_a_company_of_any_size_has_ascending_ids_with_gaps_and_every_field(employees: int) -> None:
    """Ids ascend and never repeat, and every row has all the fields that Lucca returns."""
    company = generate_company(employees, 1, TODAY)
    user_ids = [user["id"] for user in company.users]
    contract_ids = [contract["id"] for contract in company.work_contracts]
    assert len(user_ids) == employees
    assert user_ids == sorted(set(user_ids))
    assert contract_ids == sorted(set(contract_ids))
    assert all(set(user) == set(get_type_hints(User)) for user in company.users)
    optional = {"type", "establishment", "spc"}
    fields = set(WorkContract.__annotations__)
    assert all(set(contract) | optional == fields for contract in company.work_contracts)
    assert {contract["ownerId"] for contract in company.work_contracts} <= set(user_ids)


def test_a_large_company_has_the_usual_proportions() -> None:
    """About a quarter of the people have left, and there are about 1.95 contracts per person."""
    company = generate_company(5000, 3, TODAY)
    former = sum(has_left(user, TODAY) for user in company.users)
    assert 0.22 < former / 5000 < 0.28
    assert 1.85 < len(company.work_contracts) / 5000 < 2.05
    assert company.users[-1]["id"] - company.users[0]["id"] > 5000


def test_contracts_agree_with_their_users() -> None:
    """One contract of each person is applicable, by the reference's rule, and date ranges do not overlap."""
    company = generate_company(2000, 5, TODAY)
    today = TODAY.isoformat()
    contracts: dict[int, list[WorkContract]] = defaultdict(list)
    for contract in company.work_contracts:
        if contract["id"] not in company.archived_contracts:
            contracts[contract["ownerId"]].append(contract)
    unmarked = 0
    for user in company.users:
        own = sorted(contracts[user["id"]], key=lambda row: row["startsOn"])
        for earlier, later in pairwise(own):
            assert earlier["endsOn"] is not None
            assert earlier["endsOn"] < later["startsOn"]
        marked = [row for row in own if row["isApplicable"]]
        unmarked += not marked
        if marked:
            ongoing = [row for row in own if row["startsOn"] <= today <= (row["endsOn"] or today)]
            upcoming = [row for row in own if row["startsOn"] > today]
            assert marked == [(ongoing or upcoming[:1] or own[-1:])[0]]
            assert (marked[0]["endsOn"] or "") == (user["dtContractEnd"] or "")[:10] or len(own) == 3
    assert unmarked == 2


def _present(users: list[User], contracts: dict[int, list[WorkContract]]) -> dict[str, bool]:
    today, yesterday = (f"{day}T00:00:00" for day in (TODAY, TODAY - timedelta(days=1)))
    former = {user["id"] for user in users if has_left(user, TODAY)}
    names = "".join(f"{user['firstName']}{user['lastName']}" for user in users)
    codes = [user["department"]["code"] for user in users if user["department"]]
    several = [
        [
            (row["startsOn"] <= TODAY.isoformat(), (row["endsOn"] or "9999") >= TODAY.isoformat())
            for row in sorted(rows, key=lambda row: row["startsOn"])
        ]
        for rows in contracts.values()
    ]
    return {
        "accents": "Ångström" in names,
        "CJK": "小明" in names,
        "emoji": "🦊" in names,
        "right-to-left": "محمد" in names,
        "apostrophe": "O'Neill" in names,
        "quotes": '"Bob' in names,
        "markup": "<script>alert(1)</script>" in names,
        "formula": any((user["firstName"] or "").startswith("=HYPERLINK(") for user in users),
        "newline and tab": "\n" in names and "\t" in names,
        "control characters": "\u0000" in names and "\u001b" in names,
        "very long name": any(len(user["name"] or "") > 1000 for user in users),
        "blank name": any(not (user["name"] or "").strip() and user["firstName"] for user in users),
        "login only": any(
            user["login"] and not (user["name"] or user["firstName"] or user["lastName"]) for user in users
        ),
        "no contract": any(not contracts[user["id"]] for user in users),
        "several contracts": [(True, False), (True, True), (False, True)] in several,
        "contract with a type id only": any("type" not in row for rows in contracts.values() for row in rows),
        "no contract marked applicable": any(
            rows and not any(row["isApplicable"] for row in rows) for rows in contracts.values()
        ),
        "no manager": any(user["manager"] is None for user in users[8:]),
        "own manager": any(user["managerID"] == user["id"] for user in users),
        "manager who left": any(user["managerID"] in former for user in users),
        "no department": any(user["department"] is None for user in users),
        "department code null": None in codes,
        "department code blank": "" in codes,
        "mail null": any(user["mail"] is None for user in users),
        "mail blank": any(user["mail"] == "" and user["name"] for user in users),
        "future start": any(user["dtContractStart"] > today for user in users),
        "last day today": any(user["dtContractEnd"] == today for user in users),
        "last day yesterday": any(user["dtContractEnd"] == yesterday for user in users),
        "first day of the calendar": any(user["dtContractStart"].startswith("0001-01-01") for user in users),
        "last day of the calendar": any((user["dtContractEnd"] or "").startswith("9999-12-31") for user in users),
        "many secondary roles": any(
            len(user["habilitedRoles"]) > 20 and "," in user["habilitedRoles"][0]["name"] for user in users
        ),
        "no secondary roles": any(not user["habilitedRoles"] for user in users),
        "no primary role": any(user["rolePrincipal"] is None for user in users),
        "modified at with a fraction": any("." in user["modifiedAt"] for user in users),
        "modified at without a fraction": any("." not in user["modifiedAt"] for user in users),
    }


@pytest.mark.parametrize("employees", [25, 26, 60, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_every_awkward_case_is_present(employees: int, seed: int) -> None:
    """Every awkward case is in the rows of a company of 25 or more."""
    company = generate_company(employees, seed, TODAY)
    contracts: dict[int, list[WorkContract]] = defaultdict(list)
    for contract in company.work_contracts:
        if contract["id"] not in company.archived_contracts:
            contracts[contract["ownerId"]].append(contract)
    present = _present(company.users, contracts)
    assert set(present) == {case.name for case in CASES}
    assert [name for name, shows in present.items() if not shows] == []


def test_someone_with_archived_contracts_only_shows_who_reads_those() -> None:
    """The person without a contract has an archived one."""
    company = generate_company(25, 1, TODAY)
    owners = Counter(row["ownerId"] for row in company.work_contracts if row["id"] not in company.archived_contracts)
    archived = {row["ownerId"] for row in company.work_contracts if row["id"] in company.archived_contracts}
    assert archived - set(owners)


def test_sensitive_fields_hold_values_that_can_be_searched_for() -> None:
    """Every sensitive field of every user has a value."""
    users = [dict(user) for user in generate_company(60, 1, TODAY).users]
    assert len(SENSITIVE_FIELDS) == 11
    assert all(user[field] for user in users for field in SENSITIVE_FIELDS)


def test_rows_are_json() -> None:
    """The rows survive JSON unchanged."""
    company = generate_company(60, 1, TODAY)
    assert json.loads(json.dumps([company.users, company.work_contracts])) == [company.users, company.work_contracts]


def test_ids_are_never_used_twice() -> None:
    """Someone hired after the last one was deleted gets a new id."""
    company = generate_company(30, 1, TODAY)
    last = company.users[-1]["id"]
    company.delete_users({last})
    assert all(contract["ownerId"] != last for contract in company.work_contracts)
    hired = company.hire(3, Random(1))
    signed = company.sign_contracts(4, Random(2))
    assert all(user["id"] > last for user in hired)
    assert company.users[-3:] == hired
    assert company.work_contracts[-4:] == signed
