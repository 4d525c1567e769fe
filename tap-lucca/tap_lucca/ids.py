"""A compact set for the ids of the rows that were read."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable


class IdSet:
    """A set of integers that takes 8 bytes each."""

    def __init__(self) -> None:
        self._sorted = array("q")

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, value: int) -> bool:
        index = bisect_left(self._sorted, value)
        return index < len(self._sorted) and self._sorted[index] == value

    def add(self, values: Iterable[int]) -> set[int]:
        """Add values and return those that were not in the set."""
        new = {value for value in values if value not in self}
        if new:
            start, end = bisect_left(self._sorted, min(new)), bisect_left(self._sorted, max(new))
            # If pages arrive in the order of ids, this slice is empty and needs no merge.
            self._sorted[start:end] = array("q", sorted([*self._sorted[start:end], *new]))
        return new
