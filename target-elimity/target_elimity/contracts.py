"""Decides which work contract of a person counts. A pure function."""

from collections.abc import Iterable
from datetime import date

from target_elimity.records import WorkContract
from target_elimity.values import read_day


def applicable_contract(contracts: Iterable[WorkContract], today: date) -> WorkContract | None:
    """Return the contract that Lucca marks, else the ongoing, the first upcoming or the last past one.

    Raises:
        ValueError: A date is invalid. The message names the field, not the value.
    """
    return min(contracts, key=lambda contract: _rank(contract, today), default=None)


def _rank(contract: WorkContract, today: date) -> tuple[bool, int, int, int]:
    """Return a sort key that puts the applicable contract first. Ties are broken by id."""
    marked = contract.isApplicable is True
    start = read_day(contract.startsOn, "startsOn") or date.min
    end = read_day(contract.endsOn, "endsOn") or date.max
    if start > today:
        phase, distance = 1, start.toordinal()
    elif end < today:
        phase, distance = 2, -end.toordinal()
    else:
        phase, distance = 0, -start.toordinal()
    return not marked, phase, distance, contract.id
