"""Which fields of users arrive. Lucca silently omits the fields that the API key has no right to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_elimity.records import OBJECT_FIELDS, USER_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Records have few shapes. A stream that invents new ones all the time must not fill the memory.
MOST_SHAPES = 1_000


class FieldsSeen:
    """The fields that any record so far carried, be it as null; those of embedded objects as `department.code`."""

    def __init__(self) -> None:
        self._shapes: set[tuple[str, ...]] = set()
        self._fields: set[str] = set()

    def add(self, record: Mapping[str, object]) -> None:
        """Take note of the fields of a record."""
        self._add_shape("", record)
        for name in OBJECT_FIELDS:
            value = record.get(name)
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, dict):
                    self._add_shape(f"{name}.", item)

    def _add_shape(self, prefix: str, record: Mapping[str, object]) -> None:
        # Most records have the same fields in the same order.
        shape = (prefix, *record)
        if shape in self._shapes:
            return
        if len(self._shapes) < MOST_SHAPES:
            self._shapes.add(shape)
        self._fields.update(known for name in record if (known := f"{prefix}{name}") in USER_FIELDS)

    def missing(self, announced: Iterable[str]) -> list[str]:
        """Return the announced fields that no record carried.

        The fields of an embedded object count only if such an object arrived: where everybody has none, nothing is
        known about them.
        """
        return sorted(field for field in announced if field not in self._fields and self._could_be_seen(field))

    def _could_be_seen(self, field: str) -> bool:
        parent, dot, _ = field.rpartition(".")
        return not dot or any(seen.startswith(f"{parent}.") for seen in self._fields)
