"""Encodes employees as a snapshot of Elimity Insights, piece by piece, without holding it in memory.

The form of the JSON: https://docs.elimity.com (custom sources, domain graph).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import BinaryIO

import msgspec
from isal import isal_zlib

from target_elimity.attributes import ATTRIBUTES, ENTITY_TYPE, Employee, Type

# Bytes to collect before each call that compresses or writes them.
BUFFER_SIZE = 1 << 18


def write_json(employees: Iterable[Employee], file: BinaryIO) -> None:
    """Write the snapshot as plain JSON."""
    file.writelines(_chunks(employees))


def write_compressed(employees: Iterable[Employee], file: BinaryIO) -> None:
    """Write the snapshot as zlib-compressed JSON, which is the form to upload."""
    # ISA-L is much faster than zlib's default level, for a somewhat larger result.
    compressor = isal_zlib.compressobj()
    file.writelines(map(compressor.compress, _chunks(employees)))
    file.write(compressor.flush())


def _chunks(employees: Iterable[Employee]) -> Iterator[bytes]:
    buffer = bytearray(b'{"entities":[')
    separator = b""
    for employee in employees:
        buffer += separator
        buffer += _entity(employee)
        separator = b","
        if len(buffer) > BUFFER_SIZE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer + b'],"relationships":[]}')


def _entity(employee: Employee) -> bytes:
    """Return an entity as JSON. Joining encoded pieces is faster than building objects for an encoder."""
    assignments = [
        begin + encode(value)
        for (begin, encode), value in zip(_ATTRIBUTES, employee.values, strict=True)
        if value is not None
    ]
    return b'{"attributeAssignments":[%b],"id":%b,"name":%b,"type":"%b"}' % (
        b"}},".join(assignments) + b"}}" if assignments else b"",
        _text(employee.id),
        _text(employee.name),
        ENTITY_TYPE.encode(),
    )


@lru_cache(maxsize=1 << 14)
def _date(value: str) -> bytes:
    return b'{"year":%d,"month":%d,"day":%d}' % (int(value[:4]), int(value[5:7]), int(value[8:10]))


def _date_time(value: str) -> bytes:
    time = b'"hour":%d,"minute":%d,"second":%d}' % (int(value[11:13]), int(value[14:16]), int(value[17:19]))
    return _date(value[:10])[:-1] + b"," + time


_text = msgspec.json.Encoder().encode
_ENCODE: dict[Type, Callable[[str], bytes]] = {"date": _date, "dateTime": _date_time, "string": _text}
_ATTRIBUTES = [
    (
        f'{{"attributeTypeId":"{attribute.id}","value":{{"type":"{attribute.type}","value":'.encode(),
        _ENCODE[attribute.type],
    )
    for attribute in ATTRIBUTES
]
