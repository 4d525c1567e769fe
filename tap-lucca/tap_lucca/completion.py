"""The completion mark: how a target can tell a stream that was read to its end from one that just stopped.

Under the bookmark of the stream: `{"completion": {"run_id": "…", "read": 2345, "records": 2345}}`. The run id is new
in every run, `read` is the number of records read from Lucca, and `records` that of the RECORD messages of the stream,
under the name that a stream map may have given it. They differ if stream maps filter records out or repeat them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

COMPLETION = "completion"


class CountingWriter(MsgSpecWriter):  # 0.71 times as long as with the SDK's default writer
    """Writes Singer messages and counts the records under each name: what a stream map filters out is not counted."""

    def __init__(self) -> None:
        super().__init__()
        self.records: Counter[str] = Counter()

    @override
    def write_message(self, message: Message) -> None:
        super().write_message(message)
        if isinstance(message, RecordMessage):
            self.records[message.stream] += 1
