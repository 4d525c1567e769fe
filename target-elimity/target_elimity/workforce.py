"""The employees of an import, made one by one, and what there is to say of them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from target_elimity.employees import ACTIVE, Employee, Rules, new_employee
from target_elimity.safeguard import SMALLEST_GUARDED_IMPORT
from target_elimity.sinks import Collection, UnusableStreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_elimity.preview.roster import Roster


@dataclass(slots=True)
class Summary:
    """What there is to count of the employees of an import."""

    employees: int = 0
    active: int = 0
    without_contract: int = 0
    end_dates_shown: bool = False
    """Whether any user came with an end date, be it null: Lucca leaves out the fields that a key may not see."""

    def add(self, employee: Employee, user: dict[str, Any], contracts: list[dict[str, Any]]) -> None:
        """Count an employee."""
        self.employees += 1
        self.active += employee.status == ACTIVE
        self.without_contract += not contracts
        self.end_dates_shown |= "dtContractEnd" in user

    @override
    def __str__(self) -> str:
        """Return the counts for the people who read logs."""
        return (
            f"{self.employees} employees: {self.active} active, {self.employees - self.active} inactive, "
            f"{self.without_contract} without contract"
        )


class Workforce:
    """The people of a collection as employees, by the rules of one day."""

    def __init__(self, collection: Collection, rules: Rules, roster: Roster | None = None) -> None:
        """Make employees of a collection, and enter them into a roster too, if there is one."""
        self._collection = collection
        self._rules = rules
        self._roster = roster
        self.summary = Summary()

    def employees(self) -> Iterator[Employee]:
        """Yield every employee, in the order of their ids; the summary counts those of the last pass.

        Raises:
            UnusableStreamError: A date of a user, or of a work contract of theirs, is none.
        """
        self.summary = Summary()
        for user, contracts in self._collection.people():
            try:
                employee = new_employee(user, contracts, self._rules)
            except ValueError as error:
                raise UnusableStreamError(
                    f"The user {user['id']}, or a work contract of theirs, cannot be imported: {error}."
                ) from None
            self.summary.add(employee, user, contracts)
            if self._roster is not None:
                self._roster.add(employee, has_contract=bool(contracts))
            yield employee

    def objection(self) -> str | None:
        """Return why the employees, all of them made by now, must not be imported; None if they may."""
        if self.summary.end_dates_shown:
            return None
        return (
            "Lucca shows no 'dtContractEnd' to this API key, so leavers would look active: "
            "give its role the right to see it."
        )

    def warnings(self) -> Iterator[str]:
        """Yield what an administrator should look into, of the employees that were all made by now."""
        if ownerless := self._collection.ownerless_contracts():
            yield f"{ownerless} work contracts belong to nobody who was imported."
        if self.summary.without_contract == self.summary.employees:
            yield "nobody has a work contract: may the role of the API key read them?"
        if self.summary.active == self.summary.employees >= SMALLEST_GUARDED_IMPORT:
            yield "nobody is a former employee: may the role of the API key read them?"
