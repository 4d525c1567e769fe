"""One import: collects the records, checks them and makes employees of them.

It knows neither Singer nor HTTP, because both the target and the gateway use it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lucca_elimity_kit.errors import ConnectorError
from typing_extensions import override

from target_elimity.collection import Collection
from target_elimity.data_model import ATTRIBUTE_TYPES, values_of
from target_elimity.employees import ACTIVE, Employee, Rules, new_employee
from target_elimity.fields import attributes_of, attributes_without
from target_elimity.records import RECORD_TYPES, USERS, WORK_CONTRACTS, UnusableStreamError, check_schema
from target_elimity.safeguard import SMALLEST_GUARDED_IMPORT, UNGUARDED, Memory, names_of


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
    refusal: str
    """Why the import is refused; empty if it isn't."""

    warnings: Sequence[str]
    moment: datetime
    """The time of the checks, in the time zone that decides who is active."""


class Import:
    """The records of one import, and the employees made of them."""

    def __init__(self) -> None:
        self.collection = Collection()
        self.summary = Summary()
        self._announced: dict[str, set[str]] = {}

    def close(self) -> None:
        """Delete what was collected."""
        self.collection.close()

    # Input

    def schema_received(self, stream: str, schema: Mapping[str, Any]) -> None:
        """Check the schema of a stream.

        Raises:
            UnusableStreamError: Its records can't be imported.
        """
        # A later schema takes nothing back: the records before it were read by the earlier one.
        announced = self._announced.setdefault(stream, set())
        announced.update(check_schema(stream, RECORD_TYPES[stream], schema))
        if stream == USERS:
            self.collection.user_fields.announce(announced)

    def record_received(self, stream: str, record: Mapping[str, object]) -> None:
        """Collect a record of a stream.

        Raises:
            UnusableStreamError: It can't be imported.
        """
        self.collection.add(stream, record)

    # Output

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

    def employees(self, rules: Rules) -> Iterator[tuple[Employee, bool]]:
        """Yield every employee, in the order of ids, and whether they have a work contract.

        Each call restarts the summary.

        Raises:
            UnusableStreamError: A date of a user or of their work contracts is invalid.
        """
        self.summary = summary = Summary()
        for user, contracts in self.collection.people():
            try:
                employee = new_employee(user, contracts, rules)
            except ValueError as error:
                raise UnusableStreamError(
                    f"The user {user.id}, or a work contract of theirs, cannot be imported: {error}."
                ) from None
            summary.add(employee, has_contract=bool(contracts))
            yield employee, bool(contracts)

    @property
    def hidden_fields(self) -> list[str]:
        """The fields of users that are in the schema but in no record, not even as null."""
        return self.collection.user_fields.missing

    @property
    def deselected(self) -> set[str]:
        """The ids of the attributes without a value, because none of their fields is in the schemas."""
        return attributes_without(self._announced)

    @property
    def memory(self) -> Memory:
        """The counts to store in STATE. The next import is compared with them."""
        summary = self.summary
        return Memory(summary.employees, summary.active, sorted(self.collection.user_fields.seen), summary.values)

    def _empty_attributes(self, hidden: list[str]) -> set[str]:
        """Return the attributes that nobody has, except those that another warning covers."""
        covered = self.deselected | attributes_of(hidden) | {UNGUARDED}
        if self.summary.without_contract == self.summary.employees:
            covered.add("contractType")
        return {attribute for attribute, count in self.summary.values.items() if not count} - covered

    def warnings(self, *, is_first: bool = False) -> Iterator[str]:
        """Yield warnings for an administrator. The first import can't be compared, so it gets one more."""
        summary = self.summary
        if hidden := self.hidden_fields:
            yield f"Lucca shows no {', '.join(hidden)}: may the role of the API key see them?"
        if is_first and (empty := self._empty_attributes(hidden)):
            yield f"Nobody has a value of {names_of(empty)}: may the role of the API key see it?"
        if ownerless := self.collection.ownerless_contracts():
            yield f"{ownerless} work contracts belong to nobody who was imported."
        if summary.without_contract == summary.employees:
            yield "Nobody has a work contract: may the role of the API key read them?"
        if summary.active == summary.employees >= SMALLEST_GUARDED_IMPORT:
            yield "Nobody is a former employee: may the role of the API key read them?"


_NEEDED_FOR = {
    USERS: "leavers would look active",
    WORK_CONTRACTS: "it is unknown whose contract it is, or which contract counts",
}
