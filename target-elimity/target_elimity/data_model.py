"""The data model of the source in Elimity Insights: the export file, and what differs from the table of attributes."""

import json

import msgspec

from target_elimity.attributes import ATTRIBUTES, ENTITY_TYPE, Attribute


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
            for attribute in ATTRIBUTES
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
    """Return a phrase for each difference between a source's data model and the table of attributes."""
    if ENTITY_TYPE not in {entity_type.id for entity_type in model.entity_types}:
        return [f"the entity type Employee ({ENTITY_TYPE}) is missing"]
    actual = {
        attribute.id: attribute for attribute in model.entity_attribute_types if attribute.entity_type_id == ENTITY_TYPE
    }
    return [
        f"the attribute {expected.name} ({expected.id}) {difference}"
        for expected in ATTRIBUTES
        if (difference := _difference(expected, actual.get(expected.id)))
    ]


def _difference(expected: Attribute, actual: _AttributeType | None) -> str | None:
    if actual is None:
        return "is missing"
    if actual.type != expected.type:
        return f"has another type than {expected.type}"
    return "is archived" if actual.archived else None
