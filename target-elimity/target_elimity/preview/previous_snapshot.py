"""Reads the snapshot of an earlier dry run, employee by employee, to compare an import with it."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.streaming import JsonStream, MalformedJsonError

from target_elimity.data_model import ATTRIBUTE_TYPES, ENTITY_TYPE

_GZIP = b"\x1f\x8b"
_FIELDS = {attribute.id: attribute.field for attribute in ATTRIBUTE_TYPES}


class _Value(msgspec.Struct):
    value: Any


class _Assignment(msgspec.Struct, rename="camel"):
    attribute_type_id: str
    value: _Value


class _Entity(msgspec.Struct, rename="camel"):
    id: str
    name: str
    type: str
    attribute_assignments: list[_Assignment]


def read_employees(path: Path) -> Iterator[dict[str, str]]:
    """Yield the employees of a `snapshot.json`, plain or gzipped, in the order of the file.

    Each has `id`, `name` and the fields of an `Employee` that have a value, as text (see `roster`).

    Raises:
        SettingsError: The file isn't a complete snapshot.
    """
    found = False
    try:
        with _open(path) as file:
            for entity in _entities(JsonStream(file.read)):
                if entity.type == ENTITY_TYPE:
                    found = True
                    yield _row(entity)
    except (EOFError, gzip.BadGzipFile, zlib.error, MalformedJsonError):
        raise _unreadable("is damaged or not a snapshot") from None
    except (KeyError, msgspec.ValidationError):
        raise _unreadable("holds something that is not an employee") from None
    if not found:
        raise _unreadable("holds no employees")


def _entities(snapshot: JsonStream) -> Iterator[_Entity]:
    for key in snapshot.members():
        if key != "entities":
            snapshot.value()
            continue
        for _ in snapshot.items():
            yield msgspec.convert(snapshot.value(), _Entity)
    snapshot.end()


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
    return cast("BinaryIO", gzip.open(path)) if compressed else path.open("rb")


def _unreadable(flaw: str) -> SettingsError:
    return SettingsError(
        f"The setting 'previous_snapshot' names a file that {flaw}: "
        "use the snapshot.json of an earlier dry run, or remove the setting."
    )


def _row(entity: _Entity) -> dict[str, str]:
    row = {"id": entity.id, "name": entity.name}
    for assignment in entity.attribute_assignments:
        field = _FIELDS.get(assignment.attribute_type_id)  # attributes of other versions are ignored
        if field is not None:
            row[field] = _text(msgspec.convert(assignment.value.value, str | dict[str, int]))
    return row


def _text(value: str | dict[str, int]) -> str:
    if isinstance(value, str):
        return value
    day = "{year:04}-{month:02}-{day:02}".format_map(value)
    return f"{day}T{{hour:02}}:{{minute:02}}:{{second:02}}".format_map(value) if "hour" in value else day
