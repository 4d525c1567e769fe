"""The data model of the source in Elimity Insights: one entity type and its attribute types.

The export file, the check of a source and the encoding of employees all use this table.
"""

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

Type: TypeAlias = Literal["date", "dateTime", "string"]

ENTITY_TYPE = "employee"


@dataclass(frozen=True, slots=True)
class AttributeType:
    """An attribute type in Elimity Insights, and the field of an `Employee` with its value."""

    name: str
    id: str
    type: Type
    description: str
    field: str
    """The field of an `Employee` that holds its value."""


ATTRIBUTE_TYPES = (
    AttributeType("Login", "login", "string", "Login in Lucca", "login"),
    AttributeType("Email", "email", "string", "Professional mail address", "email"),
    AttributeType("First Name", "firstName", "string", "First name", "first_name"),
    AttributeType("Last Name", "lastName", "string", "Last name", "last_name"),
    AttributeType("Job Title", "jobTitle", "string", "Job title", "job_title"),
    AttributeType("Employee Number", "employeeNumber", "string", "Employee number", "employee_number"),
    AttributeType("Department", "department", "string", "Name of the department", "department"),
    AttributeType("Department Code", "departmentCode", "string", "Code of the department", "department_code"),
    AttributeType("Legal Entity", "legalEntity", "string", "Name of the legal entity", "legal_entity"),
    AttributeType("Manager Id", "managerId", "string", "Lucca id of the manager", "manager_id"),
    AttributeType("Manager Name", "managerName", "string", "Name of the manager", "manager_name"),
    AttributeType("Manager Email", "managerEmail", "string", "Mail address of the manager", "manager_email"),
    AttributeType("Seniority Date", "seniorityDate", "date", "Start of seniority", "seniority_date"),
    AttributeType("Contract Start Date", "contractStartDate", "date", "First day", "contract_start_date"),
    AttributeType("End Date", "endDate", "date", "Last day of employment", "end_date"),
    AttributeType("Last Modified", "lastModified", "dateTime", "Last change in Lucca", "last_modified"),
    AttributeType("Status", "status", "string", "inactive after the last day of employment, else active", "status"),
    AttributeType("Primary Role", "primaryRole", "string", "Primary role in Lucca", "primary_role"),
    AttributeType("Secondary Roles", "secondaryRoles", "string", "Secondary roles in Lucca", "secondary_roles"),
    AttributeType("Contract Type", "contractType", "string", "Type of the applicable work contract", "contract_type"),
)


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
