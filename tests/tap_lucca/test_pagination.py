"""The walks through a collection, against servers that cap pages, shuffle rows, and change between two requests."""

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_lucca.pagination import (
    OverlappingPagesWalk,
    OverlappingWalk,
    Page,
    Slice,
    UnstableCollectionError,
)

Walk: TypeAlias = type[OverlappingWalk]

BOTH = pytest.mark.parametrize("kind", [OverlappingWalk, OverlappingPagesWalk])

ORDERS = ["oldest first", "newest first", "shuffled"]

# What happens between two requests: how many rows leave, how many come, where, and whether the new ones leave again.
Changes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 10**6), st.booleans()), max_size=40)


@dataclass
class Server:
    """A collection as a server pages it. Page numbers count pages of the size that the server really uses."""

    ids: list[int]
    cap: int = 1000
    change: Callable[["Server"], None] = lambda _: None
    overstated: int = 0
    paged: bool = True
    requests: list[Slice] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    new: Iterable[int] = field(default_factory=lambda: count(10**6))

    def answer(self, wanted: Slice, *, numbered: bool) -> Page:
        """Answer a request; the collection changes right after."""
        limit = min(wanted.limit, self.cap)
        assert not numbered or wanted.offset % wanted.limit == 0
        offset = (wanted.page_number - 1) * limit if numbered else wanted.offset
        ids = self.ids[offset : offset + limit] if self.paged else self.ids
        page = Page([{"id": key} for key in ids], len(self.ids) + self.overstated)
        self.requests.append(wanted)
        assert len(self.requests) < 2000
        self.change(self)
        return page

    def delete(self, position: int) -> None:
        """Delete the row at a position; positions past the end wrap around."""
        if self.ids:
            self.left.add(self.ids.pop(position % len(self.ids)))

    def insert(self, position: int) -> None:
        """Insert a row whose id is larger than all others."""
        self.ids.insert(position % (len(self.ids) + 1), next(iter(self.new)))


def ordered(rows: int, order: str, random: Random) -> list[int]:
    """Return so many ids in an order."""
    ids = list(range(rows))
    return {"oldest first": ids, "newest first": ids[::-1], "shuffled": random.sample(ids, rows)}[order]


def read(walk: OverlappingWalk, server: Server) -> list[int]:
    """Return the ids emitted, in their order."""
    emitted: list[int] = []
    while not walk.is_complete:
        page = server.answer(walk.next_slice, numbered=isinstance(walk, OverlappingPagesWalk))
        emitted += [int(str(row["id"])) for row in walk.take(page)]
    return emitted


def assert_nobody_lost(walk: OverlappingWalk, server: Server) -> bool:
    """Assert that all rows present throughout are emitted, and none twice; return False if the walk fails instead."""
    original = set(server.ids)
    try:
        emitted = read(walk, server)
    except UnstableCollectionError:
        return False
    assert original - server.left - set(emitted) == set()
    assert [key for key, times in Counter(emitted).items() if times > 1] == []
    return True


def following(changes: list[tuple[int, int, int, bool]]) -> Callable[[Server], None]:
    """Return a function that makes the next change to the server after each request."""
    pending = iter(changes)

    def change(server: Server) -> None:
        deletions, insertions, where, leaves = next(pending, (0, 0, 0, False))
        if leaves:
            for position in [index for index, key in enumerate(server.ids) if key >= 10**6][::-1]:
                server.delete(position)
        for step in range(deletions):
            server.delete(where + step * 7)
        for step in range(insertions):
            server.insert((where >> 3) + step * 13)

    return change


@BOTH
@given(rows=st.integers(0, 60), page_size=st.integers(1, 25), cap=st.integers(2, 25))
def test_a_quiet_collection_is_read_completely(kind: Walk, rows: int, page_size: int, cap: int) -> None:
    """Every row is emitted once, whatever the page size and however the server caps its pages."""
    server = Server(list(range(100, 100 + rows)), cap if kind is OverlappingWalk else cap + 10)
    assert sorted(read(kind(page_size), server)) == server.ids


@BOTH
@given(ids=st.lists(st.integers(0, 2**63 - 1), max_size=60, unique=True), page_size=st.integers(1, 25))
def test_the_order_of_ids_does_not_matter(kind: Walk, ids: list[int], page_size: int) -> None:
    """A collection that isn't ordered by id is read completely too."""
    assert sorted(read(kind(page_size), Server(ids))) == sorted(ids)


@pytest.mark.parametrize(
    ("kind", "requests"),
    [
        (OverlappingWalk, {0: 1, 1: 1, 999: 1, 1000: 2, 1001: 2, 20_000: 21, 100_000: 101}),
        (OverlappingPagesWalk, {0: 1, 1: 1, 999: 1, 1000: 2, 1001: 2, 20_000: 21, 100_000: 104}),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_a_quiet_collection_costs_few_requests_more_than_it_has_pages(
    kind: Walk, requests: dict[int, int], order: str
) -> None:
    """One page takes one request, or two if it's full: rows that Lucca didn't count may follow it."""
    for rows, expected in requests.items():
        server = Server(ordered(rows, order, Random(1)))
        assert len(read(kind(1000), server)) == rows
        assert len(server.requests) == expected


@BOTH
@pytest.mark.parametrize("order", ORDERS)
def test_one_row_replaced_early_costs_no_request(kind: Walk, order: str) -> None:
    """A row is replaced after the second of 21 requests, and the walk neither steps back nor starts again."""

    def change(server: Server) -> None:
        if len(server.requests) == 2:
            server.delete(100)
            server.insert({"oldest first": len(server.ids), "newest first": 0, "shuffled": 10_000}[order])

    server = Server(ordered(20_000, order, Random(1)), change=change)
    assert assert_nobody_lost(kind(1000), server)
    assert len(server.requests) == 21


@BOTH
@pytest.mark.parametrize("counted", [0, 500, 1000, 1001, 2500, 2999])
def test_a_count_that_is_too_low_is_refused(kind: Walk, counted: int) -> None:
    """Lucca returns more rows than it counts, so nobody knows how many there are."""
    server = Server(list(range(3000)), overstated=counted - 3000)
    with pytest.raises(UnstableCollectionError, match="returned more"):
        read(kind(1000), server)


@BOTH
@given(
    rows=st.integers(0, 60),
    page_size=st.integers(1, 25),
    errors=st.lists(st.integers(-60, 60), min_size=1, max_size=5),
)
def test_no_count_makes_a_walk_miss_somebody(kind: Walk, rows: int, page_size: int, errors: list[int]) -> None:
    """Whatever Lucca counts, the walk reads everybody or fails."""
    wrong = cycle(errors)

    def miscount(server: Server) -> None:
        server.overstated = max(next(wrong), -rows)

    server = Server(list(range(rows)), change=miscount)
    miscount(server)
    with suppress(UnstableCollectionError):
        assert sorted(read(kind(page_size), server)) == server.ids


@BOTH
@given(
    rows=st.integers(30, 60),
    page_size=st.integers(1, 25),
    cap=st.integers(2, 12),
    errors=st.lists(st.integers(-1, 1), min_size=1, max_size=8),
)
def test_no_count_hides_the_last_row_of_capped_pages(
    kind: Walk, rows: int, page_size: int, cap: int, errors: list[int]
) -> None:
    """Where the server caps its pages, a page that is shorter than requested needn't be the last."""
    wrong = cycle(errors)

    def miscount(server: Server) -> None:
        server.overstated = next(wrong)

    server = Server(list(range(rows)), cap, change=miscount)
    with suppress(UnstableCollectionError):
        assert sorted(read(kind(page_size), server)) == server.ids


@BOTH
@settings(max_examples=300)
@given(
    ids=st.builds(ordered, st.integers(1, 80), st.sampled_from(ORDERS), st.randoms()),
    page_size=st.integers(1, 20),
    cap=st.integers(2, 20),
    changes=Changes,
)
def test_nobody_is_lost_wherever_rows_come_and_go(
    kind: Walk, ids: list[int], page_size: int, cap: int, changes: list[tuple[int, int, int, bool]]
) -> None:
    """Rows leave anywhere, and rows with larger ids appear anywhere and may leave again."""
    assert_nobody_lost(kind(page_size), Server(ids, cap, following(changes)))


@BOTH
@given(ids=st.lists(st.integers(0, 999), max_size=80, unique=True), page_size=st.integers(1, 20), changes=Changes)
def test_an_overlapping_walk_loses_nobody_in_any_order(
    kind: Walk, ids: list[int], page_size: int, changes: list[tuple[int, int, int, bool]]
) -> None:
    """The overlap proves the result without the order of ids: new rows may even have the smallest ids."""
    assert_nobody_lost(kind(page_size), Server([key + 1000 for key in ids], 1000, following(changes), new=count()))


@BOTH
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(50))
def test_a_collection_that_changes_in_passing_is_read(kind: Walk, order: str, seed: int) -> None:
    """If a row is replaced between about every fifth pair of requests, the walk succeeds and loses nobody."""
    random = Random(seed)
    ids = ordered(60, order, random)

    def change(server: Server) -> None:
        if random.random() < 0.2:
            server.delete(random.randrange(60))
            server.insert({"oldest first": 59, "newest first": 0, "shuffled": random.randrange(60)}[order])

    assert assert_nobody_lost(kind(10), Server(ids, change=change))


@BOTH
@pytest.mark.parametrize("page_size", [10, 20, 50])
@pytest.mark.parametrize("where", [0, 50, 99])
def test_one_replaced_by_another_between_all_pages(kind: Walk, page_size: int, where: int) -> None:
    """A deletion and a creation between any two requests keep the count, but shift all later rows; nobody is lost."""

    def change(server: Server) -> None:
        server.delete(where)
        server.insert(len(server.ids))

    assert assert_nobody_lost(kind(page_size), Server(list(range(1, 201)), change=change))


@BOTH
def test_rows_that_keep_coming_at_the_end_are_read(kind: Walk) -> None:
    """A row created after every request delays the end and loses nobody."""
    server = Server(list(range(50)), change=lambda server: server.insert(len(server.ids)))
    assert assert_nobody_lost(kind(10), server)


@BOTH
def test_a_collection_that_outgrows_its_reader_is_given_up(kind: Walk) -> None:
    """If a collection grows faster than its pages are read, the walk fails."""

    def change(server: Server) -> None:
        for _ in range(20):
            server.insert(len(server.ids))

    with pytest.raises(UnstableCollectionError):
        read(kind(10), Server(list(range(50)), change=change))


@BOTH
@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize(
    ("rows", "overstated"), [(0, 50), (1, 10), (40, 1), (400, 1), (40, 7), (40, 400_000), (250, 400_000)]
)
def test_a_server_that_overstates_its_count_is_given_up(kind: Walk, rows: int, overstated: int, paged: bool) -> None:
    """If the rows never reach the count, the walk fails once pages bring nothing new, with or without paging."""
    server = Server(list(range(rows)), overstated=overstated, paged=paged)
    with pytest.raises(UnstableCollectionError):
        read(kind(20), server)
    assert len(server.requests) <= 4 * (rows // 20) + 12


@BOTH
def test_a_server_that_gives_one_row_in_place_of_another_is_given_up(kind: Walk) -> None:
    """If a row is counted but never returned, the walk fails after a second pass that brings nothing new."""
    server = Server([*range(200), *range(199, 399)])
    with pytest.raises(UnstableCollectionError):
        read(kind(20), server)
    assert len(server.requests) <= 92


@BOTH
def test_a_shrunken_page_goes_on_from_the_same_row(kind: Walk) -> None:
    """Halving the page after a 408 neither loses nor repeats a row, and later pages stay small."""
    server, walk = Server(list(range(4321))), kind(1000)
    emitted = [int(str(row["id"])) for row in walk.take(server.answer(walk.next_slice, numbered=False))]
    assert walk.shrink()
    emitted += read(walk, server)
    assert sorted(emitted) == server.ids
    assert max(wanted.limit for wanted in server.requests[1:]) <= 500
    assert len(server.requests) <= 11


@BOTH
def test_a_page_shrinks_to_a_floor(kind: Walk) -> None:
    """A page is halved from 1000 rows to no fewer than a dozen."""
    walk, limits = kind(1000), []
    while walk.shrink():
        limits.append(walk.next_slice.limit)
    assert limits == [500, 250, 125, 62, 31, 15]


@BOTH
def test_pages_too_small_to_overlap_are_told(kind: Walk) -> None:
    """If a server returns one row at a time, and not in the order of ids, the walk fails after a few requests."""
    server = Server([3, 1, 2, 5, 4], cap=1)
    reason = "too small to overlap" if kind is OverlappingPagesWalk else "nothing new"
    with pytest.raises(UnstableCollectionError, match=reason):
        read(kind(10), server)
    assert len(server.requests) <= 10


@BOTH
def test_100_000_rows_take_little_memory(kind: Walk) -> None:
    """The walk keeps only the ids of the rows it has read, in 8 bytes each."""
    server, walk = Server(list(range(100_000))), kind(1000)
    tracemalloc.start()
    try:
        while not walk.is_complete:
            walk.take(server.answer(walk.next_slice, numbered=kind is OverlappingPagesWalk))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert walk.emitted == 100_000


@pytest.mark.parametrize("row", [{}, {"id": None}, {"id": "12"}, {"id": -1}, {"id": 2**63}, {"id": True}, {"id": 1.0}])
def test_a_row_without_a_usable_id_is_refused(row: dict[str, object]) -> None:
    """A row without a usable id makes the walk fail, because the walk couldn't check its result."""
    with pytest.raises(UnstableCollectionError, match="usable id"):
        OverlappingWalk(10).take(Page([row], 1))
