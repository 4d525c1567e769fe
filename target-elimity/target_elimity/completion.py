"""Checks that the records that arrived are a complete import.

The end of the input doesn't mean the tap finished: it may have crashed. So the tap marks each stream that it read to
its end, in STATE, under the bookmark of the stream: `{"completion": {"run_id": "…", "records": 2345}}`. `records` is
the number of records it read from Lucca. The target compares it with the distinct records it received. If the tap's
setting leaves out former employees, the mark of users also says `"former_employees": false`.
"""

from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from lucca_elimity_kit.errors import ConnectorError

from target_elimity.records import RECORD_TYPES, USERS


class _Mark(msgspec.Struct, frozen=True):
    run_id: str
    records: Annotated[int, msgspec.Meta(ge=0)]
    former_employees: bool = True


class _Bookmark(msgspec.Struct):
    completion: _Mark | None = None


class Completion:
    """The completion marks of the streams of an import."""

    def __init__(self) -> None:
        self._marks: dict[str, tuple[_Mark, int]] = {}
        """The mark of each stream, and how many records had arrived when it was first seen."""

    def state_received(self, state: Mapping[str, object], received: Mapping[str, int]) -> None:
        """Store the completion marks in a STATE message, and how many records of each stream were received before it.

        Raises:
            ConnectorError: The bookmarks don't have the expected form.
        """
        try:
            bookmarks = msgspec.convert(state.get("bookmarks"), dict[str, object] | None) or {}
            found = {name: msgspec.convert(bookmarks.get(name), _Bookmark | None) for name in RECORD_TYPES}
        except msgspec.ValidationError:
            raise ConnectorError(
                "A STATE message does not have the form that tap-lucca gives it: run the target with this tap."
            ) from None
        for stream, bookmark in found.items():
            mark = bookmark and bookmark.completion
            # Each STATE repeats the marks before it.
            known = self._marks.get(stream, (None,))[0]
            if mark and known and mark.run_id == known.run_id and mark.records != known.records:
                raise ConnectorError(
                    f"The stream '{stream}' has two completion marks of one run that differ: run both streams again."
                )
            if mark and mark != known:
                self._marks[stream] = mark, received[stream]

    @property
    def former_employees(self) -> bool:
        """Whether the tap asked Lucca for former employees, too."""
        mark, _ = self._marks.get(USERS, (None, 0))
        return mark is None or mark.former_employees

    def problems(self, rows: Callable[[str], int], received: Mapping[str, int], *, accept_filtered: bool) -> list[str]:
        """Return a sentence for each reason why the import is incomplete.

        `rows` counts the distinct records of a stream, and `received` all of them.
        """
        problems = []
        for stream in RECORD_TYPES:
            marked = stream in self._marks and self._marks[stream][1] == received[stream]
            if problem := self._problem(stream, rows(stream), accept_filtered=accept_filtered, marked=marked):
                problems.append(problem)
        if problems:
            return problems
        if len({mark.run_id for mark, _ in self._marks.values()}) > 1:
            return ["The streams were completed by different runs of the tap: run both streams together."]
        return []

    def _problem(self, stream: str, rows: int, *, accept_filtered: bool, marked: bool) -> str | None:
        if not marked:
            return (
                f"The stream '{stream}' is incomplete: {rows} records arrived, but the tap did not mark it complete "
                "after the last one. If the tap stopped, its own log says why."
            )
        mark, _ = self._marks[stream]
        if rows > mark.records:
            return (
                f"The stream '{stream}' has {rows} records, but the tap read only {mark.records} from Lucca: "
                "remove the stream map or mapper that adds records."
            )
        if rows == 0 < mark.records:
            return (
                f"The tap read {mark.records} records of the stream '{stream}', but none arrived: a stream map or "
                "mapper renamed or dropped the stream. Remove it."
            )
        if rows < mark.records and not accept_filtered:
            return (
                f"The stream '{stream}' is incomplete: the tap read {mark.records} records, but {rows} different ones "
                "arrived. If a stream map or mapper filters it on purpose, set 'accept_filtered'. Everybody filtered "
                "out is then removed from the source."
            )
        return None
