"""What an import is compared with: the people that the source holds, or the counts of the last import in STATE.

Both give the same figures. The people of the source are a table with the columns of `employees`. If the values weren't
read, an attribute that has one is an empty text.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from target_elimity.attributes import ACTIVE, ATTRIBUTES, IDS, INACTIVE
from target_elimity.database import Database
from target_elimity.employees import COLUMNS, TEXTS, Counts
from target_elimity.source import Source, malformed

BASELINE_TABLE = f"CREATE TABLE baseline ({TEXTS});"

# Who is new, or active again: id, name, status and reason.
JOINED = f"""
    SELECT id, employees.name, employees.status, CASE WHEN baseline.id IS NULL THEN 'new' ELSE 'returned' END AS reason
    FROM employees LEFT JOIN baseline USING (id)
    WHERE baseline.id IS NULL OR (baseline.status = '{INACTIVE}' AND employees.status = '{ACTIVE}')
"""
# Who is no longer active, or no longer in Lucca: id, last known name and reason. Whoever has no status was active.
LEFT = f"""
    SELECT id, coalesce(employees.name, baseline.name) AS name,
        CASE WHEN employees.id IS NULL THEN 'removed' ELSE 'inactive' END AS reason
    FROM baseline LEFT JOIN employees USING (id)
    WHERE employees.id IS NULL OR (baseline.status IS NOT '{INACTIVE}' AND employees.status = '{INACTIVE}')
"""


class Reduction(NamedTuple):
    """How much fewer there are than before."""

    before: int
    fewer: int
    reason: str
    """A phrase that says so to people."""
    explained: float = 0
    """How many of them the size of the import explains."""

    @property
    def percent(self) -> float:
        """The reduction that isn't explained, in percent of the number before."""
        return 100 * (self.fewer - self.explained) / max(self.before, 1)


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
    changes: str = ""
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


def figures_of_source(database: Database) -> Figures:
    """Compare the employees of an import with what the source holds, person by person."""
    before, active = database.only(f"SELECT count(*), coalesce(sum(status IS NOT '{INACTIVE}'), 0) FROM baseline")
    changes = {
        reason: count
        for query in (JOINED, LEFT)
        for reason, count in database.select(f"SELECT reason, count(*) FROM ({query}) GROUP BY reason")
    }
    new, returned, removed, deactivated = (changes.get(key, 0) for key in ("new", "returned", "removed", "inactive"))
    had = ", ".join(f"count(baseline.{id_})" for id_ in IDS)
    lost = ", ".join(f"count(CASE WHEN employees.{id_} IS NULL THEN baseline.{id_} END)" for id_ in IDS)
    values = database.only(f"SELECT {had}, {lost} FROM baseline JOIN employees USING (id)")
    former = before - active
    return Figures(
        Reduction(
            before, removed, f"This import would remove {removed} of the {before} employees that the source holds"
        ),
        Reduction(
            active,
            deactivated,
            f"This import would turn {deactivated} of the {active} employees who are active in the source inactive",
        ),
        Reduction(
            former, returned, f"{returned} of {former} former employees are active again: did they lose their last day?"
        ),
        {
            attribute.id: Reduction(count, fewer, f"{attribute.name} ({fewer} of {count})")
            for attribute, count, fewer in zip(ATTRIBUTES, values[: len(IDS)], values[len(IDS) :], strict=True)
            if count
        },
        "Employees who stay would lose a value that the source holds: ",
        f"{new + returned} joined, {deactivated + removed} left, {removed} of them removed",
    )


def figures_of_counts(last: Counts, now: Counts) -> Figures:
    """Compare the counts of an import with those of the last one."""
    former = last.employees - last.active
    returned = former - (now.employees - now.active)
    emptied = {}
    for attribute in ATTRIBUTES:
        if before := last.values.get(attribute.id):
            after = now.values.get(attribute.id, 0)
            # Scaled to the size of the last import. So neither growth nor an allowed removal counts as a loss.
            expected = after * last.employees / max(now.employees, 1)
            reason = f"{attribute.name} ({before} then, {after} now)"
            emptied[attribute.id] = Reduction(before, before - after, reason, max(expected - after, 0))
    return Figures(
        _fewer("employees", last.employees, now.employees),
        _fewer("active employees", last.active, now.active),
        Reduction(
            former,
            returned,
            f"There are {returned} former employees fewer than in the last import ({former}): did they lose their last "
            "day, or are they no longer read?",
        ),
        emptied,
        "Fewer employees have a value than in the last import: ",
    )


def _fewer(what: str, before: int, now: int) -> Reduction:
    fewer = before - now
    return Reduction(before, fewer, f"This import has {now} {what}, {fewer} fewer than the last one ({before})")
