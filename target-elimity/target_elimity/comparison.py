"""Compares an import with the employees that the source holds, person by person."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator

from typing_extensions import override

from target_elimity.data_model import ATTRIBUTE_TYPES, values_of
from target_elimity.database import TemporaryDatabase
from target_elimity.employees import ACTIVE, Employee
from target_elimity.safeguard import (
    EMPTIED,
    FEWEST_EMPTIED,
    SMALLEST_GUARDED_IMPORT,
    Limits,
    Loss,
    Objection,
    guarded,
    over_limit,
)
from target_elimity.source import Held, Source, malformed


class Comparison(TemporaryDatabase):
    """The employees that a source holds, on disk, compared with an import.

    First exhaust `read`, then `add` each employee of the import once, then read counts and objections.
    """

    def __init__(self, source: Source) -> None:
        super().__init__("CREATE TABLE held (id TEXT PRIMARY KEY, active INTEGER, assigned INTEGER) WITHOUT ROWID")
        self.source = source
        self.held = self.held_active = 0
        """How many employees the source holds, and how many of them are active there."""
        self.new = self.stay = self.deactivated = self.returned = 0
        """How many employees are new, how many stay, and how many of those become inactive or active again."""
        self._losses: Counter[tuple[int, int]] = Counter()
        """How many employees who stay had and lose these attributes, both as bit masks."""

    def read(self, *, values: bool = False) -> Iterator[Held]:
        """Read and store the employees that the source holds, and yield them.

        Raises:
            SourceError: They can't be read, or one appears twice.
        """
        self.source.check()
        for employee in self.source.employees(values=values):
            try:
                self.execute("INSERT INTO held VALUES (?, ?, ?)", (employee.id, employee.active, employee.assigned))
            except sqlite3.IntegrityError:
                raise malformed() from None
            self.held += 1
            self.held_active += employee.active
            yield employee

    def add(self, employee: Employee) -> None:
        """Compare an employee of the import."""
        is_active = employee.status == ACTIVE
        for was_active, had in self.select("SELECT active, assigned FROM held WHERE id = ?", (employee.id,)):
            self.stay += 1
            self.deactivated += was_active and not is_active
            self.returned += is_active and not was_active
            has = sum((value is not None) << position for position, value in enumerate(values_of(employee)))
            self._losses[had, had & ~has] += 1
            return
        self.new += 1

    @property
    def removed(self) -> int:
        """How many employees of the source are not in the import."""
        return self.held - self.stay

    @override
    def __str__(self) -> str:
        """Return the counts for a log line."""
        left = self.deactivated + self.removed
        return f"{self.new + self.returned} joined, {left} left, {self.removed} of them removed"

    def objections(self, limits: Limits, deselected: Collection[str] = ()) -> Iterator[Objection]:
        """Yield an objection for each limit that the import exceeds. Deselected attributes may be emptied."""
        if self.held >= SMALLEST_GUARDED_IMPORT:
            removed = f"This import would remove {self.removed} of the {self.held} employees that the source holds"
            deactivated = (
                f"This import would turn {self.deactivated} of the {self.held_active} employees who are active in the "
                "source inactive"
            )
            yield from over_limit(limits, "max_removed_percent", [Loss(self.removed, self.held, removed)])
            yield from over_limit(
                limits, "max_deactivated_percent", [Loss(self.deactivated, self.held_active, deactivated)]
            )
        losses = self._count(lost=True)
        emptied = [
            Loss(losses[attribute], had, f"{name} ({losses[attribute]} of {had})")
            for name, attribute, had in guarded(self.values, deselected)
            if losses[attribute] >= FEWEST_EMPTIED
        ]
        yield from over_limit(limits, EMPTIED, emptied, "Employees who stay would lose a value that the source holds: ")

    @property
    def values(self) -> dict[str, int]:
        """By attribute id: how many employees who stay had a value."""
        return self._count(lost=False)

    def _count(self, *, lost: bool) -> dict[str, int]:
        counts = {attribute.id: 0 for attribute in ATTRIBUTE_TYPES}
        for masks, employees in self._losses.items():
            for position, attribute in enumerate(counts):
                counts[attribute] += employees * (masks[lost] >> position & 1)
        return counts
