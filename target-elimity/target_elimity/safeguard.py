"""The import safeguard: an import that would take away too much is refused as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import msgspec

from target_elimity.data_model import ATTRIBUTE_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

# Below this many employees a single leaver is a large percentage.
SMALLEST_GUARDED_IMPORT = 10
# An attribute that fewer employees lose is not emptied.
FEWEST_EMPTIED = 10
# It follows former employees, who come and go, and an import without it is refused anyway.
UNGUARDED = "endDate"

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Memory(msgspec.Struct, omit_defaults=True):
    """What STATE remembers of the last accepted import. No personal data."""

    employees: Count
    active: Count
    fields: list[str] = []
    """The fields of users that Lucca showed to the API key."""
    values: dict[str, Count] = {}
    """By attribute id: how many employees had a value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest losses that an import may bring, in percent; 100 switches a limit off."""

    max_removed_percent: int
    max_deactivated_percent: int
    max_emptied_percent: int


class Objection(NamedTuple):
    """Why an import is refused."""

    reason: str
    setting: str | None = None
    """The limit that lets it through at 100, if one does."""


def rights_lost(remembered: Collection[str], hidden: Iterable[str]) -> Iterator[Objection]:
    """Yield an objection if Lucca hides fields that the last import had.

    Args:
        remembered: The fields that the last import had.
        hidden: The fields that were asked for, and that no record carries.
    """
    if lost := [field for field in hidden if field in remembered]:
        yield Objection(
            f"Lucca no longer shows {', '.join(lost)} to the API key, which the last import had. Give the key's role "
            "the right to see them, or deselect them in the tap's catalog."
        )


def objections(previous: Memory, new: Memory, limits: Limits, deselected: Collection[str] = ()) -> Iterator[Objection]:
    """Yield why an import is refused, by the counts of the last one; nothing if it stays within the limits.

    Args:
        previous: What is remembered of the last import.
        new: The same of this one.
        limits: The limits.
        deselected: The ids of attributes that nobody asked Lucca for; they may be emptied.
    """
    if previous.employees >= SMALLEST_GUARDED_IMPORT:
        for what, setting, before, after in (
            ("employees", "max_removed_percent", previous.employees, new.employees),
            ("active employees", "max_deactivated_percent", previous.active, new.active),
        ):
            limit = getattr(limits, setting)
            if exceeds(before - after, before, limit):
                yield Objection(
                    f"This import has {after} {what}, {before - after} fewer than the last one ({before}): more than "
                    f"{limit} % ({setting}).",
                    setting,
                )
    limit = limits.max_emptied_percent
    emptied = {}
    for attribute, before in guarded(previous.values, deselected):
        after = new.values.get(attribute, 0)
        # As many as would have it if the import were as large as the last one. Neither growth nor an allowed removal
        # empties an attribute.
        expected = after * previous.employees / max(new.employees, 1)
        if before - after >= FEWEST_EMPTIED and exceeds(before - max(after, expected), before, limit):
            emptied[attribute] = f"{before} then, {after} now"
    yield from emptied_objection("Fewer employees have a value than in the last import", emptied, limit)


def lost_on_purpose(values: Mapping[str, int], deselected: Collection[str]) -> str:
    """Return the names of the attributes that had values, and have none because nobody asked Lucca for them."""
    return names_of([attribute for attribute in deselected if values.get(attribute)])


def exceeds(lost: float, before: int, limit: int) -> bool:
    """Whether a loss is over a limit, in percent of what there was."""
    return lost * 100 > limit * before


def guarded(values: Mapping[str, int], deselected: Collection[str]) -> Iterator[tuple[str, int]]:
    """Yield the attributes that must not be emptied, with the number of employees who had a value."""
    for attribute in ATTRIBUTE_TYPES:
        if attribute.id != UNGUARDED and attribute.id not in deselected and (before := values.get(attribute.id)):
            yield attribute.id, before


def emptied_objection(what: str, emptied: Mapping[str, str], limit: int) -> Iterator[Objection]:
    """Yield an objection that names the emptied attributes, each with its numbers; nothing if there are none."""
    setting = "max_emptied_percent"
    if emptied:
        named = (f"{name} ({emptied[identifier]})" for identifier, name in _NAMES.items() if identifier in emptied)
        yield Objection(f"{what}: {', '.join(named)}: more than {limit} % ({setting}).", setting)


def names_of(attributes: Collection[str]) -> str:
    """Return the names of attributes, as administrators know them."""
    return ", ".join(name for identifier, name in _NAMES.items() if identifier in attributes)


def variables(refused: Iterable[Objection], prefix: str) -> str:
    """Return the variables that let an import through once; nothing if an objection remains in any case."""
    settings = [objection.setting for objection in refused]
    return " ".join(f"{prefix}{setting.upper()}=100" for setting in settings if setting) if all(settings) else ""


_NAMES = {attribute.id: attribute.name for attribute in ATTRIBUTE_TYPES}
