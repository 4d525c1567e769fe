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


def objection(previous: Headcount, new: Headcount, max_removed: int, max_deactivated: int) -> str | None:
    """Return why an import is refused; None if it stays within the limits, in percent of the previous one."""
    if previous.employees < SMALLEST_GUARDED_IMPORT:
        return None
    limits = (
        ("employees", "max_removed_percent", previous.employees, new.employees, max_removed),
        ("active employees", "max_deactivated_percent", previous.active, new.active, max_deactivated),
    )
    exceeded = [limit for limit in limits if (limit[2] - limit[3]) * 100 > limit[4] * limit[2]]
    if not exceeded:
        return None
    losses = (
        f"{after} {what}, {before - after} fewer than the last one ({before}): more than {limit} %"
        for what, _, before, after, limit in exceeded
    )
    settings = " and ".join(f"'{setting}'" for _, setting, *_ in exceeded)
    return f"This import has {'; '.join(losses)}. If that is right, let it through by setting {settings} to 100 once."
