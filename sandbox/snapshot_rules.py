"""Checks snapshots by the rules of Elimity Insights."""

import zlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, TypeAlias

import msgspec

from sandbox.data_model import DataModel

Year = Annotated[int, msgspec.Meta(ge=1, le=9999)]
Month = Annotated[int, msgspec.Meta(ge=1, le=12)]
Day = Annotated[int, msgspec.Meta(ge=1, le=31)]
Hour = Annotated[int, msgspec.Meta(ge=0, le=23)]
Sixtieth = Annotated[int, msgspec.Meta(ge=0, le=59)]
Identifier = Annotated[str, msgspec.Meta(min_length=1)]


class Wire(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """A JSON object that has no other keys than its fields."""


class Date(Wire):
    """A day of the calendar."""

    year: Year
    month: Month
    day: Day


class Time(Wire):
    """A time of day."""

    hour: Hour
    minute: Sixtieth
    second: Sixtieth


class DateTime(Wire):
    """A moment in UTC."""

    year: Year
    month: Month
    day: Day
    hour: Hour
    minute: Sixtieth
    second: Sixtieth


class BooleanValue(Wire, tag_field="type", tag="boolean"):
    """A value of a boolean attribute."""

    value: bool


class DateValue(Wire, tag_field="type", tag="date"):
    """A value of a date attribute."""

    value: Date


class DateTimeValue(Wire, tag_field="type", tag="dateTime"):
    """A value of a dateTime attribute."""

    value: DateTime


class NumberValue(Wire, tag_field="type", tag="number"):
    """A value of a number attribute."""

    value: float


class StringValue(Wire, tag_field="type", tag="string"):
    """A value of a string attribute."""

    value: str


class TimeValue(Wire, tag_field="type", tag="time"):
    """A value of a time attribute."""

    value: Time


Value: TypeAlias = BooleanValue | DateValue | DateTimeValue | NumberValue | StringValue | TimeValue
VALUE_TYPES: dict[type, str] = {
    BooleanValue: "boolean",
    DateValue: "date",
    DateTimeValue: "dateTime",
    NumberValue: "number",
    StringValue: "string",
    TimeValue: "time",
}


class AttributeAssignment(Wire):
    """The value of one attribute."""

    attribute_type_id: str
    value: Value


class Entity(Wire):
    """An entity, such as an employee."""

    attribute_assignments: list[AttributeAssignment]
    id: Identifier
    name: str
    type: str


class Relationship(Wire):
    """A relationship between two entities."""

    attribute_assignments: list[AttributeAssignment]
    from_entity_id: Identifier
    from_entity_type: str
    to_entity_id: Identifier
    to_entity_type: str


class Snapshot(Wire):
    """The complete new content of a source."""

    entities: list[Entity]
    relationships: list[Relationship]
    history_timestamp: DateTime | msgspec.UnsetType = msgspec.UNSET


def inflate(body: bytes) -> bytes:
    """Decompress one complete zlib stream. Raises ValueError for anything else."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(body)
    except zlib.error as error:
        raise ValueError(f"the body is not a zlib stream: {error}") from None
    if not stream.eof:
        raise ValueError("the zlib stream breaks off")
    if stream.unused_data:
        raise ValueError("there is something after the zlib stream")
    return inflated


def check_snapshot(document: bytes, data_model: DataModel) -> None:
    """Raise ValueError or `msgspec.DecodeError`, with a reason, if it isn't a snapshot of this data model."""
    snapshot = msgspec.json.decode(document, type=Snapshot)
    if isinstance(snapshot.history_timestamp, DateTime):
        _check_day(snapshot.history_timestamp)
    attributes = {entity_type.id: data_model.attributes_of(entity_type.id) for entity_type in data_model.entity_types}
    known: set[tuple[str, str]] = set()
    for entity in snapshot.entities:
        if entity.type not in attributes:
            raise ValueError(f"unknown entity type: {entity.type}")
        if (entity.type, entity.id) in known:
            raise ValueError(f"two entities of type {entity.type} with the id {entity.id}")
        known.add((entity.type, entity.id))
        _check_assignments(entity.attribute_assignments, attributes[entity.type])
    _check_relationships(snapshot.relationships, known, data_model)


def _check_relationships(relationships: list[Relationship], known: set[tuple[str, str]], data_model: DataModel) -> None:
    related: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    for relationship in relationships:
        ends = (
            (relationship.from_entity_type, relationship.from_entity_id),
            (relationship.to_entity_type, relationship.to_entity_id),
        )
        for end in ends:
            if end not in known:
                raise ValueError(f"a relationship with an entity that is not there: {' '.join(end)}")
        if ends in related:
            raise ValueError(f"the same relationship twice: {ends}")
        related.add(ends)
        attributes = {
            attribute.id: attribute.type
            for attribute in data_model.relationship_attribute_types
            if (attribute.parent_type, attribute.child_type)
            == (relationship.from_entity_type, relationship.to_entity_type)
            and not attribute.archived
        }
        _check_assignments(relationship.attribute_assignments, attributes)


def _check_assignments(assignments: list[AttributeAssignment], attributes: Mapping[str, str]) -> None:
    assigned = set()
    for assignment in assignments:
        name, value = assignment.attribute_type_id, assignment.value
        expected = attributes.get(name)
        if expected is None:
            raise ValueError(f"unknown or archived attribute: {name}")
        if VALUE_TYPES[type(value)] != expected:
            raise ValueError(f"attribute {name} is a {expected}, not a {VALUE_TYPES[type(value)]}")
        if name in assigned:
            raise ValueError(f"attribute assigned twice: {name}")
        assigned.add(name)
        if isinstance(value, (DateValue, DateTimeValue)):
            _check_day(value.value)


def _check_day(day: Date | DateTime) -> None:
    date(day.year, day.month, day.day)
