"""The import safeguard: an import that would take away too much is refused as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

# Below this many employees a single leaver is a large percentage.
SMALLEST_GUARDED_IMPORT = 10


class Memory(msgspec.Struct, omit_defaults=True):
    """What STATE remembers of the last accepted import. No personal data."""

    employees: int
    active: int
    fields: list[str] = []
    """The fields of users that Lucca showed to the API key."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest losses that an import may bring, in percent; 100 switches a limit off."""

    max_removed_percent: int
    max_deactivated_percent: int


def objections(previous: Memory, new: Memory, limits: Limits) -> Iterator[str]:
    """Yield why an import is refused; nothing if it stays within the limits."""
    if lost := [field for field in previous.fields if field not in new.fields]:
        yield (
            f"Lucca no longer shows {', '.join(lost)} to the API key, which the last import had. Give the key's role "
            "the right to see them, or deselect them in the tap's catalog."
        )
    if previous.employees < SMALLEST_GUARDED_IMPORT:
        return
    for what, setting, before, after in (
        ("employees", "max_removed_percent", previous.employees, new.employees),
        ("active employees", "max_deactivated_percent", previous.active, new.active),
    ):
        limit = getattr(limits, setting)
        if (before - after) * 100 > limit * before:
            yield (
                f"This import has {after} {what}, {before - after} fewer than the last one ({before}): more than "
                f"{limit} %. If that is right, let it through once by setting '{setting}' to 100 for one run."
            )
