"""The import safeguard: it refuses an import that would take away too much, and warns of what looks wrong."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from target_elimity.attributes import attributes_of, names_of, names_of_fields
from target_elimity.baseline import Figures, Reduction
from target_elimity.employees import Counts, Employees
from target_elimity.settings import ImportSettings
from target_elimity.source import WITHOUT_BASELINE

# With fewer employees, a single leaver is a large percentage.
FEWEST_COMPARED = 10
# An attribute doesn't count as emptied if fewer employees lose it.
FEWEST_EMPTIED = 10
# Only former employees have it, and their number varies. An import without this field is refused anyway.
NOT_COMPARED = "endDate"


class Objection(NamedTuple):
    """Why an import is refused."""

    reason: str
    setting: str | None = None
    """The limit to set to 100 to let the import through, if there is one."""


def objections(figures: Figures, limits: ImportSettings, ignored: Collection[str] = ()) -> Iterator[Objection]:
    """Yield an objection for each limit that the import exceeds. The ignored attributes may be emptied."""
    if figures.removed.before >= FEWEST_COMPARED:
        yield from _over(limits.max_removed_percent, "max_removed_percent", [figures.removed])
        yield from _over(limits.max_deactivated_percent, "max_deactivated_percent", [figures.deactivated])
    emptied = [
        reduction
        for id_, reduction in figures.emptied.items()
        if reduction.fewer >= FEWEST_EMPTIED and id_ != NOT_COMPARED and id_ not in ignored
    ]
    yield from _over(limits.max_emptied_percent, "max_emptied_percent", emptied, figures.emptied_heading)


def _over(limit: int, setting: str, reductions: Sequence[Reduction], heading: str = "") -> Iterator[Objection]:
    """Yield one objection with the reasons of all reductions that exceed the limit of a setting, if there are any."""
    if found := [reduction.reason for reduction in reductions if reduction.percent > limit]:
        yield Objection(f"{heading}{', '.join(found)}: more than {limit} % ({setting}).", setting)


def rights_lost(last: Counts, hidden: Collection[str]) -> Iterator[Objection]:
    """Yield an objection if Lucca hides fields that the last import had."""
    if lost := [field for field in hidden if field in last.fields]:
        yield Objection(
            f"Lucca no longer shows {names_of_fields(lost)} to the API key, but did so for the last import. Give the "
            "key's role the right to see it, or deselect it in the tap's catalog."
        )


def people_hidden(last: Counts, figures: Figures | None) -> Iterator[Objection]:
    """Yield an objection if the source seems to hold hardly anybody, although the last import brought many."""
    before = figures.removed.before if figures else 0
    if before < FEWEST_COMPARED <= last.employees:
        yield Objection(
            f"The source holds {before or 'no'} employees, but the last import brought {last.employees}: the owner of "
            f"the API token may not see them, or somebody emptied the source. {WITHOUT_BASELINE}"
        )


def warnings(
    employees: Employees, figures: Figures | None, limits: ImportSettings, *, former_employees: bool
) -> Iterator[str]:
    """Yield what people should look at.

    Args:
        employees: The employees of the import.
        figures: What the import takes away; None if it was compared with nothing.
        limits: The limit for active employees who turn inactive is also that for former employees who turn active.
        former_employees: Whether the tap asked Lucca for former employees.
    """
    collection = employees.collection
    if hidden := collection.hidden_fields:
        yield f"Lucca shows no {names_of_fields(hidden)}: may the role of the API key see it?"
    if not figures:
        yield from _nobody_has(employees)
    if former_employees and (ownerless := collection.ownerless_contracts()):
        yield f"{ownerless} work contracts belong to nobody who was imported."
    if employees.without_contract == employees.counts.employees:
        yield "Nobody has a work contract: may the role of the API key read them?"
    if former_employees and employees.counts.active == employees.counts.employees >= FEWEST_COMPARED:
        yield "Nobody is a former employee: may the role of the API key read them?"
    if figures:
        returned = figures.returned  # leavers would keep their access
        if returned.before >= FEWEST_COMPARED and returned.percent > limits.max_deactivated_percent:
            yield returned.reason
        if lost := names_of(employees.deselected & figures.emptied.keys()):
            yield f"Everybody loses {lost}: the tap's catalog or a stream map leaves this out."


def _nobody_has(employees: Employees) -> Iterator[str]:
    """Yield what nobody has, which an earlier import would show to be wrong. Other warnings cover what is left out."""
    covered = employees.deselected.union(*map(attributes_of, employees.collection.hidden_fields))
    if employees.without_contract == employees.counts.employees:
        covered.add("contractType")
    empty = {id_ for id_, count in employees.counts.values.items() if not count} - covered - {NOT_COMPARED}
    if empty:
        yield f"Nobody has a value of {names_of(empty)}: may the role of the API key see it?"
    if not employees.starting_later and "contractStartDate" not in covered:
        yield "Nobody starts after today: may the role of the API key read future employees?"
