"""Reads a collection page by page while rows are created and deleted. This module makes no requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import msgspec
from typing_extensions import override

from tap_lucca.ids import IdSet

Row: TypeAlias = dict[str, object]

LARGEST_ID = 2**63 - 1
MAXIMUM_PAGE_SIZE = 1000
MINIMUM_PAGE_SIZE = 10  # if Lucca times out (5 seconds) on this few rows, a smaller page doesn't help
STEPS_BACK = (1 / 16, 1 / 4, 1, 4, 16)  # in pages, if several pages in a row don't overlap
MAXIMUM_CONTRADICTIONS = 5  # answers in a row whose count contradicts their rows
MAXIMUM_PASSES = 6


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


class OverlappingWalk:
    """Reads a collection by offset and limit. Each page starts with the last rows of the page before.

    Rows may be created and deleted anywhere, between any two requests. A row *stays* if it exists from the first
    request to the last. The walk emits every row that stays, and no row twice, or it fails. The proof is one sentence
    that is true after each page: **all rows that stay and stand before a row that was read, were read.**

    - The rows of a page stand next to each other. So if one of them was read before, the rows that stay and stand
      before the page were read, and the sentence remains true when the page is read. The same goes for a page that
      begins with the first row of the collection.
    - A page that contains no such row may follow a gap, because deletions move rows to the front. It isn't read. The
      walk steps back until a page overlaps again.
    - The last page ends where Lucca's count ends, and is shorter than requested and than an earlier page: Lucca may cap
      its pages, and miscount. So all rows that stay were read.

    The order of the ids doesn't matter. The proof assumes that a page shows the collection at one moment, and that no
    two rows swap places. It says nothing about a row that changes its place, or is deleted and restored at another
    place: this row and those around it may be missed.

    The count is also a second check. If Lucca counts more rows than were read, rows may have been created behind the
    walk, so it starts again, and fails if this brings nothing new. If Lucca counts fewer rows, it fails.
    """

    smallest_limit: ClassVar[int] = 2  # a page of one row can't overlap and bring a new row

    def __init__(self, limit: int) -> None:
        self.limit = max(limit, self.smallest_limit)
        self.total = 0
        """The number of rows that Lucca counted last."""
        self.is_complete = False
        self._seen = IdSet()
        self._start = 0  # the row that the next page must contain
        self._furthest = 0  # the end of the furthest page
        self._largest = 0  # the most rows on a page that wasn't the last
        self._first_total: int | None = None
        self._gaps = 0  # pages in a row that didn't overlap
        self._contradictions = 0  # answers in a row whose count contradicted their rows
        self._passes = 0  # that reached the end of the collection and didn't complete the walk
        self._emitted_before = 0  # before this pass

    @property
    def emitted(self) -> int:
        """The number of rows that were emitted."""
        return len(self._seen)

    @property
    def next_slice(self) -> Slice:
        """What to request next."""
        return Slice(self._start, self.limit)

    def take(self, page: Page) -> Sequence[Row]:
        """Take the page for the next slice, move on and return the rows to emit.

        Raises:
            UnstableCollectionError: The collection keeps changing, or Lucca's count contradicts its rows.
        """
        asked = self.next_slice
        rows = {_id(row): row for row in page.rows}
        self._check_total(page.total)
        if asked.offset > 0 and not any(key in self._seen for key in rows):
            self._step_back()
            return []
        self._gaps = 0
        new = self._seen.add(rows)
        if new:
            self._contradictions = 0
        self._move_on(asked, len(page.rows), brought_rows=bool(new))
        return [row for key, row in rows.items() if key in new]

    def shrink(self) -> bool:
        """Halve the page size from here on. Return False if the page is as small as it can be."""
        if self.limit // 2 < MINIMUM_PAGE_SIZE:
            return False
        self.limit //= 2
        return True

    def _check_total(self, total: int) -> None:
        self.total = total
        self._first_total = total if self._first_total is None else self._first_total
        most = max(total, self.emitted)
        if most > 2 * self._first_total + MAXIMUM_PAGE_SIZE:
            raise UnstableCollectionError(f"it grew from {self._first_total} to {most} rows during the read")

    def _step_back(self) -> None:
        if self._gaps == len(STEPS_BACK):
            raise UnstableCollectionError("rows keep moving during the read")
        self._start = max(self._start - max(round(STEPS_BACK[self._gaps] * self.limit), 1), 0)
        self._gaps += 1

    def _move_on(self, asked: Slice, received: int, *, brought_rows: bool) -> None:
        """Choose the next slice, or complete the walk, after a page of so many rows."""
        end = asked.offset + received
        is_known = received > 1 and end <= self._furthest  # after a step back, or in a second pass
        self._furthest = max(self._furthest, end)
        if end < self.total:
            if not brought_rows and not is_known:
                self._count_contradiction(f"after {self.emitted} its pages bring nothing new")
            self._largest = max(self._largest, received)
            self._continue_after(asked, received)
        elif end > self.total and received:
            self._count_contradiction("it returned more")  # the count may be older: request the page again
        elif received and received in {asked.limit, self._largest}:
            self._continue_after(asked, received)  # rows that Lucca didn't count may follow a full page
        elif self.emitted >= self.total:
            self.is_complete = True
        else:
            self._start_again()

    def _continue_after(self, asked: Slice, received: int) -> None:
        overlap = max(received // 200, 1)  # so that a few deletions cost no request
        self._start = max(asked.offset + received - overlap, 0)

    def _start_again(self) -> None:
        self._passes += 1
        if self.emitted == self._emitted_before or self._passes == MAXIMUM_PASSES:
            raise UnstableCollectionError(f"Lucca counts {self.total} rows but returned only {self.emitted}")
        self._start, self._emitted_before = 0, self.emitted

    def _count_contradiction(self, problem: str) -> None:
        self._contradictions += 1
        if self._contradictions > MAXIMUM_CONTRADICTIONS:
            raise UnstableCollectionError(f"Lucca counts {self.total} rows, but {problem}")


class OverlappingPagesWalk(OverlappingWalk):
    """Reads a collection by numbered pages. Their size varies, because each must overlap the one before.

    Proves what `OverlappingWalk` proves, with a few per cent more requests.
    """

    smallest_limit = 16  # pages of at most n rows cannot overlap at row lcm(1, …, n), which is 720,720 for 16

    @property
    @override
    def next_slice(self) -> Slice:
        # Of the pages that contain the first row to read, choose the one that ends last.
        limit = max(range(1, self.limit + 1), key=lambda limit: limit - self._start % limit)
        return Slice(self._start - self._start % limit, limit)

    @override
    def _continue_after(self, asked: Slice, received: int) -> None:
        if 0 < received < asked.limit:
            self.limit = received  # the server caps its pages and numbers them by that size: request that size
        else:
            self._start = max(asked.offset + received - 1, 0)
        if self.next_slice.offset + self.next_slice.limit <= self._start + 1:
            raise UnstableCollectionError(
                f"Lucca counts {self.total} rows, but pages of {self.limit} are too small to overlap: Lucca is busy, "
                "or it hides rows from this API key"
            )


def _id(row: Row) -> int:
    identifier = row.get("id")
    if type(identifier) is not int or not 0 <= identifier <= LARGEST_ID:
        raise UnstableCollectionError("Lucca returned a row without a usable id")
    return identifier
