"""How to walk a collection of Lucca to its end while people are hired and deleted.

Pure bookkeeping: no HTTP here. A paginator says which slice to ask for next and, given the page that came back,
which of its rows are new. It may ask for the same slice again, which the SDK's own paginators take for a loop.

Both walks rest on one thing only: rows that stay keep their order. What each proves is in its docstring.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row: TypeAlias = dict[str, object]

MOST_ROWS_OF_A_PAGE = 1000
# Each attempt is a whole walk, or a step back that brought nothing new: a collection that still
# moves after five of them is not going to hold still.
MAXIMUM_ATTEMPTS = 5
# Lucca gives up on a request after 5 seconds. If it needs them for a dozen rows, it is not the page that is too large.
MINIMUM_PAGE_SIZE = 10


class UnstableCollectionError(Exception):
    """The collection could not be read completely; the message says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one answer, and how many rows Lucca counted in the whole collection at that moment."""

    rows: Sequence[Row]
    total: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What to ask for: `limit` rows from the `offset`-th on, counted from 0."""

    offset: int
    limit: int

    @property
    def page_number(self) -> int:
        """The slice as a page number, counted from 1; the offset of a numbered page is a multiple of its limit."""
        return self.offset // self.limit + 1


class Paginator(ABC):
    """The walk through one collection, from its first row to its last."""

    def __init__(self, page_size: int) -> None:
        self.limit = page_size
        self.total = 0
        self.finished = False
        self._seen = _Ids()
        self._first_total: int | None = None
        self._attempts = 0

    @property
    @abstractmethod
    def next_slice(self) -> Slice:
        """What to ask for next."""

    @property
    def given_out(self) -> int:
        """How many rows were given out."""
        return len(self._seen)

    def take(self, page: Page) -> Sequence[Row]:
        """Return the rows of the page that were not given out before, and move on.

        Raises:
            UnstableCollectionError: The collection does not hold still, or Lucca's count contradicts its rows.
        """
        self._first_total = self._first_total if self._first_total is not None else page.total
        most = max(page.total, len(self._seen))
        if most > 2 * self._first_total + MOST_ROWS_OF_A_PAGE:
            raise UnstableCollectionError(f"it grew from {self._first_total} to {most} rows while it was read")
        fresh = {_id(row): row for row in page.rows if _id(row) not in self._seen}
        self._seen.add(fresh)
        self._advance(page)
        self.total = page.total
        return list(fresh.values())

    @abstractmethod
    def _advance(self, page: Page) -> None:
        """Move on, given the page for the current slice."""

    def shrink(self) -> bool:
        """Halve the page from here on; False if it is as small as it can be."""
        if self.limit // 2 < MINIMUM_PAGE_SIZE:
            return False
        self.limit //= 2
        return True

    def _try_again(self, reason: str) -> None:
        self._attempts += 1
        if self._attempts > MAXIMUM_ATTEMPTS:
            raise UnstableCollectionError(reason)


class OffsetPaginator(Paginator):
    """Walks `paging={offset},{limit}` forwards; each page starts with the last row of the page before.

    When a row before that one is deleted meanwhile, all others move up and the page starts with a row never seen:
    someone may have slipped through, so the walk steps back until it stands on known ground. A page that starts
    on a known row continues, without a gap, what was read. So no one who existed throughout is lost,
    wherever rows come and go. The overlap costs one request in a thousand.
    """

    def __init__(self, page_size: int) -> None:
        # One row of a page is the overlap, so a page of one row would never move on.
        super().__init__(max(page_size, 2))
        self._offset = 0
        self._known = 0  # rows given out before the page at hand

    @property
    @override
    def next_slice(self) -> Slice:
        return Slice(self._offset, self.limit)

    @override
    def take(self, page: Page) -> Sequence[Row]:
        starts_known = self._offset == 0 or (bool(page.rows) and _id(page.rows[0]) in self._seen)
        if not starts_known:
            self._try_again("rows keep moving while they are read")
            # Half a page: if rows moved by less, the next page has known rows as well as new ones. Else further back.
            self._offset = max(self._offset - (self.limit // 2 << self._attempts - 1), 0)
            return ()
        return super().take(page)

    @override
    def _advance(self, page: Page) -> None:
        end = self._offset + len(page.rows)
        if end < page.total:
            if end - 1 <= self._offset:
                self._try_again(f"Lucca counts {page.total} rows but gives {len(page.rows)} from row {self._offset} on")
            self._offset = max(end - 1, 0)
        elif len(self._seen) < page.total:
            self._try_again(f"Lucca counts {page.total} rows but gave only {len(self._seen)} different ones")
            self._offset = 0
        else:
            self.finished = True
        if len(self._seen) > self._known:
            self._known = len(self._seen)
            self._attempts = 0


class PageNumberPaginator(Paginator):
    """Walks `page={number}&limit={limit}` backwards, after a first page that tells how many there are.

    Numbered pages cannot overlap, so walking forwards could not notice that a deletion moved a row from a page
    not yet read into one already read. Walking backwards it cannot get away: deletions only move a row towards
    the front, which is read last, and new rows (their ids are larger than all others) are appended behind it.
    Should the count grow nevertheless, a row may have come in between: then the walk is repeated.
    One request more than there are pages.

    Lucca does not promise the order. Where it is not that of the ids, new rows may come in anywhere, and a walk counts
    only if the next one finds the very same rows.
    """

    def __init__(self, page_size: int) -> None:
        super().__init__(page_size)
        self._frontier: int | None = None  # rows from here on were read; None before the first page
        self._grown = False
        self._ordered = True
        self._walked: set[int] = set()  # in this walk, once rows were seen not to be in the order of ids
        self._walked_before: set[int] | None = None
        self._lowest: int | None = None  # the first id of the page read before, which is behind the page at hand

    @property
    @override
    def next_slice(self) -> Slice:
        if self._frontier is None:
            return Slice(0, self.limit)
        return Slice((ceil(self._frontier / self.limit) - 1) * self.limit, self.limit)

    @override
    def _advance(self, page: Page) -> None:
        offset, received = self.next_slice.offset, len(page.rows)
        self._look_at_order([_id(row) for row in page.rows])
        if self._frontier is None:
            frontier = page.total
        else:
            frontier = min(self._frontier, page.total)
            self._grown |= page.total > self.total
        if offset + received < frontier:  # further rows exist behind this page
            if received == 0:
                self._try_again(f"Lucca counts {page.total} rows but gives none from row {offset} on")
            else:
                # A server that caps its pages: go on in pages it fills, from the same row.
                self.limit = min(self.limit, received)
            self._frontier = frontier
        elif offset > 0:
            self._frontier = offset
        elif self._grown or len(self._seen) < page.total or not self._is_confirmed(page):
            self._try_again(f"rows keep coming while they are read ({len(self._seen)} of {page.total} were given)")
            self._frontier, self._grown = page.total, False
            self._walked_before, self._walked, self._lowest = self._walked, set(), None
        else:
            self.finished = True

    def _look_at_order(self, ids: list[int]) -> None:
        self._ordered &= ids == sorted(ids) and (self._lowest is None or not ids or ids[0] < self._lowest)
        if ids and self._frontier is not None:
            self._lowest = ids[0]
        if not self._ordered:
            self._walked.update(ids)

    def _is_confirmed(self, page: Page) -> bool:
        return self._ordered or len(page.rows) >= page.total or self._walked == self._walked_before


class _Ids:
    """A set of integers in 8 bytes each: a quarter of a million contracts must not show in the memory."""

    def __init__(self) -> None:
        self._sorted = array("q")

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, value: int) -> bool:
        index = bisect_left(self._sorted, value)
        return index < len(self._sorted) and self._sorted[index] == value

    def add(self, values: Iterable[int]) -> None:
        """Add values that are not in the set."""
        added = array("q", sorted(values))
        if not added:
            return
        start, end = bisect_left(self._sorted, added[0]), bisect_left(self._sorted, added[-1])
        # Pages in the order of ids, forwards or backwards, fit between two neighbours: nothing to merge.
        self._sorted[start:end] = array("q", sorted([*self._sorted[start:end], *added]))


def _id(row: Row) -> int:
    identifier = row.get("id")
    if not isinstance(identifier, int) or not 0 <= identifier < 2**63:
        raise UnstableCollectionError("Lucca gave a row without a usable id")
    return identifier
