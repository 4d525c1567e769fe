"""Parses and answers queries of what a source holds.

Where the vendor's documentation leaves a detail open, the answer is the most awkward one that the vendor's own client
(`elimity_insights_client.api.entities`) reads correctly. `Paging` changes these details.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from itertools import islice
from random import Random
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from sandbox.data_model import (
    DataModel,
    ValueType,
)
from sandbox.snapshot_rules import (
    BooleanValue,
    DateTimeValue,
    DateValue,
    Entity,
    NumberValue,
    StringValue,
    Value,
    Wire,
)

Natural = Annotated[int, msgspec.Meta(ge=0)]
Unsupported = Annotated[list[Any], msgspec.Meta(max_length=0)]

ENTITIES_A_CHUNK = 100
# Smaller whole numbers are written without a fraction, as most servers do.
LARGEST_INTEGER = 2**53
# The vendor's client accepts text that isn't a date, but fails on text that isn't a number or a time.
UNASSIGNED: dict[str, str | None] = {
    "boolean": "false",
    "date": "",
    "dateTime": "",
    "number": "0",
    "string": "",
    "time": "00:00:00",
}


class Condition(Wire):
    """Which entities to return. Only the condition for all of them is supported."""

    boolean: bool
    type: Literal["literal"]

    def __post_init__(self) -> None:
        """Refuse the condition `false`."""
        if not self.boolean:
            raise ValueError("no literal but true is supported")


class Assigned(Wire, tag_field="type", tag="assigned"):
    """Whether an entity has a value of an attribute."""

    attribute_type: str
    reference: Literal[""]


class Attribute(Wire, tag_field="type", tag="attribute"):
    """An entity's value of an attribute."""

    attribute_type: str
    reference: Literal[""]


Expression: TypeAlias = Assigned | Attribute


class Inclusion(Wire):
    """A value to return for each entity, besides its id and name."""

    expr: Expression
    type: ValueType


class Query(Wire):
    """A query for the entities of one type."""

    alias: Literal[""]
    condition: Condition
    direct_link_group_by_queries: Unsupported
    direct_link_queries: Unsupported
    entity_type: str
    include: list[Inclusion]
    limit: Natural
    link_group_by_queries: Unsupported
    link_queries: Unsupported
    offset: Natural
    order_by: Unsupported
    source_id: int


@dataclass(slots=True)
class Paging:
    """The details of pages that the vendor's documentation leaves open.

    Attributes:
        max_results: The most results on a page, whatever the limit of the query.
        stable_order: Whether the entities come in the same order each time. It is never that of the snapshot.
        unassigned: The value of an unassigned attribute, by the attribute's type.
        time_zone: The time zone of timestamps in answers. Those in snapshots are in UTC.
    """

    max_results: int | None = None
    stable_order: bool = True
    unassigned: dict[str, str | None] = field(default_factory=UNASSIGNED.copy)
    time_zone: tzinfo = UTC


def parse_queries(body: bytes, source_id: int, data_model: DataModel) -> list[Query]:
    """Parse the body of a request. Raises ValueError or `msgspec.DecodeError`, with a reason, if it isn't supported."""
    queries = msgspec.json.decode(body, type=list[Query])
    for query in queries:
        if query.source_id != source_id:
            raise ValueError(f"no source {query.source_id} to query")
        if query.entity_type not in {entity_type.id for entity_type in data_model.entity_types}:
            raise ValueError(f"unknown entity type: {query.entity_type}")
        types = data_model.attributes_of(query.entity_type)
        for inclusion in query.include:
            _check_inclusion(inclusion, types)
    return queries


def answer(queries: Sequence[Query], document: bytes, paging: Paging, seed: int) -> Iterator[bytes]:
    """Yield the JSON of the pages in pieces, without ever holding all entities or pages in memory as objects.

    Args:
        queries: The queries to answer.
        document: The JSON of the snapshot that the source holds.
        paging: How pages look.
        seed: Determines the order of the entities, unless it is stable.
    """
    held = msgspec.json.decode(document, type=_Held).entities
    yield b"["
    for position, query in enumerate(queries):
        entities = [raw for raw in held if msgspec.json.decode(raw, type=_Typed).type == query.entity_type]
        Random(0 if paging.stable_order else seed).shuffle(entities)
        size = query.limit if paging.max_results is None else min(query.limit, paging.max_results)
        page = entities[query.offset : query.offset + size]
        yield b'%s{"count":%d,"results":[' % (b"," if position else b"", len(entities))
        results = (_result(msgspec.json.decode(raw, type=Entity), query, paging) for raw in page)
        yield from _joined(map(msgspec.json.encode, results))
        yield b"]}"
    yield b"]"


class _Held(msgspec.Struct):
    """A snapshot whose entities are not decoded yet."""

    entities: list[msgspec.Raw]


class _Typed(msgspec.Struct):
    """The type of an entity."""

    type: str


def _check_inclusion(inclusion: Inclusion, types: Mapping[str, ValueType]) -> None:
    name = inclusion.expr.attribute_type
    if name not in types:
        raise ValueError(f"unknown or archived attribute: {name}")
    expected = "boolean" if isinstance(inclusion.expr, Assigned) else types[name]
    if inclusion.type != expected:
        raise ValueError(f"the inclusion of {name} is a {expected}, not a {inclusion.type}")


def _joined(results: Iterator[bytes]) -> Iterator[bytes]:
    separator = b""
    while chunk := list(islice(results, ENTITIES_A_CHUNK)):
        yield separator + b",".join(chunk)
        separator = b","


def _result(entity: Entity, query: Query, paging: Paging) -> dict[str, Any]:
    values = {assignment.attribute_type_id: assignment.value for assignment in entity.attribute_assignments}
    return {
        # The flag `active` of Elimity Insights is unrelated to the attribute Status in a snapshot.
        "entity": {"active": zlib.crc32(entity.id.encode()) % 4 > 0, "id": entity.id, "name": entity.name},
        "inclusions": list(_inclusions(values, query.include, paging)),
        "linkGroupByPages": [],
        "linkPages": [],
    }


def _inclusions(
    values: Mapping[str, Value], include: Iterable[Inclusion], paging: Paging
) -> Iterator[dict[str, str | None]]:
    for inclusion in include:
        value = values.get(inclusion.expr.attribute_type)
        if isinstance(inclusion.expr, Assigned):
            text: str | None = "false" if value is None else "true"
        elif value is None:
            text = paging.unassigned[inclusion.type]
        else:
            text = _text(value, paging.time_zone)
        yield {"type": inclusion.type, "value": text}


def _text(value: Value, time_zone: tzinfo) -> str:
    if isinstance(value, StringValue):
        return value.value
    if isinstance(value, BooleanValue):
        return "true" if value.value else "false"
    if isinstance(value, NumberValue):
        number = value.value
        is_integer = number.is_integer() and abs(number) < LARGEST_INTEGER
        return msgspec.json.encode(int(number) if is_integer else number).decode()
    if isinstance(value, DateValue):
        return date(*msgspec.structs.astuple(value.value)).isoformat()
    if isinstance(value, DateTimeValue):
        moment = datetime(*msgspec.structs.astuple(value.value))  # noqa: DTZ001 - the next line sets the zone
        return moment.replace(tzinfo=UTC).astimezone(time_zone).isoformat().replace("+00:00", "Z")
    return time(*msgspec.structs.astuple(value.value)).isoformat()
