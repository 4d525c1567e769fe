"""The walks through a collection, against servers that cap pages, shuffle, and change underneath."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_lucca.pagination import (
    MAXIMUM_ATTEMPTS,
    OffsetPaginator,
    Page,
    PageNumberPaginator,
    Paginator,
    UnstableCollectionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BOTH = pytest.mark.parametrize("paginator", [OffsetPaginator, PageNumberPaginator])


@dataclass
class Server:
    """A collection as a server pages it; a numbered page is counted in pages of the size the server really gives."""

    ids: list[int]
    cap: int = 1000
    requests: int = 0
    change: Callable[[Server], None] = lambda _: None
    ever_deleted: set[int] = field(default_factory=set)

    def answer(self, paginator: Paginator) -> Page:
        """Answer what the paginator asks for next; the collection changes right after."""
        wanted = paginator.next_slice
        limit = min(wanted.limit, self.cap)
        offset = wanted.offset if isinstance(paginator, OffsetPaginator) else (wanted.page_number - 1) * limit
        page = Page([{"id": identifier} for identifier in self.ids[offset : offset + limit]], len(self.ids))
        self.requests += 1
        self.change(self)
        return page

    def delete(self, position: int) -> None:
        """Delete the row at a position."""
        self.ever_deleted.add(self.ids.pop(position % len(self.ids)))


def walk(paginator: Paginator, server: Server) -> list[int]:
    """Return the ids given out, in their order."""
    given_out: list[int] = []
    while not paginator.finished:
        given_out += [int(str(row["id"])) for row in paginator.take(server.answer(paginator))]
    return given_out


def assert_nobody_lost(given_out: Sequence[int], original: Sequence[int], server: Server) -> None:
    """Whoever existed throughout was given out, and nobody twice."""
    assert set(original) - server.ever_deleted <= set(given_out)
    assert [identifier for identifier, times in Counter(given_out).items() if times > 1] == []


@BOTH
@given(count=st.integers(0, 60), page_size=st.integers(1, 25), cap=st.integers(2, 25))
def test_a_quiet_collection_is_read_completely(
    paginator: type[Paginator], count: int, page_size: int, cap: int
) -> None:
    """Every row is given out once, whatever the page size and however the server caps its pages."""
    server = Server(list(range(100, 100 + count)), cap)
    assert sorted(walk(paginator(page_size), server)) == server.ids


@BOTH
@given(ids=st.lists(st.integers(0, 2**63 - 1), max_size=60, unique=True), page_size=st.integers(1, 25))
def test_the_order_of_ids_does_not_matter(paginator: type[Paginator], ids: list[int], page_size: int) -> None:
    """A server that orders by something else than the id is read completely too."""
    assert sorted(walk(paginator(page_size), Server(ids))) == sorted(ids)


@BOTH
@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (999, 1), (1000, 1), (20_000, 20), (39_000, 39)])
def test_a_walk_costs_at_most_one_request_more_than_there_are_pages(
    paginator: type[Paginator], count: int, pages: int
) -> None:
    """Requests are the scarcest resource; one page is read with one of them."""
    server = Server(list(range(count)))
    walk(paginator(1000), server)
    assert pages <= server.requests <= pages + (pages > 1)


Changes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 10**6)), max_size=40)


@given(count=st.integers(1, 80), page_size=st.integers(1, 20), cap=st.integers(2, 20), changes=Changes)
def test_an_offset_walk_loses_nobody_wherever_rows_come_and_go(
    count: int, page_size: int, cap: int, changes: list[tuple[int, int, int]]
) -> None:
    """Rows are deleted and inserted anywhere between any two pages; whoever existed throughout is given out once."""
    original = [identifier * 10 for identifier in range(count)]
    pending = iter(changes)
    fresh = iter(range(10**6, 10**7))

    def change(server: Server) -> None:
        deletions, insertions, where = next(pending, (0, 0, 0))
        for step in range(min(deletions, len(server.ids))):
            server.delete(where + step * 7)
        for step in range(insertions):
            server.ids.insert((where + step * 13) % (len(server.ids) + 1), next(fresh))

    server = Server(list(original), cap, change=change)
    try:
        given_out = walk(OffsetPaginator(page_size), server)
    except UnstableCollectionError:
        return
    assert_nobody_lost(given_out, original, server)


@given(count=st.integers(1, 80), page_size=st.integers(1, 20), cap=st.integers(1, 20), changes=Changes)
def test_a_numbered_walk_loses_nobody_while_rows_are_deleted_and_appended(
    count: int, page_size: int, cap: int, changes: list[tuple[int, int, int]]
) -> None:
    """Contracts are deleted anywhere and created at the end between any two pages, at the same count or not."""
    original = list(range(count))
    pending = iter(changes)
    fresh = iter(range(10**6, 10**7))

    def change(server: Server) -> None:
        deletions, insertions, where = next(pending, (0, 0, 0))
        for step in range(min(deletions, len(server.ids))):
            server.delete(where + step * 7)
        server.ids += [next(fresh) for _ in range(insertions)]

    server = Server(list(original), cap, change=change)
    try:
        given_out = walk(PageNumberPaginator(page_size), server)
    except UnstableCollectionError:
        return
    assert_nobody_lost(given_out, original, server)


@BOTH
def test_one_replaced_for_one_between_all_pages_goes_unnoticed_by_counts_but_loses_nobody(
    paginator: type[Paginator],
) -> None:
    """A deletion and a creation between two pages leave Lucca's count as it was, and shift every row behind."""
    original = list(range(1, 101))
    fresh = iter(range(1000, 2000))

    def change(server: Server) -> None:
        server.delete(0)
        server.ids.append(next(fresh))

    server = Server(list(original), change=change)
    assert_nobody_lost(walk(paginator(10), server), original, server)


@pytest.mark.parametrize("order", ["newest first", "shuffled"])
def test_a_numbered_walk_loses_nobody_in_any_order_or_fails(order: str) -> None:
    """One replaced for one between pages, and new rows at the front or anywhere: counts tell nothing then."""
    failed = 0
    for seed in range(300):
        random = Random(seed)
        original = list(range(60, 0, -1))
        if order == "shuffled":
            random.shuffle(original)
        fresh = iter(range(1000, 9000))

        def change(server: Server, random: Random = random, fresh: Iterator[int] = fresh) -> None:
            if random.random() < 0.2:
                server.delete(random.randrange(len(server.ids)))
                where = 0 if order == "newest first" else random.randrange(len(server.ids))
                server.ids.insert(where, next(fresh))

        server = Server(list(original), change=change)
        try:
            given_out = walk(PageNumberPaginator(10), server)
        except UnstableCollectionError:
            failed += 1
        else:
            assert_nobody_lost(given_out, original, server)
    assert failed < 300


@BOTH
def test_a_collection_that_never_holds_still_is_given_up(paginator: type[Paginator]) -> None:
    """A count that the rows never reach ends the walk, rather than going on for ever or passing for complete."""
    walker = paginator(10)
    for _ in range(MAXIMUM_ATTEMPTS):
        walker.take(Page([], 50))
    with pytest.raises(UnstableCollectionError, match="counts 50 rows"):
        walker.take(Page([], 50))


def test_contracts_that_keep_coming_end_the_walk() -> None:
    """When the count grows under every walk, a contract may always have been missed."""
    fresh = iter(range(1000, 9000))
    server = Server(list(range(50)), change=lambda server: server.ids.append(next(fresh)))
    with pytest.raises(UnstableCollectionError, match="keep coming"):
        walk(PageNumberPaginator(10), server)


@BOTH
def test_a_shrunken_page_goes_on_from_the_same_row(paginator: type[Paginator]) -> None:
    """Halving the page, as a 408 asks for, loses and repeats nobody; the size stays down."""
    server, walker = Server(list(range(4321))), paginator(1000)
    given_out = [row["id"] for row in walker.take(server.answer(walker))]
    assert walker.shrink()
    assert walker.next_slice.limit == 500
    given_out += walk(walker, server)
    assert sorted(map(int, map(str, given_out))) == server.ids


@BOTH
def test_a_page_shrinks_to_a_floor(paginator: type[Paginator]) -> None:
    """1000, 500, 250, 125, … and no further than a dozen rows."""
    walker, limits = paginator(1000), []
    while walker.shrink():
        limits.append(walker.next_slice.limit)
    assert limits == [500, 250, 125, 62, 31, 15]


@pytest.mark.parametrize("row", [{}, {"id": None}, {"id": "12"}, {"id": -1}, {"id": 2**63}])
def test_a_row_without_a_usable_id_is_refused(row: dict[str, object]) -> None:
    """Without an id no walk can be checked."""
    with pytest.raises(UnstableCollectionError, match="usable id"):
        OffsetPaginator(10).take(Page([row], 1))
