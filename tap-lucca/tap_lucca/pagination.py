"""Reads a collection page by page while rows are created and deleted.

This module makes no requests. A `Paginator` says which slice to ask for next and returns the rows of that page to emit.
It may ask for the same slice twice, which the SDK's own paginators refuse as a loop.

Each walk states what it proves and assumes. "Everyone" means the rows that exist from the first request to the last.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from typing_extensions import override

from tap_lucca.ids import IdSet

Row: TypeAlias = dict[str, object]

LARGEST_ID = 2**63 - 1
MAXIMUM_PAGE_SIZE = 1000
MAXIMUM_ATTEMPTS = 5  # for requests in a row that return nothing new, and for passes of a walk
MINIMUM_PAGE_SIZE = 10  # if Lucca times out (5 seconds) on this few rows, a smaller page doesn't help


class UnstableCollectionError(Exception):
    """The collection could not be read completely. The message says why."""


class Page(msgspec.Struct, frozen=True):
    """The rows of one answer, and the number of rows that Lucca counted in the whole collection."""

    rows: Sequence[Row] = msgspec.field(name="items")
    total: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(name="count")


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows to request: `limit` rows from row `offset` on, counted from 0."""

    offset: int
    limit: int

    @property
    def page_number(self) -> int:
        """The number of the page, counted from 1, if the offset is a multiple of the limit."""
        return self.offset // self.limit + 1


class Paginator:
    """Reads one collection with one walk, or with a second one if the first cannot prove its result."""

    def __init__(self, walk: "Walk") -> None:
        self.total = self.emitted = 0
        self.walk = walk
        """The current walk. It knows what to ask for next, and whether every row was emitted."""
        self._read_earlier = IdSet()  # the rows that the first walk read, once the second has started
        self._first_total: int | None = None

    def take(self, page: Page) -> Sequence[Row]:
        """Take the page for the current slice, move on and return the rows to emit.

        Raises:
            UnstableCollectionError: The collection keeps changing, or Lucca's count contradicts its rows.
        """
        self.total = page.total
        self._first_total = page.total if self._first_total is None else self._first_total
        rows = {_id(row): row for row in page.rows}
        most = max(page.total, self.emitted)
        if most > 2 * self._first_total + MAXIMUM_PAGE_SIZE:
            raise UnstableCollectionError(f"it grew from {self._first_total} to {most} rows during the read")
        new = self.walk.take([*map(_id, page.rows)], page.total)
        rows_to_emit = [row for key, row in rows.items() if key in new and key not in self._read_earlier]
        self.emitted += len(rows_to_emit)
        if self.walk.fallback:
            self._read_earlier, self.walk = self.walk.read, self.walk.fallback
        return rows_to_emit

    def shrink(self) -> bool:
        """Halve the page size from here on. Return False if the page is as small as it can be."""
        if self.walk.limit // 2 < MINIMUM_PAGE_SIZE:
            return False
        self.walk.limit //= 2
        return True


class Walk(ABC):
    """One way through a collection."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.read = IdSet()
        self.finished = False
        self.fallback: Walk | None = None  # the walk to start instead, if this one cannot prove its result

    @property
    @abstractmethod
    def next_slice(self) -> Slice:
        """What to ask for next."""

    @abstractmethod
    def take(self, ids: Sequence[int], total: int) -> set[int]:
        """Take the ids on the page for the current slice, move on and return the ids that are new to this walk."""


class OverlappingWalk(Walk):
    """Reads forwards. Each slice starts with the last row of the slice before.

    Proves that everyone was read, provided that rows that stay keep their order.

    A page with a row already read leaves no gap. A page without one may leave a gap, because deletions move rows to the
    front. Its rows are ignored, and the walk steps back until a page overlaps again.
    """

    minimum = 2  # each slice overlaps the one before by one row

    def __init__(self, limit: int) -> None:
        super().__init__(max(limit, self.minimum))
        self._start = self._furthest = self._attempts = 0
        self._counts = [0]  # how many rows were read before each pass

    @property
    @override
    def next_slice(self) -> Slice:
        return Slice(self._start, self.limit)

    @override
    def take(self, ids: Sequence[int], total: int) -> set[int]:
        asked = self.next_slice
        if asked.offset > 0 and not any(key in self.read for key in ids):
            self._count_attempt("rows keep moving during the read")
            step = self.limit << 2 * self._attempts >> 6  # a 16th of a page, a quarter, a whole page, 4, 16
            self._start = max(self._start - max(step, 1), 0)
            return set()
        new = self.read.add(ids)
        end = asked.offset + len(ids)
        if new:
            self._attempts = 0
        elif end < total and (end > self._furthest or end - 1 <= asked.offset):
            self._count_attempt(f"Lucca counts {total} rows, but after {len(self.read)} its pages bring nothing new")
        self._furthest = max(self._furthest, end)
        if end > total and ids:
            self._count_attempt(f"Lucca counts {total} rows but returned more")  # perhaps an older count
        elif end < total or len(ids) == asked.limit:  # more rows may follow a full page
            self._move_on(asked, end, total)
        elif len(self.read) >= total:
            self.finished = True
        elif self._counts[-1] == len(self.read) or len(self._counts) > MAXIMUM_ATTEMPTS:
            raise UnstableCollectionError(f"Lucca counts {total} rows but returned only {len(self.read)}")
        else:
            self._counts.append(len(self.read))
            self._start = 0
        return new

    def _move_on(self, _asked: Slice, end: int, _total: int) -> None:
        self._start = max(end - 1, 0)

    def _count_attempt(self, reason: str) -> None:
        self._attempts += 1
        if self._attempts > MAXIMUM_ATTEMPTS:
            raise UnstableCollectionError(reason)


class OverlappingPagesWalk(OverlappingWalk):
    """Reads numbered pages forwards. The page size varies, because each page must overlap the one before.

    Proves what `OverlappingWalk` proves, on the same assumption. It makes a few per cent more requests.
    """

    minimum = 16  # pages of at most n rows cannot overlap at row lcm(1, …, n), which is 720,720 for 16

    @property
    @override
    def next_slice(self) -> Slice:
        # Of the pages that contain the first row to read, choose the one that ends last.
        limit = max(range(1, self.limit + 1), key=lambda limit: limit - self._start % limit)
        return Slice(self._start - self._start % limit, limit)

    @override
    def _move_on(self, asked: Slice, end: int, total: int) -> None:
        if 0 < (received := end - asked.offset) < asked.limit:
            self.limit = received  # the server caps its pages and numbers them by that size: request that size
        else:
            super()._move_on(asked, end, total)
        if self.next_slice.offset + self.next_slice.limit <= self._start + 1:
            raise UnstableCollectionError(
                f"Lucca counts {total} rows, but pages of {self.limit} are too small to overlap: Lucca is busy, or it "
                "hides rows from this API key"
            )


class BackwardWalk(Walk):
    """Reads numbered pages from the last to the first. A first request returns the number of rows.

    Proves that everyone was read, provided that rows that stay keep their order and that a new row gets the largest id.

    A row is missed only if it moves behind the unread rows. Then a row from behind, or a new row, takes a place there.
    So each page must hold smaller ids than the page read before. If one doesn't, `OverlappingPagesWalk` takes over.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._frontier: int | None = None  # the rows from here on were read; None before the first answer
        self._lowest = -1  # the smallest id of the page read before
        self._end: int | None = None  # the page from here on was empty

    @property
    @override
    def next_slice(self) -> Slice:
        last = (self._frontier or 1) - 1
        return Slice(last - last % self.limit, self.limit)

    @override
    def take(self, ids: Sequence[int], total: int) -> set[int]:
        offset, is_first = self.next_slice.offset, self._frontier is None
        end = offset + len(ids)
        new = self.read.add(ids)
        frontier = total if self._frontier is None else self._frontier
        unread = ids[: frontier - offset]
        # After a full page, more rows may follow than Lucca counted, unless that was checked.
        is_last = (end == total and (len(ids) < self.limit or end == self._end)) or (not ids and end > total)
        proven = is_last or (bool(unread) and max(unread) < self._lowest)
        if end < min(frontier, total) and ids:
            self.limit = min(self.limit, len(ids))  # as above: the server caps its pages
        elif proven and (offset > 0 or len(self.read) >= total):
            frontier = offset
            if ids:
                self._lowest = min(unread)
            else:  # an empty page has no ids to compare with, so the page before it must prove that it's the last one
                self._end = offset
            self.finished = offset == 0
        elif not is_first or end != total:
            self.fallback = OverlappingPagesWalk(self.limit)
        if is_first and frontier and frontier % self.limit == 0:
            frontier += 1  # the last page is full: first check that the page after it is empty
        self._frontier = frontier
        return new


def _id(row: Row) -> int:
    identifier = row.get("id")
    if type(identifier) is not int or not 0 <= identifier <= LARGEST_ID:
        raise UnstableCollectionError("Lucca returned a row without a usable id")
    return identifier
