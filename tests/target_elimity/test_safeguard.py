"""The import safeguard."""

from __future__ import annotations

import pytest
from target_elimity.safeguard import Headcount, objection


@pytest.mark.parametrize(
    ("previous", "new", "limit", "refused"),
    [
        ((100, 80), (100, 80), 20, []),
        ((100, 80), (80, 64), 20, []),
        ((100, 80), (79, 64), 20, ["max_removed_percent"]),
        ((100, 80), (100, 63), 20, ["max_deactivated_percent"]),
        ((100, 80), (10, 8), 20, ["max_removed_percent", "max_deactivated_percent"]),
        ((100, 80), (0, 0), 100, []),
        ((100, 80), (99, 80), 0, ["max_removed_percent"]),
        ((100, 80), (200, 180), 0, []),
        ((9, 9), (1, 1), 20, []),
        ((10, 10), (1, 10), 20, ["max_removed_percent"]),
        ((10, 0), (10, 0), 0, []),
    ],
)
def test_when_it_objects(previous: tuple[int, int], new: tuple[int, int], limit: int, refused: list[str]) -> None:
    """Over the percentage it objects, at it not; growth never; under 10 employees never; 100 switches it off."""
    reason = objection(Headcount(*previous), Headcount(*new), limit, limit)
    assert [name for name in ("max_removed_percent", "max_deactivated_percent") if name in (reason or "")] == refused
    assert (reason is None) == (not refused)


def test_what_it_says() -> None:
    """Both counts, the limits, and the settings that let the import through."""
    assert objection(Headcount(2345, 2000), Headcount(1200, 1900), 20, 20) == (
        "This import has 1200 employees, 1145 fewer than the last one (2345): more than 20 %. "
        "If that is right, let it through by setting 'max_removed_percent' to 100 once."
    )
    assert objection(Headcount(100, 80), Headcount(50, 40), 20, 10) == (
        "This import has 50 employees, 50 fewer than the last one (100): more than 20 %; "
        "40 active employees, 40 fewer than the last one (80): more than 10 %. "
        "If that is right, let it through by setting 'max_removed_percent' and 'max_deactivated_percent' to 100 once."
    )
