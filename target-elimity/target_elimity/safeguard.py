"""The import safeguard: an import that would remove or deactivate too many people at once is refused as a whole."""

from __future__ import annotations

from dataclasses import dataclass

# Below this many employees a single leaver is a large percentage.
SMALLEST_GUARDED_IMPORT = 10


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many employees an import has, and how many of them are active."""

    employees: int
    active: int


def objections(previous: Headcount, new: Headcount, max_removed: int, max_deactivated: int) -> list[str]:
    """Return a sentence for each limit, in percent of the previous import, that the new one exceeds."""
    if previous.employees < SMALLEST_GUARDED_IMPORT:
        return []
    limits = (
        ("employees", "max_removed_percent", previous.employees, new.employees, max_removed),
        ("active employees", "max_deactivated_percent", previous.active, new.active, max_deactivated),
    )
    return [
        f"It has {after} {what}, {before - after} fewer than the last one ({before}): that is more than {limit} %. "
        f"If this is right, let it through by setting '{setting}' to 100 for one run."
        for what, setting, before, after, limit in limits
        if (before - after) * 100 > limit * before
    ]
