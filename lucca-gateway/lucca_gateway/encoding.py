"""Encodes employees and log lines as messages of either generation of the protocol."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from elimity.insights.common.v1alpha1.common_pb2 import Entity, Value
from elimity.insights.customgateway.v1alpha1 import customgateway_pb2 as v1alpha1
from elimity.insights.customgateway.v1alpha2 import customgateway_pb2 as v1alpha2
from google.protobuf.timestamp_pb2 import Timestamp
from target_elimity.attributes import ATTRIBUTES, ENTITY_TYPE, Employee, Type

from lucca_gateway.imports import Item

ImportResponse: TypeAlias = v1alpha1.PerformImportResponse | v1alpha2.PerformImportResponse


def encode_item(item: Item, response: type[ImportResponse]) -> ImportResponse:
    """Encode an item as a response of one generation."""
    if isinstance(item, str):
        return response(log={"level": {"info": {}}, "message": item})
    return response(entity=_entity(item))


def _entity(employee: Employee) -> Entity:
    return Entity(
        attribute_assignments={
            name: encode_value(value)
            for (name, encode_value), value in zip(_ATTRIBUTES, employee.values, strict=True)
            if value is not None
        },
        id=employee.id,
        name=employee.name,
        type=ENTITY_TYPE,
    )


def _timestamp(value: str) -> Timestamp:
    """Encode a moment in UTC, or a day as its first moment."""
    timestamp = Timestamp()
    timestamp.FromDatetime(datetime.fromisoformat(value))
    return timestamp


_ENCODE: dict[Type, Callable[[str], Value]] = {
    "date": lambda value: Value(date=_timestamp(value)),
    "dateTime": lambda value: Value(date_time=_timestamp(value)),
    "string": lambda value: Value(string=value),
}
_ATTRIBUTES = [(attribute.id, _ENCODE[attribute.type]) for attribute in ATTRIBUTES]
