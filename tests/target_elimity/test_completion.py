"""Whether an import is whole."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from target_elimity.completion import Completion


def state(**marks: tuple[str, int]) -> dict[str, Any]:
    """Return a STATE with completion marks of streams."""
    return {
        "bookmarks": {
            stream: {"completion": {"run_id": run_id, "records": records}}
            for stream, (run_id, records) in marks.items()
        }
    }


def played(*events: str | dict[str, Any], accept_filtered: bool = False, dropped: int = 0) -> list[str]:
    """Return what is missing after records (`u` a user, `c` a contract) and states."""
    completion = Completion(accept_filtered=accept_filtered, dropped=Counter(users=dropped))
    for event in events:
        if isinstance(event, dict):
            completion.state_received(event)
        else:
            completion.received.update({"users": event.count("u"), "work_contracts": event.count("c")})
    return completion.missing()


USERS_DONE = state(users=("run", 2))
BOTH_DONE = state(users=("run", 2), work_contracts=("run", 3))


@pytest.mark.parametrize(
    "events",
    [
        ("uu", USERS_DONE, "ccc", BOTH_DONE),
        ("ccc", state(work_contracts=("run", 3)), "uu", BOTH_DONE),
        ({}, "uu", {"bookmarks": {}}, USERS_DONE, USERS_DONE, "ccc", USERS_DONE, BOTH_DONE, BOTH_DONE),
        (state(users=("old", 2), work_contracts=("old", 3)), "uu", USERS_DONE, "ccc", BOTH_DONE),
        ("u", "cc", "u", "c", BOTH_DONE),
        ("uu", USERS_DONE, state(users=("run", 2), work_contracts=("run", 0))),
    ],
)
def test_a_whole_import(events: tuple[str | dict[str, Any], ...]) -> None:
    """Both streams are marked by one run with as many records as came, in any order, however often it is said."""
    assert played(*events) == []


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((), "'users' is incomplete"),
        (("uuccc",), "'work_contracts' is incomplete"),
        (("uu", USERS_DONE, "ccc"), "'work_contracts' is incomplete: after 3 records the tap stopped, or left it out"),
        (("uu", USERS_DONE, "cc", BOTH_DONE), "marked complete with 3 records when 2 had been received"),
        (("u", USERS_DONE, "ccc", BOTH_DONE), "marked complete with 2 records when 1 had been received"),
        (("uu", USERS_DONE, "u", "ccc", BOTH_DONE), "went on after it was marked complete: 3 instead of 2"),
        (("uu", USERS_DONE, "ccc", state(users=("run", 2), work_contracts=("other", 3))), "different runs"),
        (("uu", USERS_DONE, "ccc", state(work_contracts=("run", 3))), "'users' is incomplete"),
        ((state(users=("run", 0), work_contracts=("run", 0)),), "not a single user"),
        (("uu", {"bookmarks": {"users": {"completion": {}}, "work_contracts": None}}), "'users' is incomplete"),
    ],
)
def test_a_partial_import(events: tuple[str | dict[str, Any], ...], told: str) -> None:
    """A stream that stops, goes on, has another count or another run's mark is named."""
    assert told in " ".join(played(*events))


def test_a_mark_that_comes_before_its_records_is_an_earlier_runs() -> None:
    """A loaded state that is written out again, with the very counts that then arrive, completes nothing."""
    problems = played(BOTH_DONE, "uu", BOTH_DONE, "ccc", BOTH_DONE)
    assert len(problems) == 2
    assert "when 0 had been received" in problems[0]


def read(count: int, **marks: tuple[str, int]) -> dict[str, Any]:
    """Return a STATE whose marks say that so many records were read."""
    content = state(**marks)
    for bookmark in content["bookmarks"].values():
        bookmark["completion"]["read"] = count
    return content


@pytest.mark.parametrize(
    ("events", "dropped", "told"),
    [
        (("uu", "ccc", read(3, users=("run", 2), work_contracts=("run", 3))), 0, "a stream map left 2 of 3 records"),
        (("uu", "ccc", read(1, users=("run", 2), work_contracts=("run", 3))), 0, "a stream map left 2 of 1 records"),
        (("uu", "ccc", BOTH_DONE), 1, "a stream map left 1 of 2 records"),
        (("u", "ccc", BOTH_DONE), 0, "If a mapper left them out on purpose, set 'accept_filtered'"),
    ],
)
def test_a_filtered_stream(events: tuple[str | dict[str, Any], ...], dropped: int, told: str) -> None:
    """Whether tap, mapper or target filters it: it is refused, and told how to accept it; accepted, it is whole."""
    assert told in " ".join(played(*events, dropped=dropped))
    assert played(*events, dropped=dropped, accept_filtered=True) == []


@pytest.mark.parametrize(
    "events",
    [
        ("u",),
        ("u", "ccc", USERS_DONE),
        ("uuu", "ccc", BOTH_DONE),
        ("uu", BOTH_DONE),
        (BOTH_DONE, "uu", "ccc", BOTH_DONE),
        ("u", USERS_DONE, "u", "ccc", BOTH_DONE),
        (BOTH_DONE,),
        ("uu", USERS_DONE, "ccc", state(users=("run", 2), work_contracts=("other", 3))),
    ],
)
def test_accepting_filtered_streams_accepts_nothing_else(events: tuple[str | dict[str, Any], ...]) -> None:
    """No mark, one before its records, more records than it says, two runs, nobody: all of it stays refused."""
    assert played(*events, accept_filtered=True)
