"""Finds who joins, leaves and moves between what the source holds and this import, in the order of ids."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from target_elimity.attributes import ATTRIBUTES
from target_elimity.baseline import JOINED, LEFT
from target_elimity.database import Database, Row

_REVIEWED = [attribute.id for attribute in ATTRIBUTES if attribute.reviewed]


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


class Changes:
    """The differences between the tables `baseline` and `employees`. A person may both leave and move."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.counts = {
            name: int(database.only(f"SELECT count(*) FROM ({query})")[0])
            for name, query in (("joined", JOINED), ("left", LEFT), ("moved", _MOVED))
        }
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
    for attribute in _REVIEWED:
        before, after = row[f"before_{attribute}"], row[attribute]
        if before != after:
            yield Change(attribute, before, after)


def _before(attribute: str) -> str:
    """Return the SQL expression for the value before. A manager whose name changed is no change."""
    before = f"baseline.{attribute}"
    if attribute != "managerName":
        return before
    return f"CASE WHEN employees.managerId = baseline.managerId THEN employees.{attribute} ELSE {before} END"


_encode = msgspec.json.Encoder(enc_hook=dict).encode  # for rows

_MOVED = f"""
    SELECT * FROM (
        SELECT id, employees.name, {", ".join(f"employees.{row}, {_before(row)} AS before_{row}" for row in _REVIEWED)}
        FROM employees JOIN baseline USING (id)
    ) WHERE {" OR ".join(f"{row} IS NOT before_{row}" for row in _REVIEWED)}
"""
