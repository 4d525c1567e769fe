"""The employees of an import, as a table of the temporary database, and their counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, TypeAlias

import msgspec
from typing_extensions import override

from target_elimity.attributes import ACTIVE, IDS, Employee, deselected
from target_elimity.collection import Collection
from target_elimity.database import Database

COLUMNS = ("id", "name", *IDS)
# All values are text.
TEXTS = f"id TEXT PRIMARY KEY, {', '.join(f'{column} TEXT' for column in COLUMNS[1:])}"
# In the order of the ids in Lucca.
EMPLOYEES_TABLE = f"CREATE TABLE employees ({TEXTS}, has_contract INTEGER);"

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Counts(msgspec.Struct, omit_defaults=True):
    """The counts of an import, as STATE stores them once it was accepted. No personal data."""

    employees: Count
    active: Count
    fields: list[str] = []
    """The fields of users that Lucca showed to the API key."""
    values: dict[str, Count] = {}
    """By attribute id: how many employees have a value."""


@dataclass(frozen=True, slots=True)
class Employees:
    """The employees of an import, and their counts."""

    database: Database
    collection: Collection
    """What they were made of."""

    counts: Counts
    starting_later: int
    """How many active employees start after today."""

    without_contract: int
    deselected: set[str]
    """The ids of the attributes that the tap's catalog leaves out."""

    def __iter__(self) -> Iterator[Employee]:
        """Yield each employee, in the order of their ids in Lucca."""
        for id_, name, *values, _ in self.database.select("SELECT * FROM employees ORDER BY rowid"):
            yield Employee(id_, name, values)

    @override
    def __str__(self) -> str:
        """Return the counts for a log line."""
        total, active = self.counts.employees, self.counts.active
        later = f" ({self.starting_later} start later)" if self.starting_later else ""
        return (
            f"{total} employees: {active} active{later}, {total - active} inactive, "
            f"{self.without_contract} without contract"
        )


def count_employees(database: Database, collection: Collection, today: date) -> Employees:
    """Count the employees in the table."""
    expressions = (
        "count(*)",
        f"coalesce(sum(status = '{ACTIVE}'), 0)",
        f"coalesce(sum(status = '{ACTIVE}' AND contractStartDate > '{today.isoformat()}'), 0)",
        "coalesce(sum(NOT has_contract), 0)",
        *(f"count({id_})" for id_ in IDS),
    )
    total, active, later, without_contract, *values = database.only(f"SELECT {', '.join(expressions)} FROM employees")
    counts = Counts(total, active, sorted(collection.shown_fields), dict(zip(IDS, values, strict=True)))
    return Employees(database, collection, counts, later, without_contract, deselected(collection.announced))
