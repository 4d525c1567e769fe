"""One import: what the target and the gateway share. It knows neither Singer nor how records arrive."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lucca_elimity_kit.errors import ConnectorError

from target_elimity.attributes import Rules, new_employee
from target_elimity.baseline import BASELINE_TABLE, Figures, figures_of_counts, figures_of_source, read_baseline
from target_elimity.collection import RECORDS_TABLES, Collection
from target_elimity.database import Database
from target_elimity.employees import COLUMNS, EMPLOYEES_TABLE, Counts, Employees, count_employees
from target_elimity.records import USERS
from target_elimity.safeguard import Objection, objections, people_hidden, rights_lost, warnings
from target_elimity.settings import ImportSettings
from target_elimity.source import Source


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the checks before an import found."""

    objections: Sequence[Objection]
    """Why the import is refused."""

    warnings: Sequence[str]

    nothing_compared: str
    """Why the import was compared with nothing; empty if it was compared."""

    changes: str
    """How many joined, left and were removed, for a log line; empty if the import wasn't compared with the source."""

    @property
    def reasons(self) -> str:
        """The reasons of all objections."""
        return " ".join(objection.reason for objection in self.objections)

    def variables(self, prefix: str) -> str:
        """Return the variables that let the import through once; empty if no setting overrides an objection."""
        settings = [objection.setting for objection in self.objections]
        return " ".join(f"{prefix}{setting.upper()}=100" for setting in settings if setting) if all(settings) else ""


class Import:
    """One import. Each step returns what the next one needs: `start`, `make_employees`, `assess`."""

    def __init__(self, settings: ImportSettings, source: Source | None) -> None:
        """Create the temporary database. With a source, the import is compared with what that holds.

        Raises:
            ConnectorError: This Python's SQLite is too old.
            DiskError: The temporary file can't be created.
        """
        self._database = Database(RECORDS_TABLES + EMPLOYEES_TABLE + BASELINE_TABLE)
        self._settings = settings
        self.source = source

    def close(self) -> None:
        """Delete everything that was collected and read back."""
        self._database.close()

    def start(self, pulse: Callable[[], object] = lambda: None, *, values: bool = False) -> Collection:
        """Read what the source holds, before Lucca is read. Return the collection to which Lucca's records are added.

        Args:
            pulse: Called for each employee of the source. An exception that it raises ends the import.
            values: Whether to read all values, to list who moves, or only what the checks need.

        Raises:
            SourceError: What the source holds can't be read back.
        """
        if self.source:
            read_baseline(self._database, self.source, pulse, values=values)
        return Collection(self._database)

    def make_employees(
        self, collection: Collection, now: datetime, pulse: Callable[[int, int], object] = lambda *_: None
    ) -> Employees:
        """Check the records, and make employees of them.

        Args:
            collection: What Lucca holds.
            now: The time, in the time zone of the settings. It decides who is active.
            pulse: Called for each employee, with how many of how many are done. An exception ends the import.

        Raises:
            ConnectorError: There are no users, records lack a field that an import needs, or a date is invalid.
        """
        rules = Rules(now.date(), self._settings.timezone, self._settings.contract_type_names)
        collection.check()
        total = collection.rows(USERS)

        def rows() -> Iterator[Sequence[str | bool | None]]:
            for done, (user, contracts) in enumerate(collection.people()):
                pulse(done, total)
                try:
                    employee = new_employee(user, contracts, rules)
                except ValueError as error:
                    raise ConnectorError(
                        f"The user {user.id}, or a work contract of theirs, cannot be imported: {error}."
                    ) from None
                yield employee.id, employee.name, *employee.values, bool(contracts)

        self._database.insert("employees", len(COLUMNS) + 1, rows())
        return count_employees(self._database, collection, rules.today)

    def assess(self, employees: Employees, last: Counts | None = None, *, former_employees: bool = True) -> Assessment:
        """Compare the employees with what the source holds or, without a source, with the counts of the last import.

        Args:
            employees: The employees.
            last: The counts of the last import, if they are known.
            former_employees: Whether the tap asked Lucca for former employees.
        """
        figures, nothing_compared = self._figures(employees, last)
        found: list[Objection] = []
        if last:
            found += rights_lost(last, employees.collection.hidden_fields)
        if last and self.source:
            found += people_hidden(last, figures)
        if figures:
            found += objections(figures, self._settings, employees.deselected)
        return Assessment(
            found,
            list(warnings(employees, figures, self._settings, former_employees=former_employees)),
            nothing_compared,
            figures.changes if figures else "",
        )

    def _figures(self, employees: Employees, last: Counts | None) -> tuple[Figures | None, str]:
        """Return what the import takes away, or why it is compared with nothing."""
        if self.source:
            figures = figures_of_source(self._database)
            if figures.removed.before:
                return figures, ""
            return None, "Nothing was compared: the source holds no employees yet."
        if last:
            return figures_of_counts(last, employees.counts), ""
        return None, (
            "Nothing was compared: there is no API token, and no earlier import is remembered (this is the first one, "
            "STATE was lost, or --full-refresh was used)."
        )
