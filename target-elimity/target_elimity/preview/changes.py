"""Finds who joins, leaves and moves between what the source holds and this import, in the order of ids."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from target_elimity.attributes import ATTRIBUTES
from target_elimity.baseline import JOINED, LEFT
from target_elimity.database import Database, Row

_REVIEWED = [attribute for attribute in ATTRIBUTES if attribute.reviewed]
# The manager's name counts only if no manager id is known.
_MANAGER_ID, _MANAGER_NAME = "managerId", "managerName"


class Change(msgspec.Struct, frozen=True):
    """An attribute's values before and after; None means no value."""

    attribute: str
    before: str | None
    after: str | None


class Mover(msgspec.Struct, frozen=True):
    """Somebody who is in both and has a change that matters to access reviews."""

    id: str
    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """How many joined, left and moved."""

    joined: int
    left: int
    moved: int


class Changes:
    """The differences between the tables `baseline` and `employees`. A person may both leave and move."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.counts = ChangeCounts(*(self._count(query) for query in (JOINED, LEFT, _MOVED)))
        """How many joined, left and moved."""

    def joined(self) -> Iterator[Row]:
        """Yield id, name, status and reason of who is new, or active again."""
        return self._in_order(JOINED)

    def left(self) -> Iterator[Row]:
        """Yield id, last known name and reason of who is no longer active, or no longer in Lucca."""
        return self._in_order(LEFT)

    def moved(self) -> Iterator[Mover]:
        """Yield who moved, with their changes."""
        for row in self._in_order(_MOVED):
            yield Mover(row["id"], row["name"], tuple(_changes(row)))

    def _in_order(self, query: str) -> Iterator[Row]:
        return self._database.select(f"SELECT * FROM ({query}) ORDER BY length(id), id")  # ids are Lucca's numbers

    def _count(self, query: str) -> int:
        (count,) = self._database.only(f"SELECT count(*) FROM ({query})")
        return int(count)


def write_changes(changes: Changes, file: BinaryIO) -> None:
    """Write the changes as JSON, one person per line, which makes two files easy to diff."""
    file.write(b'{"counts":' + _encode(changes.counts))
    people: dict[bytes, Iterable[object]] = {
        b"joined": changes.joined(),
        b"left": changes.left(),
        b"moved": changes.moved(),
    }
    for name, group in people.items():
        file.write(b',\n"%b":[' % name)
        file.writelines((b",\n" if position else b"\n") + _encode(person) for position, person in enumerate(group))
        file.write(b"]")
    file.write(b"}\n")


def _changes(row: Row) -> Iterator[Change]:
    is_same_manager = row[_MANAGER_ID] and row[_MANAGER_ID] == row[f"before_{_MANAGER_ID}"]
    for attribute in _REVIEWED:
        before, after = row[f"before_{attribute.id}"], row[attribute.id]
        if before != after and not (attribute.id == _MANAGER_NAME and is_same_manager):
            yield Change(attribute.id, before, after)


_encode = msgspec.json.Encoder(enc_hook=dict).encode  # for rows

_MOVED = f"""
    SELECT id, employees.name, {", ".join(f"employees.{attribute.id}" for attribute in _REVIEWED)},
        {", ".join(f"baseline.{attribute.id} AS before_{attribute.id}" for attribute in _REVIEWED)}
    FROM employees JOIN baseline USING (id)
    WHERE {" OR ".join(f"employees.{row.id} IS NOT baseline.{row.id}" for row in _REVIEWED if row.id != _MANAGER_NAME)}
        OR (coalesce(employees.{_MANAGER_ID}, baseline.{_MANAGER_ID}) IS NULL
            AND employees.{_MANAGER_NAME} IS NOT baseline.{_MANAGER_NAME})
"""
