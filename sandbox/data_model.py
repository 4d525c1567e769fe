"""The data model of a source in Elimity Insights, in the format of its export file and its API."""

from pathlib import Path
from typing import Any, Literal

import msgspec

EXPORT_FILE = Path(__file__).parent.parent / "target-elimity" / "insights-client-lucca-data-model-export.json"

ValueType = Literal["boolean", "date", "dateTime", "number", "string", "time"]


class EntityType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A type of entities, such as `employee`."""

    anonymized: bool
    icon: str
    id: str
    plural: str
    singular: str


class EntityAttributeType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An attribute of the entities of a type."""

    archived: bool
    description: str
    entity_type_id: str
    id: str
    name: str
    type: ValueType


class RelationshipAttributeType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An attribute of the relationships from one type of entities to another."""

    archived: bool
    child_type: str
    id: str
    name: str
    parent_type: str
    type: ValueType
    description: str = ""


class DataModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The types that a source's entities and relationships may have."""

    entity_types: list[EntityType]
    entity_attribute_types: list[EntityAttributeType]
    relationship_attribute_types: list[RelationshipAttributeType]

    def attributes_of(self, entity_type: str) -> dict[str, ValueType]:
        """Return the types of an entity type's attributes, without the archived ones."""
        return {
            attribute.id: attribute.type
            for attribute in self.entity_attribute_types
            if attribute.entity_type_id == entity_type and not attribute.archived
        }


def load_data_model(path: Path = EXPORT_FILE) -> dict[str, Any]:
    """Read an export file. Raises `msgspec.ValidationError` if it isn't one."""
    export = path.read_bytes()
    msgspec.json.decode(export, type=DataModel)
    data_model: dict[str, Any] = msgspec.json.decode(export)
    return data_model
