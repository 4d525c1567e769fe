"""The import safeguard."""

from __future__ import annotations

import pytest
from target_elimity.safeguard import Limits, Memory, objections


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
    reasons = list(objections(Memory(*previous), Memory(*new), Limits(limit, limit)))
    assert len(reasons) == len(refused)
    for reason, setting in zip(reasons, refused, strict=True):
        assert setting in reason
        assert all(
            str(number) in reason for number in (limit, *sorted({previous[0], new[0]} if "removed" in setting else ()))
        )


def test_a_field_that_lucca_no_longer_shows_is_a_lost_right() -> None:
    """It is named if the last import had it, whatever the limits; a field that nobody remembers is no loss."""
    before, after = Memory(5, 5, ["department", "mail"]), Memory(5, 5, ["login", "mail"])
    (reason,) = objections(before, after, Limits(100, 100))
    assert "department" in reason
    assert "mail" not in reason
    assert list(objections(Memory(5, 5), after, Limits(0, 0))) == []
