"""Finds gaps and contradictions in the data, person by person, for an HR administrator to check before an import."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from target_elimity.attributes import ACTIVE, INACTIVE
from target_elimity.database import Database, Row
from target_elimity.employees import COLUMNS


class Check(NamedTuple):
    """A check for something that may be wrong with an employee."""

    name: str
    why: str
    condition: str
    """An SQL condition. `e` is the employee, `m` their manager, if the manager is an employee."""


# Without case, as far as SQLite knows it: that of ASCII letters.
_DUPLICATE = "lower(e.{0}) IN (SELECT lower({0}) FROM employees GROUP BY 1 HAVING count(*) > 1)"
CHECKS = (
    Check("no manager", "An access review has nobody to ask.", "e.managerId IS NULL"),
    Check(
        "manager inactive",
        "Access reviews would go to a person who left.",
        f"m.status = '{INACTIVE}' AND m.id IS NOT e.id",
    ),
    Check("manager unknown", "The manager is not among the employees.", "e.managerId IS NOT NULL AND m.id IS NULL"),
    Check("no contract", "Lucca has no work contract, so there is no contract type.", "NOT e.has_contract"),
    Check("no mail", "Other applications often match accounts by mail address.", "e.email IS NULL"),
    Check("duplicate login", "Several employees have the same login.", _DUPLICATE.format("login")),
    Check("duplicate mail", "Several employees have the same mail address.", _DUPLICATE.format("email")),
    Check("end before start", "The last day is before the first day.", "e.endDate < e.contractStartDate"),
    Check("no department code", "Departments with the same name can't be distinguished.", "e.departmentCode IS NULL"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """How many employees a check affects, and some examples, active ones first."""

    check: Check
    employees: int
    active: int
    examples: tuple[Row, ...]


class Findings:
    """The results of the checks on the employees."""

    def __init__(self, database: Database) -> None:
        self._database = database
        hits = ", ".join(f"ifnull({check.condition}, 0) AS check_{n}" for n, check in enumerate(CHECKS))
        database.execute(
            f"CREATE TABLE checked AS SELECT e.*, {hits} FROM employees e LEFT JOIN employees m ON m.id = e.managerId "
            "ORDER BY e.rowid"
        )

    def summary(self, examples: int) -> Iterator[Finding]:
        """Yield the finding of each check, with up to `examples` employees."""
        for number, check in enumerate(CHECKS):
            column = f"check_{number}"
            total, active = self._database.only(
                f"SELECT count(*), coalesce(sum(status = ?), 0) FROM checked WHERE {column}",
                (ACTIVE,),
            )
            shown = self._database.select(
                f"SELECT id, name, status FROM checked WHERE {column} ORDER BY status, rowid LIMIT ?",
                (examples,),
            )
            yield Finding(check, total, active, tuple(shown))

    def employees(self) -> Iterator[tuple[Row, list[str]]]:
        """Yield every employee, in the order of ids, with the names of the checks that affect them."""
        for row in self._database.select("SELECT * FROM checked ORDER BY rowid"):
            yield row, [check.name for check, hit in zip(CHECKS, row[len(COLUMNS) + 1 :], strict=True) if hit]
