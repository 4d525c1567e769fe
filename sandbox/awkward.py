"""Awkward cases from real companies, and how each of them looks in Lucca."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.rows import Manager, Reference, User, WorkContract


@dataclass(slots=True)
class Person:
    """An employee being generated: the user, its work contracts, and a former employee to refer to."""

    user: User
    contracts: list[WorkContract]
    archived: list[WorkContract]
    today: date
    leaver: User | None


@dataclass(frozen=True, slots=True)
class Case:
    """An awkward case; `change` applies it to a person."""

    name: str
    change: Callable[[Person], None]


def as_manager(user: User) -> Manager:
    """Return the user as Lucca embeds it in the users that it manages."""
    return {"id": user["id"], "name": user["name"], "mail": user["mail"], "url": user["url"]}


def _named(first_name: str, last_name: str) -> Callable[[Person], None]:
    def change(person: Person) -> None:
        user = person.user
        user["firstName"], user["lastName"] = first_name, last_name
        user["name"] = f"{first_name} {last_name}"
        user["displayName"] = f"{last_name} {first_name}"

    return change


def _blank_name(person: Person) -> None:
    person.user["name"] = "  "
    person.user["displayName"] = None


def _login_only(person: Person) -> None:
    user = person.user
    user["name"] = user["firstName"] = user["jobTitle"] = None
    user["lastName"] = user["mail"] = user["employeeNumber"] = ""
    user["displayName"] = " "


def _mail(mail: str | None) -> Callable[[Person], None]:
    def change(person: Person) -> None:
        person.user["mail"] = mail

    return change


def _no_contract(person: Person) -> None:
    # A client that doesn't exclude archived contracts wrongly finds one here.
    person.archived = person.contracts
    for contract in person.archived:
        contract["isApplicable"] = False
    person.contracts = []


def _several_contracts(person: Person) -> None:
    today = person.today
    kept = person.contracts[-1]
    starts = [today - timedelta(days=900), today - timedelta(days=300), today + timedelta(days=30)]
    ends = [starts[1] - timedelta(days=1), starts[2] - timedelta(days=1), None]
    person.contracts = [kept.copy() for _ in starts]
    for contract, start, end in zip(person.contracts, starts, ends, strict=True):
        contract["startsOn"] = start.isoformat()
        contract["endsOn"] = end.isoformat() if end else None
        contract["isApplicable"] = start <= today and (end is None or end >= today)
    user = person.user
    user["seniorityDate"] = f"{starts[0]}T00:00:00"
    user["dtContractStart"] = f"{starts[1]}T00:00:00"
    user["dtContractEnd"] = None


def _type_id_only(person: Person) -> None:
    for contract in person.contracts:
        contract.pop("type")


def _none_applicable(person: Person) -> None:
    for contract in person.contracts:
        contract["isApplicable"] = False


def _employed(start: Callable[[date], date], end: Callable[[date], date] | None) -> Callable[[Person], None]:
    def change(person: Person) -> None:
        user, today = person.user, person.today
        first_day, last_day = start(today), end(today) if end else None
        user["seniorityDate"] = user["dtContractStart"] = f"{first_day}T00:00:00"
        user["dtContractEnd"] = f"{last_day}T00:00:00" if last_day else None
        contract = person.contracts[-1]
        contract["startsOn"] = first_day.isoformat()
        contract["endsOn"] = last_day.isoformat() if last_day else None
        contract["isApplicable"] = True
        person.contracts = [contract]

    return change


def _days_from_today(days: int) -> Callable[[date], date]:
    return lambda today: today + timedelta(days=days)


def _no_manager(person: Person) -> None:
    person.user["managerID"] = person.user["manager"] = None


def _own_manager(person: Person) -> None:
    person.user["managerID"] = person.user["id"]
    person.user["manager"] = as_manager(person.user)


def _manager_who_left(person: Person) -> None:
    if person.leaver:
        person.user["managerID"] = person.leaver["id"]
        person.user["manager"] = as_manager(person.leaver)


def _no_department(person: Person) -> None:
    person.user["departmentID"] = person.user["department"] = None


def _department_code(code: str | None) -> Callable[[Person], None]:
    def change(person: Person) -> None:
        number = 901 if code is None else 902
        person.user["departmentID"] = number
        person.user["department"] = {
            "id": number,
            "name": f"Department without code {number}",
            "code": code,
            "url": f"https://lucca.example/api/v3/departments/{number}",
        }

    return change


def _roles(primary: bool, secondary: int) -> Callable[[Person], None]:
    def change(person: Person) -> None:
        user = person.user
        if not primary:
            user["rolePrincipal"] = None
        user["habilitedRoles"] = [_comma_role(number) for number in range(secondary)]

    return change


def _comma_role(number: int) -> Reference:
    identifier = 500 + number
    return {
        "id": identifier,
        "name": f"Reviewer, region {number % 7}, level {number}",
        "url": f"https://lucca.example/api/v3/roles/{identifier}",
    }


def _modified_at(timestamp: str) -> Callable[[Person], None]:
    def change(person: Person) -> None:
        person.user["modifiedAt"] = timestamp

    return change


# The first SLOTS cases go to SLOTS different people. The other cases start again with the first people, who have
# awkward names. So these cases must not change names, nor need fields that an earlier case cleared.
SLOTS = 25
CASES = (
    Case("accents", _named("Zoë-Éléonore", "Nuñez Ångström")),
    Case("CJK", _named("小明", "王")),
    Case("emoji", _named("Robin 🦊", "O👩‍👩‍👧‍👦Family")),
    Case("right-to-left", _named("محمد", "العربي \u202etxet")),
    Case("apostrophe", _named("Sinéad", "O'Neill-d\u2019Arc")),
    Case("quotes", _named('Robert "Bob\\"', "`Quote`; DROP TABLE users;--")),
    Case("markup", _named("<b>Mark</b>", "<script>alert(1)</script>")),
    Case("formula", _named('=HYPERLINK("https://attacker.example","x")', "@SUM(1+1)")),
    Case("newline and tab", _named("New\nLine", "Ta\tb\r\nEnd")),
    Case("control characters", _named("Nul\u0000Bell\u0007", "Esc\u001b[31mRed\u009b\u007f")),
    Case("very long name", _named("-".join(["Maximiliana"] * 60), " ".join(["von und zu"] * 60))),
    Case("blank name", _blank_name),
    Case("login only", _login_only),
    Case("no contract", _no_contract),
    Case("several contracts", _several_contracts),
    Case("contract with a type id only", _type_id_only),
    Case("no contract marked applicable", _none_applicable),
    Case("no manager", _no_manager),
    Case("own manager", _own_manager),
    Case("manager who left", _manager_who_left),
    Case("no department", _no_department),
    Case("department code null", _department_code(None)),
    Case("department code blank", _department_code("")),
    Case("mail null", _mail(None)),
    Case("mail blank", _mail("")),
    Case("future start", _employed(_days_from_today(45), None)),
    Case("last day today", _employed(_days_from_today(-400), _days_from_today(0))),
    Case("last day yesterday", _employed(_days_from_today(-400), _days_from_today(-1))),
    Case("first day of the calendar", _employed(lambda _: date.min, None)),
    Case("last day of the calendar", _employed(_days_from_today(-400), lambda _: date.max)),
    Case("many secondary roles", _roles(primary=True, secondary=40)),
    Case("no secondary roles", _roles(primary=True, secondary=0)),
    Case("no primary role", _roles(primary=False, secondary=2)),
    Case("modified at with a fraction", _modified_at("2015-09-07T10:20:06.583")),
    Case("modified at without a fraction", _modified_at("2015-09-07T10:20:06")),
)
