"""The import safeguard: it refuses an import that would remove too much."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from target_elimity.data_model import ATTRIBUTE_TYPES

# With fewer employees, a single leaver is a large percentage.
SMALLEST_GUARDED_IMPORT = 10
# An attribute doesn't count as emptied if fewer employees lose it.
FEWEST_EMPTIED = 10
# Only former employees have it, and their number varies. An import without this field is refused anyway.
UNGUARDED = "endDate"
EMPTIED = "max_emptied_percent"

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Memory(msgspec.Struct, omit_defaults=True):
    """The counts of the last accepted import, as STATE stores them. No personal data."""

    employees: Count
    active: Count
    fields: list[str] = []
    """The fields of users that Lucca showed to the API key."""
    values: dict[str, Count] = {}
    """By attribute id: how many employees had a value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest losses that an import may cause, in percent; 100 disables a limit."""

    max_removed_percent: int
    max_deactivated_percent: int
    max_emptied_percent: int


class Loss(NamedTuple):
    """What an import takes away: this many of those before it."""

    lost: float
    before: int
    reason: str


class Objection(NamedTuple):
    """Why an import is refused."""

    reason: str
    setting: str | None = None
    """The limit to set to 100 to let the import through, if there is one."""


def rights_lost(remembered: Collection[str], hidden: Iterable[str]) -> Iterator[Objection]:
    """Yield an objection if Lucca hides fields that the last import had."""
    if lost := [field for field in hidden if field in remembered]:
        yield Objection(
            f"Lucca no longer shows {', '.join(lost)} to the API key, but did so for the last import. Give the key's "
            "role the right to see them, or deselect them in the tap's catalog."
        )


def objections(previous: Memory, new: Memory, limits: Limits, deselected: Collection[str] = ()) -> Iterator[Objection]:
    """Compare the counts of two imports; yield an objection for each limit that the new one exceeds.

    Deselected attributes, given by their ids, may be emptied.
    """
    if previous.employees >= SMALLEST_GUARDED_IMPORT:
        for what, setting, before, after in (
            ("employees", "max_removed_percent", previous.employees, new.employees),
            ("active employees", "max_deactivated_percent", previous.active, new.active),
        ):
            reason = f"This import has {after} {what}, {before - after} fewer than the last one ({before})"
            yield from over_limit(limits, setting, [Loss(before - after, before, reason)])
    emptied = []
    for name, attribute, before in guarded(previous.values, deselected):
        after = new.values.get(attribute, 0)
        # Scaled to the size of the last import. So neither growth nor an allowed removal counts as a loss.
        expected = after * previous.employees / max(new.employees, 1)
        if before - after >= FEWEST_EMPTIED:
            reason = f"{name} ({before} then, {after} now)"
            emptied.append(Loss(before - max(after, expected), before, reason))
    yield from over_limit(limits, EMPTIED, emptied, "Fewer employees have a value than in the last import: ")


def guarded(values: Mapping[str, int], deselected: Collection[str]) -> Iterator[tuple[str, str, int]]:
    """Yield name and id of the attributes that must not be emptied, and how many employees had a value."""
    for attribute in ATTRIBUTE_TYPES:
        if attribute.id != UNGUARDED and attribute.id not in deselected and (before := values.get(attribute.id)):
            yield attribute.name, attribute.id, before


def exceeds(lost: float, before: int, limit: int) -> bool:
    """Whether a loss exceeds a limit, in percent of the number before."""
    return lost * 100 > limit * before


def over_limit(limits: Limits, setting: str, losses: Iterable[Loss], heading: str = "") -> Iterator[Objection]:
    """Yield one objection with the reasons of all losses that exceed the limit of a setting, if there are any."""
    limit = getattr(limits, setting)
    if found := [loss.reason for loss in losses if exceeds(loss.lost, loss.before, limit)]:
        yield Objection(f"{heading}{', '.join(found)}: more than {limit} % ({setting}).", setting)


def names_of(attributes: Collection[str]) -> str:
    """Return the names of attributes, as administrators know them."""
    return ", ".join(attribute.name for attribute in ATTRIBUTE_TYPES if attribute.id in attributes)
