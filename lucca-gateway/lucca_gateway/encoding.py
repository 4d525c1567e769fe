"""Encodes employees, log lines and errors as messages of either generation of the protocol."""

import struct
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from connectrpc.errors import ConnectError
from elimity.insights.common.v1alpha1.common_pb2 import Entity, Value
from elimity.insights.customgateway.v1alpha1 import customgateway_pb2 as v1alpha1
from elimity.insights.customgateway.v1alpha2 import customgateway_pb2 as v1alpha2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from target_elimity.data_model import ATTRIBUTE_TYPES, ENTITY_TYPE, Type, values_of
from target_elimity.employees import Employee

from lucca_gateway.imports import Item, Log

END_OF_STREAM = 0b10  # flag of an envelope: https://connectrpc.com/docs/protocol/#streaming-response

Response = TypeVar("Response", v1alpha1.PerformImportResponse, v1alpha2.PerformImportResponse)


def encode(item: Item, response: type[Response], log: Callable[[Log], Any]) -> Response:
    """Encode an item as a response; `log` encodes log lines for the same generation."""
    return response(log=log(item)) if isinstance(item, Log) else response(entity=_entity(item))


def log_v1alpha1(log: Log) -> v1alpha1.Log:
    """Encode a log line for the first generation."""
    return v1alpha1.Log(level=v1alpha1.Level(**{log.level: Empty()}), message=log.message)


def log_v1alpha2(log: Log) -> v1alpha2.Log:
    """Encode a log line for the second generation."""
    return v1alpha2.Log(level=v1alpha2.Level(**{log.level: Empty()}), message=log.message)


def end_with_error(error: ConnectError) -> bytes:
    """Encode an error as the last message of a stream."""
    end = msgspec.json.encode({"error": msgspec.Raw(error_as_json(error))})
    return struct.pack(">BI", END_OF_STREAM, len(end)) + end


def error_as_json(error: ConnectError) -> bytes:
    """Encode an error as the answer of a call that is no stream."""
    return msgspec.json.encode({"code": error.code.value, "message": error.message})


def _entity(employee: Employee) -> Entity:
    return Entity(
        attribute_assignments={
            name: encode_value(value)
            for (name, encode_value), value in zip(_ATTRIBUTES, values_of(employee), strict=True)
            if value is not None
        },
        id=employee.id,
        name=employee.name,
        type=ENTITY_TYPE,
    )


def _string(value: str) -> Value:
    return Value(string=value)


def _date(value: date) -> Value:
    """Encode a day as midnight UTC."""
    return Value(date=Timestamp(seconds=(value.toordinal() - _EPOCH) * 86_400))


def _date_time(value: datetime) -> Value:
    """Encode a timestamp in UTC."""
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return Value(date_time=Timestamp(seconds=(value.toordinal() - _EPOCH) * 86_400 + seconds))


_EPOCH = 719_163  # 1 January 1970, as an ordinal
_ENCODE: dict[Type, Callable[[Any], Value]] = {"date": _date, "dateTime": _date_time, "string": _string}
_ATTRIBUTES = [(attribute.id, _ENCODE[attribute.type]) for attribute in ATTRIBUTE_TYPES]
