"""The table of the attributes, and the employee that it makes of a user and their work contracts. Pure functions.

Everything else that concerns attributes reads this table: data model, snapshot, baseline, report, documentation.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Literal, NamedTuple, TypeAlias

from target_elimity.contracts import applicable_contract
from target_elimity.records import USERS, User, WorkContract
from target_elimity.values import read_day, read_moment, read_text

Type: TypeAlias = Literal["date", "dateTime", "string"]

ENTITY_TYPE = "employee"
ACTIVE, INACTIVE = "active", "inactive"


@dataclass(frozen=True, slots=True)
class Rules:
    """The inputs of an employee's values besides the records."""

    today: date
    """Today's date in the time zone below. It decides who is active."""

    zone: tzinfo
    """The zone of timestamps without one."""

    contract_type_names: Mapping[str, str]
    """Labels for contract types that Lucca sends as a bare id."""


class Employee(NamedTuple):
    """A person in Elimity Insights."""

    id: str
    name: str
    values: Sequence[str | None]
    """In the order of the table; None means that Lucca has no value. Dates are ISO 8601, timestamps in UTC."""


# Makes a value of the user, the work contract that counts, and the rules. A wrong date raises ValueError.
Value: TypeAlias = Callable[[User, WorkContract | None, Rules], str | None]


class Origin(NamedTuple):
    """Where the value of an attribute comes from."""

    type: Type
    fields: tuple[str, ...]
    """The possible fields of records, such as `users.department.name`."""

    value: Value


def text(path: str) -> Origin:
    """Return the origin of a text of the user or of an object embedded in the user."""
    name, _, inner = path.partition(".")
    if inner:  # the object may be absent
        return derived(lambda user, _, __: read_text(getattr(getattr(user, name), inner, None)), f"{USERS}.{path}")
    return derived(lambda user, _, __: read_text(getattr(user, name)), f"{USERS}.{path}")


def day(field: str) -> Origin:
    """Return the origin of a date of the user."""

    def value(user: User, _: WorkContract | None, __: Rules) -> str | None:
        found = read_day(getattr(user, field), field)
        return None if found is None else found.isoformat()

    return Origin("date", (f"{USERS}.{field}",), value)


def moment(field: str) -> Origin:
    """Return the origin of a timestamp of the user."""
    return Origin(
        "dateTime",
        (f"{USERS}.{field}",),
        lambda user, _, rules: read_moment(getattr(user, field), field, rules.zone),
    )


def derived(value: Value, *fields: str) -> Origin:
    """Return the origin of a text that a function makes of one of these fields."""
    return Origin("string", fields, value)


def manager_id(user: User, _: WorkContract | None, __: Rules) -> str | None:
    """Return the manager's id as text."""
    return None if user.manager is None or user.manager.id is None else str(user.manager.id)


def status(user: User, _: WorkContract | None, rules: Rules) -> str:
    """Return the status. On the last day, before the first day and without a last day, people are active."""
    end = read_day(user.dtContractEnd, "dtContractEnd")
    return INACTIVE if end is not None and end < rules.today else ACTIVE


def secondary_roles(user: User, _: WorkContract | None, __: Rules) -> str | None:
    """Return the names of the roles in alphabetical order."""
    return ", ".join(sorted(filter(None, [read_text(role.name) for role in user.habilitedRoles or ()]))) or None


def contract_type(_: User, contract: WorkContract | None, rules: Rules) -> str | None:
    """Return the name of the contract's type. If only its id is known, return the configured label, else the id."""
    if contract is None:
        return None
    embedded_id, name = (contract.type.id, contract.type.name) if contract.type else (None, None)
    type_id = embedded_id if contract.typeId is None else contract.typeId
    if type_id is None:
        return read_text(name)
    return read_text(name) or read_text(rules.contract_type_names.get(str(type_id))) or str(type_id)


@dataclass(frozen=True)
class Attribute:
    """An attribute type in Elimity Insights."""

    name: str
    id: str
    description: str
    origin: Origin
    reviewed: bool = False
    """Whether a change of it matters to an access review."""

    width: int = 10
    """The width of its column in the report, in rem."""

    @property
    def type(self) -> Type:
        """The type of its values."""
        return self.origin.type


ATTRIBUTES = (
    Attribute("Login", "login", "Login in Lucca", text("login")),
    Attribute("Email", "email", "Professional mail address", text("mail"), width=16),
    Attribute("First Name", "firstName", "First name", text("firstName")),
    Attribute("Last Name", "lastName", "Last name", text("lastName")),
    Attribute("Job Title", "jobTitle", "Job title", text("jobTitle"), reviewed=True),
    Attribute("Employee Number", "employeeNumber", "Employee number", text("employeeNumber"), width=11),
    Attribute("Department", "department", "Name of the department", text("department.name"), reviewed=True),
    Attribute(
        "Department Code", "departmentCode", "Code of the department", text("department.code"), reviewed=True, width=11
    ),
    Attribute("Legal Entity", "legalEntity", "Name of the legal entity", text("legalEntity.name"), reviewed=True),
    Attribute(
        "Manager Id", "managerId", "Lucca id of the manager", derived(manager_id, "users.manager.id"), reviewed=True
    ),
    Attribute("Manager Name", "managerName", "Name of the manager", text("manager.name"), reviewed=True),
    Attribute("Manager Email", "managerEmail", "Mail address of the manager", text("manager.mail"), width=16),
    Attribute("Seniority Date", "seniorityDate", "Start of seniority", day("seniorityDate")),
    Attribute("Contract Start Date", "contractStartDate", "First day", day("dtContractStart"), width=12),
    Attribute("End Date", "endDate", "Last day of employment", day("dtContractEnd")),
    Attribute("Last Modified", "lastModified", "Last change in Lucca", moment("modifiedAt"), width=11),
    Attribute(
        "Status",
        "status",
        "inactive after the last day of employment, else active",
        derived(status, "users.dtContractEnd"),
    ),
    Attribute("Primary Role", "primaryRole", "Primary role in Lucca", text("rolePrincipal.name"), reviewed=True),
    Attribute(
        "Secondary Roles",
        "secondaryRoles",
        "Secondary roles in Lucca",
        derived(secondary_roles, "users.habilitedRoles.name"),
        reviewed=True,
        width=16,
    ),
    Attribute(
        "Contract Type",
        "contractType",
        "Type of the applicable work contract",
        derived(contract_type, "work_contracts.type", "work_contracts.typeId"),
        reviewed=True,
    ),
)
IDS = tuple(attribute.id for attribute in ATTRIBUTES)
_VALUES = tuple(attribute.origin.value for attribute in ATTRIBUTES)


def new_employee(user: User, contracts: Iterable[WorkContract], rules: Rules) -> Employee:
    """Return the employee for a user and their work contracts, in any order.

    Raises:
        ValueError: A date or timestamp is invalid. The message names the field, not the value.
    """
    contract = applicable_contract(contracts, rules.today)
    return Employee(str(user.id), _name(user), tuple([value(user, contract, rules) for value in _VALUES]))


def _name(user: User) -> str:
    full_name = " ".join(filter(None, map(read_text, (user.firstName, user.lastName))))
    return read_text(user.name) or full_name or read_text(user.login) or str(user.id)


def names_of(ids: Collection[str]) -> str:
    """Return the names of attributes, as administrators know them."""
    return ", ".join(attribute.name for attribute in ATTRIBUTES if attribute.id in ids)


def deselected(announced: Mapping[str, Collection[str]]) -> set[str]:
    """Return the ids of the attributes that have no field in the schemas, given the fields of each stream's schema."""
    fields = {f"{stream}.{field}" for stream, fields in announced.items() for field in fields}
    return {attribute.id for attribute in ATTRIBUTES if fields.isdisjoint(attribute.origin.fields)}


def attributes_of(field: str) -> set[str]:
    """Return the ids of the attributes that come from this field of users, or from a field within it."""
    path = f"{USERS}.{field}."
    return {row.id for row in ATTRIBUTES if any(f"{origin}.".startswith(path) for origin in row.origin.fields)}


def names_of_fields(fields: Iterable[str]) -> str:
    """Return the names of what comes from fields of users, and the fields: `Legal Entity (legalEntity)`."""
    named = ((names_of(attributes_of(field)), field) for field in fields)
    return ", ".join(f"{names} ({field})" if names else field for names, field in named)
