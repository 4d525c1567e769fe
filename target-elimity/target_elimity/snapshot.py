"""Employees as a snapshot of Elimity Insights, written as it is encoded: no snapshot is ever held in memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from target_elimity.data_model import ATTRIBUTE_TYPES, ENTITY_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date, datetime
    from typing import BinaryIO

    from target_elimity.data_model import Type
    from target_elimity.employees import Employee

# Bytes encoded before they are compressed or written: enough that the call costs nothing.
BUFFER_SIZE = 1 << 18


class Value(TypedDict):
    """A typed value on the wire."""

    type: Type
    value: str | dict[str, int]


class AttributeAssignment(TypedDict):
    """The value of one attribute on the wire."""

    attributeTypeId: str
    value: Value


class Entity(TypedDict):
    """An entity on the wire."""

    attributeAssignments: list[AttributeAssignment]
    id: str
    name: str
    type: str


def write_json(employees: Iterable[Employee], file: BinaryIO) -> None:
    """Write the snapshot as plain JSON."""
    file.writelines(_chunks(employees))


def write_compressed(employees: Iterable[Employee], file: BinaryIO) -> None:
    """Write the snapshot as the zlib-compressed JSON that is uploaded."""
    compressor = zlib.compressobj()
    file.writelines(map(compressor.compress, _chunks(employees)))
    file.write(compressor.flush())


def _chunks(employees: Iterable[Employee]) -> Iterator[bytes]:
    buffer = bytearray(b'{"entities":[')
    separator = b""
    for employee in employees:
        buffer += separator + msgspec.json.encode(_entity(employee))
        separator = b","
        if len(buffer) > BUFFER_SIZE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer + b'],"relationships":[]}')


def _entity(employee: Employee) -> Entity:
    return {
        "attributeAssignments": [
            {
                "attributeTypeId": attribute.id,
                "value": {"type": attribute.type, "value": _ENCODE[attribute.type](value)},
            }
            for attribute in ATTRIBUTE_TYPES
            if (value := attribute.value_of(employee)) is not None
        ],
        "id": employee.id,
        "name": employee.name,
        "type": ENTITY_TYPE,
    }


def _date(value: date) -> dict[str, int]:
    return {"year": value.year, "month": value.month, "day": value.day}


def _date_time(value: datetime) -> dict[str, int]:
    return {**_date(value), "hour": value.hour, "minute": value.minute, "second": value.second}


_ENCODE: dict[Type, Callable[[Any], str | dict[str, int]]] = {"date": _date, "dateTime": _date_time, "string": str}
