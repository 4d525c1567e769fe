"""Finds who joins, leaves and moves between what the source holds and this import, in the order of ids."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from target_elimity.data_model import ATTRIBUTE_TYPES
from target_elimity.employees import ACTIVE, INACTIVE
from target_elimity.preview.roster import ORDER_OF_IDS, Roster, Row

# Somebody moved if one of these changed. The manager's name counts only if no manager id is known.
MANAGER_NAME = "manager_name"
MOVING_FIELDS = (
    "job_title",
    "department",
    "department_code",
    "legal_entity",
    "manager_id",
    MANAGER_NAME,
    "primary_role",
    "secondary_roles",
    "contract_type",
)
_IDS = {attribute.field: attribute.id for attribute in ATTRIBUTE_TYPES}
_NAMES = {attribute.id: attribute.name for attribute in ATTRIBUTE_TYPES}


class Change(msgspec.Struct, frozen=True):
    """An attribute's values before and after; None means no value."""

    attribute: str
    before: str | None
    after: str | None

    @property
    def name(self) -> str:
        """The attribute's name, as administrators see it."""
        return _NAMES[self.attribute]


class Mover(msgspec.Struct, frozen=True):
    """Somebody who is in both and has a change that matters to access reviews."""

    id: str
    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many joined, left and moved."""

    joined: int
    left: int
    moved: int


class Changes:
    """The differences between the two tables of a roster. A person may both leave and move."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.counts = Counts(*(self._count(query) for query in (_JOINED, _LEFT, _MOVED)))
        """How many joined, left and moved."""

    def joined(self) -> Iterator[Row]:
        """Yield id, name, status and reason of who is new, or active again."""
        return self._roster.select(f"{_JOINED} ORDER BY {ORDER_OF_IDS}")

    def left(self) -> Iterator[Row]:
        """Yield id, last known name and reason of who is no longer active, or no longer in Lucca."""
        return self._roster.select(f"{_LEFT} ORDER BY {ORDER_OF_IDS}")

    def moved(self) -> Iterator[Mover]:
        """Yield who moved, with their changes."""
        for row in self._roster.select(f"{_MOVED} ORDER BY {ORDER_OF_IDS}"):
            yield Mover(row["id"], row["name"], tuple(_changes(row)))

    def _count(self, query: str) -> int:
        ((count,),) = self._roster.select(f"SELECT count(*) FROM ({query})")
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
    for field in MOVING_FIELDS:
        before, after = row[f"previous_{field}"], row[field]
        renamed = field == MANAGER_NAME and row["manager_id"] and row["manager_id"] == row["previous_manager_id"]
        if before != after and not renamed:
            yield Change(_IDS[field], before, after)


_encode = msgspec.json.Encoder(enc_hook=dict).encode  # for rows

_DECIDING_FIELDS = [field for field in MOVING_FIELDS if field != MANAGER_NAME]
_JOINED = f"""
    SELECT id, employees.name, employees.status,
        CASE WHEN previous.id IS NULL THEN 'new' ELSE 'returned' END AS reason
    FROM employees LEFT JOIN previous USING (id)
    WHERE previous.id IS NULL OR (previous.status = '{INACTIVE}' AND employees.status = '{ACTIVE}')
"""
_LEFT = f"""
    SELECT id, coalesce(employees.name, previous.name) AS name,
        CASE WHEN employees.id IS NULL THEN 'removed' ELSE 'inactive' END AS reason
    FROM previous LEFT JOIN employees USING (id)
    WHERE employees.id IS NULL OR (previous.status IS NOT '{INACTIVE}' AND employees.status = '{INACTIVE}')
"""
_MOVED = f"""
    SELECT id, employees.name, {", ".join(f"employees.{field}" for field in MOVING_FIELDS)},
        {", ".join(f"previous.{field} AS previous_{field}" for field in MOVING_FIELDS)}
    FROM employees JOIN previous USING (id)
    WHERE {" OR ".join(f"employees.{field} IS NOT previous.{field}" for field in _DECIDING_FIELDS)}
        OR (coalesce(employees.manager_id, previous.manager_id) IS NULL
            AND employees.{MANAGER_NAME} IS NOT previous.{MANAGER_NAME})
"""
