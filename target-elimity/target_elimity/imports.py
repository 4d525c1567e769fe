"""One import: collects the records, checks them, makes employees of them and judges what they would change.

It knows neither Singer nor HTTP, because both the target and the gateway use it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lucca_elimity_kit.errors import ConnectorError
from typing_extensions import override

from target_elimity.collection import Collection
from target_elimity.comparison import Comparison
from target_elimity.data_model import ATTRIBUTE_TYPES, values_of
from target_elimity.employees import ACTIVE, Employee, Rules, new_employee
from target_elimity.fields import attributes_of, attributes_without
from target_elimity.records import RECORD_TYPES, USERS, WORK_CONTRACTS, UnusableStreamError, check_schema
from target_elimity.safeguard import (
    SMALLEST_GUARDED_IMPORT,
    UNGUARDED,
    Limits,
    Memory,
    Objection,
    exceeds,
    names_of,
    objections,
    rights_lost,
)
from target_elimity.source import WITHOUT_COMPARISON, Source


class ImportRefusedError(ConnectorError):
    """The import must not replace what the source holds. The message says why."""


@dataclass(slots=True)
class Summary:
    """The counts of an import."""

    employees: int = 0
    active: int = 0
    without_contract: int = 0
    _patterns: Counter[tuple[bool, ...]] = field(default_factory=Counter)

    def add(self, employee: Employee, *, has_contract: bool) -> None:
        """Count an employee."""
        self.employees += 1
        self.active += employee.status == ACTIVE
        self.without_contract += not has_contract
        self._patterns[tuple([value is not None for value in values_of(employee)])] += 1  # faster than a generator

    @property
    def values(self) -> dict[str, int]:
        """By attribute id: how many employees have a value."""
        counts = dict.fromkeys((attribute.id for attribute in ATTRIBUTE_TYPES), 0)
        for pattern, employees in self._patterns.items():
            for attribute, has_value in zip(counts, pattern, strict=True):
                counts[attribute] += employees * has_value
        return counts

    @override
    def __str__(self) -> str:
        """Return the counts for a log line."""
        return (
            f"{self.employees} employees: {self.active} active, {self.employees - self.active} inactive, "
            f"{self.without_contract} without contract"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the checks before an import."""

    summary: Summary
    objections: Sequence[Objection]
    """Why the import is refused."""

    warnings: Sequence[str]
    nothing_compared: str
    """Why the import was compared with nothing; empty if it was compared."""

    @property
    def reasons(self) -> str:
        """The reasons of all objections."""
        return " ".join(objection.reason for objection in self.objections)

    def variables(self, prefix: str) -> str:
        """Return the variables that let the import through once; empty if no setting overrides an objection."""
        settings = [objection.setting for objection in self.objections]
        return " ".join(f"{prefix}{setting.upper()}=100" for setting in settings if setting) if all(settings) else ""


class Import:
    """One import.

    Before Lucca is read, exhaust `comparison.read`. Then pass the schemas, add the records to `collection`, call
    `check_records`, exhaust `employees` and call `judge`.
    """

    def __init__(self, limits: Limits, source: Source | None) -> None:
        self.collection = Collection()
        self.summary = Summary()
        self.comparison = Comparison(source) if source else None
        """The comparison with what the source holds, if there is an API token."""
        self._limits = limits
        self._announced: dict[str, set[str]] = {}

    def close(self) -> None:
        """Delete what was collected and read back."""
        self.collection.close()
        if self.comparison:
            self.comparison.close()

    def schema_received(self, stream: str, schema: Mapping[str, Any]) -> None:
        """Check the schema of a stream.

        Raises:
            UnusableStreamError: Its records can't be imported.
        """
        # A later schema takes nothing back: the records before it were read by the earlier one.
        announced = self._announced.setdefault(stream, set())
        announced.update(check_schema(stream, schema))
        if stream == USERS:
            self.collection.user_fields.announce(announced)

    def check_records(self) -> None:
        """Check that every record has the fields from which status and contract are derived.

        Raises:
            ImportRefusedError: There are no users, or records lack a field.
        """
        if absent := [stream for stream in RECORD_TYPES if stream not in self._announced]:
            raise ImportRefusedError(
                f"The stream '{absent[0]}' never came: select it in the tap's catalog, or remove the stream map or "
                "mapper that drops it."
            )
        if not self.collection.rows(USERS):
            raise ImportRefusedError("Lucca shows no user to this API key: check the rights of its role.")
        problems = [
            f"{count} of {self.collection.rows(stream)} records of the stream '{stream}' lack '{name}'. "
            f"Without it {_NEEDED_FOR[stream]}. Give the role of the API key the right to see it."
            for (stream, name), count in self.collection.lacking.items()
        ]
        if problems:
            raise ImportRefusedError(" ".join(problems))

    def employees(self, rules: Rules, *, compare: bool = True) -> Iterator[tuple[Employee, bool]]:
        """Yield every employee, in the order of ids, and whether they have a work contract.

        Each call restarts the summary. Only one call may compare the employees with the source.

        Raises:
            UnusableStreamError: A date of a user or of their work contracts is invalid.
        """
        self.summary = summary = Summary()
        comparison = self.comparison if compare else None
        for user, contracts in self.collection.people():
            try:
                employee = new_employee(user, contracts, rules)
            except ValueError as error:
                raise UnusableStreamError(
                    f"The user {user.id}, or a work contract of theirs, cannot be imported: {error}."
                ) from None
            summary.add(employee, has_contract=bool(contracts))
            if comparison:
                comparison.add(employee)
            yield employee, bool(contracts)

    @property
    def memory(self) -> Memory:
        """The counts to store in STATE. The next import is compared with them."""
        summary = self.summary
        return Memory(summary.employees, summary.active, sorted(self.collection.user_fields.seen), summary.values)

    def judge(self, previous: Memory | None) -> Verdict:
        """Compare the import with the source or, without an API token, with the last import if STATE remembers it."""
        nothing_compared = self._nothing_compared(previous)
        deselected = attributes_without(self._announced)
        return Verdict(
            self.summary,
            list(self._objections(previous, deselected)),
            list(self._warnings(previous, deselected, is_first=bool(nothing_compared))),
            nothing_compared,
        )

    def _nothing_compared(self, previous: Memory | None) -> str:
        if self.comparison:
            return "" if self.comparison.held else "Nothing was compared: the source holds no employees yet."
        if previous:
            return ""
        return (
            "Nothing was compared: there is no API token, and no earlier import is remembered (this is the first one, "
            "STATE was lost, or --full-refresh was used)."
        )

    def _objections(self, previous: Memory | None, deselected: set[str]) -> Iterator[Objection]:
        if previous:
            yield from rights_lost(previous.fields, self.collection.user_fields.missing)
        if self.comparison:
            yield from self.comparison.objections(self._limits, deselected)
            if previous and self.comparison.held < SMALLEST_GUARDED_IMPORT <= previous.employees:
                yield Objection(
                    f"The source holds {self.comparison.held or 'no'} employees, but the last import brought "
                    f"{previous.employees}: the owner of the API token may not see them, or somebody emptied the "
                    f"source. {WITHOUT_COMPARISON}"
                )
        elif previous:
            yield from objections(previous, self.memory, self._limits, deselected)

    def _warnings(self, previous: Memory | None, deselected: set[str], *, is_first: bool) -> Iterator[str]:
        summary = self.summary
        hidden = self.collection.user_fields.missing
        if hidden:
            yield f"Lucca shows no {', '.join(hidden)}: may the role of the API key see them?"
        empty = {attribute for attribute, count in summary.values.items() if not count}
        # Other warnings cover these.
        empty -= deselected | attributes_of(hidden) | {UNGUARDED}
        if summary.without_contract == summary.employees:
            empty.discard("contractType")
        if is_first and empty:
            yield f"Nobody has a value of {names_of(empty)}: may the role of the API key see it?"
        if ownerless := self.collection.ownerless_contracts():
            yield f"{ownerless} work contracts belong to nobody who was imported."
        if summary.without_contract == summary.employees:
            yield "Nobody has a work contract: may the role of the API key read them?"
        if summary.active == summary.employees >= SMALLEST_GUARDED_IMPORT:
            yield "Nobody is a former employee: may the role of the API key read them?"
        yield from self._reactivated(previous)
        before = self.comparison.values if self.comparison else previous.values if previous else {}
        if lost := names_of([attribute for attribute in deselected if before.get(attribute)]):
            yield f"Everybody loses {lost}: the tap's catalog no longer selects it."

    def _reactivated(self, previous: Memory | None) -> Iterator[str]:
        """Yield a warning if many former employees are active again: leavers would keep their access."""
        if self.comparison:
            former, returned = self.comparison.held - self.comparison.held_active, self.comparison.returned
            warning = f"{returned} of {former} former employees are active again: did they lose their last day?"
        elif previous:
            former = previous.employees - previous.active
            returned = former - (self.summary.employees - self.summary.active)
            warning = (
                f"There are {returned} former employees fewer than in the last import ({former}): did they lose their "
                "last day, or are they no longer read?"
            )
        else:
            return
        if former >= SMALLEST_GUARDED_IMPORT and exceeds(returned, former, self._limits.max_deactivated_percent):
            yield warning


_NEEDED_FOR = {
    USERS: "leavers would look active",
    WORK_CONTRACTS: "it is unknown whose contract it is, or which contract counts",
}
