"""Makes the employees of an import, as a table of the temporary database, and counts them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from target_elimity.attributes import ACTIVE, IDS, Employee, Rules, new_employee
from target_elimity.collection import Collection
from target_elimity.database import Database
from target_elimity.records import USERS, UnusableStreamError

COLUMNS = ("id", "name", *IDS)
# The columns of an employee. All values are text.
TEXTS = f"id TEXT PRIMARY KEY, {', '.join(f'{column} TEXT' for column in COLUMNS[1:])}"
# In the order of the ids in Lucca.
EMPLOYEES_TABLE = f"CREATE TABLE employees ({TEXTS}, has_contract INTEGER);"


@dataclass(frozen=True, slots=True)
class Employees:
    """The employees of an import, and their counts."""

    collection: Collection
    """What they were made of."""

    total: int
    active: int
    starting_later: int
    """How many active employees start after today."""

    without_contract: int
    values: Mapping[str, int]
    """By attribute id: how many employees have a value."""

    database: Database

    def __iter__(self) -> Iterator[Employee]:
        """Yield each employee, in the order of their ids in Lucca."""
        for id_, name, *values, _ in self.database.select("SELECT * FROM employees ORDER BY rowid"):
            yield Employee(id_, name, values)

    @override
    def __str__(self) -> str:
        """Return the counts for a log line."""
        later = f" ({self.starting_later} start later)" if self.starting_later else ""
        return (
            f"{self.total} employees: {self.active} active{later}, {self.total - self.active} inactive, "
            f"{self.without_contract} without contract"
        )


def make_employees(
    database: Database, collection: Collection, rules: Rules, pulse: Callable[[int, int], object]
) -> Employees:
    """Make employees of everything that was collected. Call `pulse` with how many of how many users are done.

    Raises:
        UnusableStreamError: A date of a user or of their work contracts is invalid.
    """
    database.insert("employees", len(COLUMNS) + 1, _rows(collection, rules, pulse))
    counts = (
        "count(*)",
        f"coalesce(sum(status = '{ACTIVE}'), 0)",
        f"coalesce(sum(status = '{ACTIVE}' AND contractStartDate > ?), 0)",
        "coalesce(sum(NOT has_contract), 0)",
        *(f"count({id_})" for id_ in IDS),
    )
    total, active, later, without_contract, *values = database.only(
        f"SELECT {', '.join(counts)} FROM employees", (rules.today.isoformat(),)
    )
    return Employees(collection, total, active, later, without_contract, dict(zip(IDS, values, strict=True)), database)


def _rows(
    collection: Collection, rules: Rules, pulse: Callable[[int, int], object]
) -> Iterator[Sequence[str | bool | None]]:
    total = collection.rows(USERS)
    for done, (user, contracts) in enumerate(collection.people()):
        pulse(done, total)
        try:
            employee = new_employee(user, contracts, rules)
        except ValueError as error:
            raise UnusableStreamError(
                f"The user {user.id}, or a work contract of theirs, cannot be imported: {error}."
            ) from None
        yield employee.id, employee.name, *employee.values, bool(contracts)
