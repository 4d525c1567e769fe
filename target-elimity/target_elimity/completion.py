"""Whether what arrived is a whole import. Pure: messages are reported to it, and it says what is missing.

The end of the input proves nothing: when a tap crashes, Meltano just closes the target's input. What proves it is the
tap's completion mark in STATE, under the bookmark of the stream:
`{"completion": {"run_id": "…", "records": 2345, "read": 2345}}`. `records` were passed on, of those that were `read`.

A stream that a stream map or a mapper has filtered is whole in itself, but a snapshot of it removes everybody else. It
counts as incomplete unless that is wanted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED_STREAMS = ("users", "work_contracts")


@dataclass(slots=True)
class Completion:
    """What the messages so far say about the streams of an import."""

    received: Counter[str] = field(default_factory=Counter)
    """RECORD messages by stream."""

    dropped: Counter[str] = field(default_factory=Counter)
    """Those of them that a stream map of the target left out."""

    accept_filtered: bool = False
    """Whether a part of a stream, filtered on purpose, will do."""

    _marks: dict[str, _Mark] = field(default_factory=dict)

    def state_received(self, state: Mapping[str, Any]) -> None:
        """Take note of the completion marks in a STATE message."""
        bookmarks = state.get("bookmarks") or {}
        for stream in REQUIRED_STREAMS:
            content = (bookmarks.get(stream) or {}).get("completion") or {}
            mark = _Mark(content.get("run_id"), content.get("records"), content.get("read"), self.received[stream])
            if not mark.repeats(self._marks.get(stream)):
                self._marks[stream] = mark

    def missing(self) -> list[str]:
        """Return, in a sentence each, why this is not a whole import; nothing if it is one."""
        problems = [problem for stream in REQUIRED_STREAMS if (problem := self._problem(stream))]
        if not problems and len({self._marks[stream].run_id for stream in REQUIRED_STREAMS}) > 1:
            problems.append("The streams were completed by different runs of the tap.")
        if not problems and not self.received["users"]:
            problems.append("Lucca has not a single user for this API key: check the rights of its role.")
        elif not problems and self.received["users"] == self.dropped["users"]:
            problems.append("The setting 'stream_maps' leaves not a single user.")
        return problems

    def _problem(self, stream: str) -> str | None:
        mark, received = self._marks.get(stream), self.received[stream]
        if mark is None or mark.run_id is None:
            return (
                f"The stream '{stream}' is incomplete: after {received} records the tap stopped, or left it out; "
                "its log says why."
            )
        if mark.seen_after != mark.records and not (self.accept_filtered and mark.exceeds(mark.seen_after)):
            return (
                f"The stream '{stream}' is incomplete: it was marked complete with {mark.records} records "
                f"when {mark.seen_after} had been received. If a mapper left them out on purpose, "
                "set 'accept_filtered'."
            )
        if received != mark.seen_after:
            return f"The stream '{stream}' went on after it was marked complete: {received} instead of {mark.records}."
        kept = received - self.dropped[stream]
        read = received if mark.read is None else mark.read
        if kept != read and not self.accept_filtered:
            return (
                f"The stream '{stream}' is filtered: a stream map left {kept} of {read} records, and a snapshot "
                "of them would remove all others. If only these are to be in the source, set 'accept_filtered'."
            )
        return None


@dataclass(frozen=True, slots=True)
class _Mark:
    run_id: str | None
    records: int | None
    read: int | None
    seen_after: int
    """How many records of the stream had been received when the mark was first seen: a mark that comes before its
    records is that of an earlier run."""

    def repeats(self, other: _Mark | None) -> bool:
        """Whether this is the same mark, seen once more: every STATE carries the marks of all before it."""
        return other is not None and (self.run_id, self.records) == (other.run_id, other.records)

    def exceeds(self, count: int) -> bool:
        """Whether the tap passed on more records than these; none at all are no part of a stream."""
        return isinstance(self.records, int) and self.records > count > 0
