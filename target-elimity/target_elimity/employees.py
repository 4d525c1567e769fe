"""Converts Lucca's users and work contracts to employees. Pure functions."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

import msgspec
from msgspec import UnsetType

from target_elimity.records import Reference, User, WorkContract

ACTIVE = "active"
INACTIVE = "inactive"

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?=\Z|[T ]\d\d:\d\d)", re.ASCII)
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)?|\d{4}-\d\d-\d\d", re.ASCII)


class Employee(msgspec.Struct, frozen=True, gc=False):
    """A person in Elimity Insights. None means that Lucca has no value."""

    id: str
    name: str
    login: str | None
    email: str | None
    first_name: str | None
    last_name: str | None
    job_title: str | None
    employee_number: str | None
    department: str | None
    department_code: str | None
    legal_entity: str | None
    manager_id: str | None
    manager_name: str | None
    manager_email: str | None
    seniority_date: date | None
    contract_start_date: date | None
    end_date: date | None
    last_modified: datetime | None  # in UTC
    status: str
    primary_role: str | None
    secondary_roles: str | None
    contract_type: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """The inputs of the conversion besides the records."""

    today: date
    """Today's date in the time zone below. It decides who is active."""

    zone: tzinfo
    """The zone of timestamps without one."""

    contract_type_names: Mapping[str, str]
    """Labels for contract types that Lucca sends as a bare id."""


def new_employee(user: User, contracts: Iterable[WorkContract], rules: Rules) -> Employee:
    """Return the employee for a user and their work contracts, in any order.

    Raises:
        ValueError: A date or timestamp is invalid. The message names the field, not the value.
    """
    department, manager = user.department or _NOTHING, user.manager or _NOTHING
    first_name, last_name = _text(user.firstName), _text(user.lastName)
    login = _text(user.login)
    full_name = " ".join(part for part in (first_name, last_name) if part)
    end_date = _date(user.dtContractEnd, "dtContractEnd")
    return Employee(
        id=str(user.id),
        name=_text(user.name) or full_name or login or str(user.id),
        login=login,
        email=_text(user.mail),
        first_name=first_name,
        last_name=last_name,
        job_title=_text(user.jobTitle),
        employee_number=_text(user.employeeNumber),
        department=_text(department.name),
        department_code=_text(department.code),
        legal_entity=_text((user.legalEntity or _NOTHING).name),
        manager_id=None if manager.id is None else str(manager.id),
        manager_name=_text(manager.name),
        manager_email=_text(manager.mail),
        seniority_date=_date(user.seniorityDate, "seniorityDate"),
        contract_start_date=_date(user.dtContractStart, "dtContractStart"),
        end_date=end_date,
        last_modified=_timestamp(user.modifiedAt, "modifiedAt", rules.zone),
        status=INACTIVE if end_date is not None and end_date < rules.today else ACTIVE,
        primary_role=_text((user.rolePrincipal or _NOTHING).name),
        secondary_roles=_names(user.habilitedRoles),
        contract_type=_contract_type(applicable_contract(contracts, rules.today), rules.contract_type_names),
    )


def applicable_contract(contracts: Iterable[WorkContract], today: date) -> WorkContract | None:
    """Return the contract that Lucca marks, else the ongoing, the first upcoming or the last past one.

    Raises:
        ValueError: A date is invalid.
    """
    return min(contracts, key=lambda contract: _rank(contract, today), default=None)


def _rank(contract: WorkContract, today: date) -> tuple[bool, int, int, int]:
    """Return a sort key that puts the applicable contract first. Ties are broken by id."""
    marked = contract.isApplicable is True
    start = _date(contract.startsOn, "startsOn") or date.min
    end = _date(contract.endsOn, "endsOn") or date.max
    if start > today:
        phase, distance = 1, start.toordinal()
    elif end < today:
        phase, distance = 2, -end.toordinal()
    else:
        phase, distance = 0, -start.toordinal()
    return not marked, phase, distance, contract.id


def _contract_type(contract: WorkContract | None, names: Mapping[str, str]) -> str | None:
    if contract is None:
        return None
    embedded = contract.type or _NOTHING
    type_id = embedded.id if contract.typeId is None else contract.typeId
    return _text(embedded.name) or (None if type_id is None else _text(names.get(str(type_id))) or str(type_id))


def _text(value: str | None) -> str | None:
    """Return the text unchanged, or None if it is blank."""
    return value if value and not value.isspace() else None


def _names(references: Iterable[Reference] | None) -> str | None:
    names = (_text(reference.name) for reference in references or ())
    return ", ".join(sorted(name for name in names if name)) or None


def _date(value: str | UnsetType | None, field: str) -> date | None:
    """Return the date. A time and a zone after it are ignored."""
    try:
        return _parse_date(value)
    except ValueError:
        raise ValueError(f"'{field}' is not a date") from None


@lru_cache(maxsize=1 << 14)
def _parse_date(value: str | UnsetType | None) -> date | None:
    if not isinstance(value, str) or not _text(value):
        return None
    if not _DATE.match(value):
        raise ValueError
    return date.fromisoformat(value[:10])


def _timestamp(value: str | None, field: str, zone: tzinfo) -> datetime | None:
    """Return the timestamp in UTC without fractions of a second. Without a zone, it is in the given one."""
    if value is None or not _text(value):
        return None
    try:
        moment = _parse_timestamp(value)
    except ValueError:
        raise ValueError(f"'{field}' is not a timestamp") from None
    if moment.date() in {date.min, date.max}:  # they mean "ever" and "never": don't convert them
        return moment.replace(tzinfo=UTC)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _parse_timestamp(text: str) -> datetime:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError
    return datetime.fromisoformat((match[1] or text) + (match[2] or "").replace("Z", "+00:00"))


_NOTHING = Reference()
