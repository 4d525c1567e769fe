"""The data model of the source in Elimity Insights: one entity type and its attribute types.

The export file, the check of a source and the encoding of employees all use this table.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal, TypeAlias

import msgspec

Type: TypeAlias = Literal["date", "dateTime", "string"]

ENTITY_TYPE = "employee"


@dataclass(frozen=True)
class AttributeType:
    """An attribute type in Elimity Insights, and where its value comes from."""

    name: str
    id: str
    type: Type
    description: str
    sources: tuple[str, ...]
    """The possible fields of its value in the streams, such as `users.department.name`."""

    @cached_property
    def field(self) -> str:
        """The field of an `Employee` that holds its value."""
        return re.sub("([A-Z])", r"_\1", self.id).lower()


ATTRIBUTE_TYPES = (
    AttributeType("Login", "login", "string", "Login in Lucca", ("users.login",)),
    AttributeType("Email", "email", "string", "Professional mail address", ("users.mail",)),
    AttributeType("First Name", "firstName", "string", "First name", ("users.firstName",)),
    AttributeType("Last Name", "lastName", "string", "Last name", ("users.lastName",)),
    AttributeType("Job Title", "jobTitle", "string", "Job title", ("users.jobTitle",)),
    AttributeType("Employee Number", "employeeNumber", "string", "Employee number", ("users.employeeNumber",)),
    AttributeType("Department", "department", "string", "Name of the department", ("users.department.name",)),
    AttributeType("Department Code", "departmentCode", "string", "Code of the department", ("users.department.code",)),
    AttributeType("Legal Entity", "legalEntity", "string", "Name of the legal entity", ("users.legalEntity.name",)),
    AttributeType("Manager Id", "managerId", "string", "Lucca id of the manager", ("users.manager.id",)),
    AttributeType("Manager Name", "managerName", "string", "Name of the manager", ("users.manager.name",)),
    AttributeType("Manager Email", "managerEmail", "string", "Mail address of the manager", ("users.manager.mail",)),
    AttributeType("Seniority Date", "seniorityDate", "date", "Start of seniority", ("users.seniorityDate",)),
    AttributeType("Contract Start Date", "contractStartDate", "date", "First day", ("users.dtContractStart",)),
    AttributeType("End Date", "endDate", "date", "Last day of employment", ("users.dtContractEnd",)),
    AttributeType("Last Modified", "lastModified", "dateTime", "Last change in Lucca", ("users.modifiedAt",)),
    AttributeType(
        "Status", "status", "string", "inactive after the last day of employment, else active", ("users.dtContractEnd",)
    ),
    AttributeType("Primary Role", "primaryRole", "string", "Primary role in Lucca", ("users.rolePrincipal.name",)),
    AttributeType(
        "Secondary Roles", "secondaryRoles", "string", "Secondary roles in Lucca", ("users.habilitedRoles.name",)
    ),
    AttributeType(
        "Contract Type",
        "contractType",
        "string",
        "Type of the applicable work contract",
        ("work_contracts.type", "work_contracts.typeId"),
    ),
)

# The values of an employee's attributes, in this order.
values_of = attrgetter(*(attribute.field for attribute in ATTRIBUTE_TYPES))


def export_file() -> str:
    """Return the export file for *Upload export file* in Elimity Insights. `domain-graph-schema` has the same form."""
    model = {
        "entityTypes": [
            {"anonymized": False, "icon": "person", "id": ENTITY_TYPE, "plural": "Employees", "singular": "Employee"}
        ],
        "entityAttributeTypes": [
            {
                "archived": False,
                "description": attribute.description,
                "entityTypeId": ENTITY_TYPE,
                "id": attribute.id,
                "name": attribute.name,
                "type": attribute.type,
            }
            for attribute in ATTRIBUTE_TYPES
        ],
        "relationshipAttributeTypes": [],
    }
    return json.dumps(model, indent=2) + "\n"


class _EntityType(msgspec.Struct):
    id: str


class _AttributeType(msgspec.Struct, rename="camel"):
    id: str
    entity_type_id: str
    type: str
    archived: bool = False


class DataModel(msgspec.Struct, rename="camel"):
    """The compared part of a source's data model, in the form of an export file."""

    entity_types: list[_EntityType]
    entity_attribute_types: list[_AttributeType]


def differences(model: DataModel) -> list[str]:
    """Return a phrase for each difference between a source's data model and this table."""
    if ENTITY_TYPE not in {entity_type.id for entity_type in model.entity_types}:
        return [f"the entity type Employee ({ENTITY_TYPE}) is missing"]
    actual = {
        attribute.id: attribute for attribute in model.entity_attribute_types if attribute.entity_type_id == ENTITY_TYPE
    }
    return [
        f"the attribute {expected.name} ({expected.id}) {difference}"
        for expected in ATTRIBUTE_TYPES
        if (difference := _difference(expected, actual.get(expected.id)))
    ]


def _difference(expected: AttributeType, actual: _AttributeType | None) -> str | None:
    if actual is None:
        return "is missing"
    if actual.type != expected.type:
        return f"has another type than {expected.type}"
    return "is archived" if actual.archived else None
