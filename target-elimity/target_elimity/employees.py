"""From Lucca's users and work contracts to employees: the join and the status. Pure; values in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

Record: TypeAlias = "Mapping[str, Any]"

ACTIVE = "active"
INACTIVE = "inactive"

_FRACTION = re.compile(r"[.,]\d+")


@dataclass(frozen=True, slots=True)
class Employee:
    """A person as Elimity Insights knows them; None is a value that Lucca does not have."""

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
    """What the transform depends on besides the records."""

    today: date
    """The day, in the time zone below, on which people are active or not."""

    zone: tzinfo
    """The zone of timestamps that name none."""

    contract_type_names: Mapping[str, str]
    """Labels for contract types of which only the id is known."""


def new_employee(user: Record, contracts: Iterable[Record], rules: Rules) -> Employee:
    """Return the employee for a user and their work contracts, in any order.

    Raises:
        ValueError: A date or timestamp is not one; the message names the field, not the value.
    """
    department = user.get("department")
    manager = user.get("manager")
    first_name, last_name = _text(user, "firstName"), _text(user, "lastName")
    login = _text(user, "login")
    full_name = " ".join(part for part in (first_name, last_name) if part)
    end_date = _date(user, "dtContractEnd")
    return Employee(
        id=str(user["id"]),
        name=_text(user, "name") or full_name or login or str(user["id"]),
        login=login,
        email=_text(user, "mail"),
        first_name=first_name,
        last_name=last_name,
        job_title=_text(user, "jobTitle"),
        employee_number=_text(user, "employeeNumber"),
        department=_text(department, "name"),
        department_code=_text(department, "code"),
        legal_entity=_text(user.get("legalEntity"), "name"),
        manager_id=_text(manager, "id"),
        manager_name=_text(manager, "name"),
        manager_email=_text(manager, "mail"),
        seniority_date=_date(user, "seniorityDate"),
        contract_start_date=_date(user, "dtContractStart"),
        end_date=end_date,
        last_modified=_timestamp(user, "modifiedAt", rules.zone),
        status=INACTIVE if end_date is not None and end_date < rules.today else ACTIVE,
        primary_role=_text(user.get("rolePrincipal"), "name"),
        secondary_roles=_names(user.get("habilitedRoles")),
        contract_type=_contract_type(applicable_contract(contracts, rules.today), rules.contract_type_names),
    )


def applicable_contract(contracts: Iterable[Record], today: date) -> Record | None:
    """Return the contract that counts: the one Lucca marks, else the ongoing, first upcoming or last past one."""
    return min(contracts, key=lambda contract: _rank(contract, today), default=None)


def _rank(contract: Record, today: date) -> tuple[bool, int, int, int]:
    """Return a key by which the contract that counts comes first; the id settles what Lucca leaves open."""
    marked = contract.get("isApplicable") is True
    start = _date(contract, "startsOn") or date.min
    end = _date(contract, "endsOn") or date.max
    if start > today:
        phase, distance = 1, start.toordinal()
    elif end < today:
        phase, distance = 2, -end.toordinal()
    else:
        phase, distance = 0, -start.toordinal()
    return not marked, phase, distance, contract["id"]


def _contract_type(contract: Record | None, names: Mapping[str, str]) -> str | None:
    if contract is None:
        return None
    embedded = contract.get("type")
    type_id = _text(contract, "typeId") or _text(embedded, "id")
    return _text(embedded, "name") or (names.get(type_id, type_id) if type_id else None)


def _text(record: Record | None, field: str) -> str | None:
    """Return the value as text as it stands; None if there is none or it is blank."""
    value = record.get(field) if record else None
    if value is None:
        return None
    text = str(value)
    return text if text.strip() else None


def _names(references: Iterable[Record] | None) -> str | None:
    names = (_text(reference, "name") for reference in references or ())
    return ", ".join(sorted(name for name in names if name)) or None


def _date(record: Record, field: str) -> date | None:
    """Return the date as it stands, whatever time and zone come after it."""
    text = _text(record, field)
    if text is None:
        return None
    try:
        day, separator = date.fromisoformat(text[:10]), text[10:11]
    except ValueError:
        separator = "?"
    if separator not in {"", "T", " "}:
        raise ValueError(f"'{field}' is not a date")
    return day


def _timestamp(record: Record, field: str, zone: tzinfo) -> datetime | None:
    """Return the timestamp in UTC without fractions of a second; one that names no zone is read in the given one."""
    text = _text(record, field)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"'{field}' is not a timestamp") from None
    if moment.date() in {date.min, date.max}:  # they stand for "ever" and "never", which no zone shifts
        return moment.replace(tzinfo=timezone.utc)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(timezone.utc)
