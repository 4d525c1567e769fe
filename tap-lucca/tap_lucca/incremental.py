"""Reads only what changed since the last run, if the catalog asks for it."""

from abc import ABC
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lucca_elimity_kit.errors import ConnectorError, SettingsError
from lucca_elimity_kit.http import Answer
from singer_sdk.helpers.types import Context
from singer_sdk.singerlib import MetadataMapping
from typing_extensions import override

from tap_lucca.bookmarks import changed_since, latest_bookmark, on_luccas_clock
from tap_lucca.pagination import Page, Row
from tap_lucca.stream import LuccaStream


class IncrementalStream(LuccaStream, ABC):
    """A collection that can be read by a replication key. It's read in full unless the catalog selects that.

    The walk follows the order of ids, which misses nobody while people change. So the bookmark is known only at the
    end, and a failed run doesn't change it. The SDK handles this as an unsorted stream.

    The bookmark is the latest change that was read, but never later than the start of the walk. The next run reads
    people again who change after their page was read.
    """

    _start_is_known = False

    @property
    def bookmark(self) -> str | None:
        """The time from which to read changes; None to read everything."""
        value = self.get_starting_replication_key_value(None)
        return self._on_luccas_clock(value) if value else None

    @property
    @override
    def metadata(self) -> MetadataMapping:
        metadata = super().metadata
        metadata.root.valid_replication_keys = [*self.valid_replication_keys]
        return metadata

    @override
    def compare_start_date(self, value: str, start_date_value: str) -> str:
        return max(value, start_date_value, key=self._on_luccas_clock)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return none yet. The `Date` header of Lucca's first answer sets the signpost."""

    @override
    def read_answer(self, answer: Answer) -> Page:
        page = super().read_answer(answer)
        if self.replication_key and not self._start_is_known:
            self.state_manager.write_replication_key_signpost(latest_bookmark(time_of(answer.headers)))
            self._start_is_known = True
        return page

    @override
    def rows_to_emit(self, rows: Sequence[Row]) -> Sequence[Row]:
        if not self.replication_key:
            return rows
        try:
            return changed_since(rows, self.replication_key, self.bookmark)
        except ValueError as error:
            raise ConnectorError(f"'{self.name}' cannot be read incrementally: {error}.") from None

    def _on_luccas_clock(self, value: object) -> str:
        try:
            return on_luccas_clock(str(value))
        except ValueError as error:  # 'start_date' has been checked, so it's the bookmark
            raise SettingsError(f"The bookmark of '{self.name}' in the state cannot be used: {error}.") from None


def time_of(headers: Mapping[str, str]) -> datetime:
    """Return the time of an answer by Lucca's clock, because the clock of this machine may be wrong."""
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return datetime.now(UTC)
