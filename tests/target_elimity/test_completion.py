"""Whether an import is complete."""

from collections import Counter
from typing import Any

import pytest
from lucca_elimity_kit.errors import ConnectorError
from target_elimity.completion import Completion


def state(**marks: tuple[str, int]) -> dict[str, Any]:
    """Return a STATE with completion marks of streams."""
    return {
        "bookmarks": {
            stream: {"completion": {"run_id": run_id, "records": records}}
            for stream, (run_id, records) in marks.items()
        }
    }


def played(*events: str | dict[str, Any], accept_filtered: bool = False) -> list[str]:
    """Return the problems after records (a letter each: `u` and `v` are users, `c` to `e` contracts) and states.

    The same letter is the same record.
    """
    completion = Completion()
    arrived: dict[str, set[str]] = {"users": set(), "work_contracts": set()}
    received: Counter[str] = Counter()
    for event in events:
        if isinstance(event, dict):
            completion.state_received(event, received)
        else:
            for letter in event:
                stream = "users" if letter in "uvw" else "work_contracts"
                arrived[stream].add(letter)
                received[stream] += 1
    return completion.problems(lambda stream: len(arrived[stream]), received, accept_filtered=accept_filtered)


USERS_DONE = state(users=("run", 2))
BOTH_DONE = state(users=("run", 2), work_contracts=("run", 3))


@pytest.mark.parametrize(
    "events",
    [
        ("uv", USERS_DONE, "cde", BOTH_DONE),
        ("cde", state(work_contracts=("run", 3)), "uv", BOTH_DONE),
        ({}, "uv", {"bookmarks": {}}, USERS_DONE, USERS_DONE, "cde", USERS_DONE, BOTH_DONE, BOTH_DONE),
        ("uv", {"bookmarks": {"users": {"completion": None}, "work_contracts": None}}, "cde", BOTH_DONE),
        (state(users=("old", 2), work_contracts=("old", 3)), "uv", USERS_DONE, "cde", BOTH_DONE),
        ("u", "cd", "v", "e", BOTH_DONE),
        ("uuvuv", "cddee", BOTH_DONE),
        ("uv", USERS_DONE, state(users=("run", 2), work_contracts=("run", 0))),
    ],
)
def test_a_whole_import(events: tuple[str | dict[str, Any], ...]) -> None:
    """An import is complete if one run marked both streams and both counts match, in any order of messages."""
    assert played(*events) == []


@pytest.mark.parametrize(
    ("events", "streams"),
    [
        ((), ["users", "work_contracts"]),
        (("uvcde",), ["users", "work_contracts"]),
        (("uv", USERS_DONE, "cde"), ["work_contracts"]),
        (("uv", USERS_DONE, "cd", BOTH_DONE), ["work_contracts"]),
        (("u", USERS_DONE, "cde", BOTH_DONE), ["users"]),
        (("uu", "cde", BOTH_DONE), ["users"]),
        (("uv", USERS_DONE, "w", "cde", BOTH_DONE), ["users"]),
        (("uv", USERS_DONE, "cde", BOTH_DONE, "v"), ["users"]),
        (("uvw", "cde", BOTH_DONE), ["users"]),
        (("uv", USERS_DONE, "cde", state(work_contracts=("run", 3))), []),
        (("uv", "cde", state(work_contracts=("run", 3))), ["users"]),
        (("uv", BOTH_DONE), ["work_contracts"]),
        ((BOTH_DONE, "uv", BOTH_DONE, "cde", BOTH_DONE), ["users", "work_contracts"]),
    ],
)
def test_a_partial_import(events: tuple[str | dict[str, Any], ...], streams: list[str]) -> None:
    """The problems name each stream without a mark, with a mark before its last record, or with another count."""
    problems = played(*events)
    assert len(problems) == len(streams)
    assert all(f"'{stream}'" in problem for stream, problem in zip(streams, problems, strict=True))


def test_two_runs_are_not_one_import() -> None:
    """Users of one run and contracts of another are not one import."""
    other = state(users=("run", 2), work_contracts=("other", 3))
    assert len(played("uv", USERS_DONE, "cde", other)) == 1
    assert len(played("uv", USERS_DONE, "cde", other, accept_filtered=True)) == 1


def test_a_filtered_stream_is_a_choice() -> None:
    """If fewer records arrive than the tap read, the problem names the setting that accepts this."""
    (problem,) = played("u", "cde", BOTH_DONE)
    assert "accept_filtered" in problem
    assert played("u", "cde", BOTH_DONE, accept_filtered=True) == []


@pytest.mark.parametrize(
    "events",
    [
        ("u",),
        ("u", "cde", USERS_DONE),
        ("uvw", "cde", BOTH_DONE),
        ("uv", BOTH_DONE),
        (BOTH_DONE, "uv", "cde", BOTH_DONE),
        ("u", USERS_DONE, "v", "cde", BOTH_DONE),
        (BOTH_DONE,),
    ],
)
def test_accepting_filtered_streams_accepts_nothing_else(events: tuple[str | dict[str, Any], ...]) -> None:
    """A missing mark, one before its records, too many records or none at all: the import stays refused."""
    assert played(*events, accept_filtered=True)


@pytest.mark.parametrize(
    "foreign",
    [
        {"bookmarks": {"users": "2020-01-01"}},
        {"bookmarks": ["users"]},
        {"bookmarks": {"users": {"completion": {"records": 2}}}},
        {"bookmarks": {"users": {"completion": {"run_id": "run", "records": -2}}}},
        {"bookmarks": {"users": {"completion": {"run_id": "run", "records": "2"}}}},
    ],
)
def test_a_state_of_another_shape(foreign: dict[str, Any]) -> None:
    """Bookmarks that don't have the tap's form raise ConnectorError."""
    with pytest.raises(ConnectorError):
        played("uv", foreign)
