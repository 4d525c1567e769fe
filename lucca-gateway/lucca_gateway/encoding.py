"""Encodes employees and log lines as messages of either generation of the protocol."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from elimity.insights.common.v1alpha1.common_pb2 import Entity, Value
from elimity.insights.customgateway.v1alpha1 import customgateway_pb2 as v1alpha1
from elimity.insights.customgateway.v1alpha2 import customgateway_pb2 as v1alpha2
from google.protobuf.timestamp_pb2 import Timestamp
from target_elimity.attributes import ATTRIBUTES, ENTITY_TYPE, Employee, Type

from lucca_gateway.imports import Item, Log

ImportResponse: TypeAlias = v1alpha1.PerformImportResponse | v1alpha2.PerformImportResponse


def encode(item: Item, response: type[ImportResponse]) -> ImportResponse:
    """Encode an item as a response of one generation."""
    if isinstance(item, Log):
        return response(log={"level": {item.level: {}}, "message": item.message})
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


def _date(value: str) -> Value:
    """Encode a day as midnight UTC."""
    return Value(date=_timestamp(value))


def _date_time(value: str) -> Value:
    """Encode a timestamp in UTC."""
    return Value(date_time=_timestamp(value))


def _timestamp(value: str) -> Timestamp:
    moment = datetime.fromisoformat(value)
    seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
    return Timestamp(seconds=(moment.toordinal() - _EPOCH) * 86_400 + seconds)


_EPOCH = 719_163  # 1 January 1970, as an ordinal
_ENCODE: dict[Type, Callable[[str], Value]] = {
    "date": _date,
    "dateTime": _date_time,
    "string": lambda value: Value(string=value),
}
_ATTRIBUTES = [(attribute.id, _ENCODE[attribute.type]) for attribute in ATTRIBUTES]
