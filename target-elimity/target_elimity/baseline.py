"""What an import is compared with: the people that the source holds, or the counts of the last import in STATE.

Both give the same figures. The people of the source are a table with the columns of `employees`. If the values weren't
read, an attribute that has one is an empty text.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from target_elimity.attributes import ACTIVE, ATTRIBUTES, IDS, INACTIVE
from target_elimity.database import Database
from target_elimity.employees import COLUMNS, TEXTS, Employees
from target_elimity.source import Source, malformed

BASELINE_TABLE = f"CREATE TABLE baseline ({TEXTS});"

# Who is in the source and who of them is in the import. Whoever has no status in the source counts as active there.
COMPARED = "baseline LEFT JOIN employees USING (id)"
IS_REMOVED = "employees.id IS NULL"
WAS_ACTIVE = f"baseline.status IS NOT '{INACTIVE}'"
IS_DEACTIVATED = f"({WAS_ACTIVE} AND employees.status = '{INACTIVE}')"
IS_RETURNED = f"(baseline.status = '{INACTIVE}' AND employees.status = '{ACTIVE}')"

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Counts(msgspec.Struct, omit_defaults=True):
    """The counts of an accepted import, as STATE stores them. No personal data."""

    employees: Count
    active: Count
    fields: list[str] = []
    """The fields of users that Lucca showed to the API key."""
    values: dict[str, Count] = {}
    """By attribute id: how many employees had a value."""


class Reduction(NamedTuple):
    """How much fewer there are than before."""

    before: int
    fewer: int
    percent: float
    reason: str
    """A phrase that says so to people."""


def reduction(before: int, fewer: int, reason: str) -> Reduction:
    """Return the reduction of a number, in percent of the number before."""
    return Reduction(before, fewer, 100 * fewer / max(before, 1), reason)


@dataclass(frozen=True, slots=True)
class Figures:
    """What an import takes away from its baseline."""

    removed: Reduction
    """Of the employees."""

    deactivated: Reduction
    """Of the active employees."""

    returned: Reduction
    """Of the former employees: these are active again."""

    emptied: Mapping[str, Reduction]
    """By attribute id: of those with a value. Only attributes that somebody had."""

    emptied_heading: str
    summary: str = ""
    """How many joined, left and were removed, for a log line. The counts of two imports can't tell."""


def read_baseline(database: Database, source: Source, pulse: Callable[[], object], *, values: bool) -> None:
    """Read what the source holds into the table `baseline`. Call `pulse` for each employee.

    Raises:
        SourceError: It can't be read, or an employee appears twice.
    """
    source.check()

    def rows() -> Iterator[tuple[str | None, ...]]:
        for employee in source.employees(values=values):
            pulse()
            yield employee.id, employee.name, *employee.values

    try:
        database.insert("baseline", len(COLUMNS), rows())
    except sqlite3.IntegrityError:
        raise malformed() from None


def figures_of_source(employees: Employees) -> Figures:
    """Compare the employees of an import with what the source holds, person by person."""
    counted = [
        "count(*)",
        *(f"coalesce(sum({condition}), 0)" for condition in (WAS_ACTIVE, IS_REMOVED, IS_DEACTIVATED, IS_RETURNED)),
        *(f"count(CASE WHEN employees.id NOT NULL AND employees.{id_} IS NULL THEN baseline.{id_} END)" for id_ in IDS),
        *(f"count(CASE WHEN employees.id NOT NULL THEN baseline.{id_} END)" for id_ in IDS),
    ]
    before, active, removed, deactivated, returned, *values = employees.database.only(
        f"SELECT {', '.join(counted)} FROM {COMPARED}"
    )
    joined = employees.total - (before - removed) + returned
    emptied, had = values[: len(IDS)], values[len(IDS) :]
    return Figures(
        reduction(
            before, removed, f"This import would remove {removed} of the {before} employees that the source holds"
        ),
        reduction(
            active,
            deactivated,
            f"This import would turn {deactivated} of the {active} employees who are active in the source inactive",
        ),
        reduction(
            before - active,
            returned,
            f"{returned} of {before - active} former employees are active again: did they lose their last day?",
        ),
        {
            attribute.id: reduction(count, lost, f"{attribute.name} ({lost} of {count})")
            for attribute, count, lost in zip(ATTRIBUTES, had, emptied, strict=True)
            if count
        },
        "Employees who stay would lose a value that the source holds: ",
        f"{joined} joined, {deactivated + removed} left, {removed} of them removed",
    )


def figures_of_counts(last: Counts, now: Counts) -> Figures:
    """Compare the counts of an import with those of the last one."""
    former, former_now = last.employees - last.active, now.employees - now.active
    emptied = {}
    for attribute in ATTRIBUTES:
        if before := last.values.get(attribute.id):
            after = now.values.get(attribute.id, 0)
            # Scaled to the size of the last import. So neither growth nor an allowed removal counts as a loss.
            expected = after * last.employees / max(now.employees, 1)
            percent = 100 * (before - max(after, expected)) / before
            reason = f"{attribute.name} ({before} then, {after} now)"
            emptied[attribute.id] = Reduction(before, before - after, percent, reason)
    return Figures(
        _fewer("employees", last.employees, now.employees),
        _fewer("active employees", last.active, now.active),
        reduction(
            former,
            former - former_now,
            f"There are {former - former_now} former employees fewer than in the last import ({former}): did they lose "
            "their last day, or are they no longer read?",
        ),
        emptied,
        "Fewer employees have a value than in the last import: ",
    )


def _fewer(what: str, before: int, now: int) -> Reduction:
    fewer = before - now
    return reduction(before, fewer, f"This import has {now} {what}, {fewer} fewer than the last one ({before})")
