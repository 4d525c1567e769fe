"""Reads a collection of Lucca as a Singer stream: pages, records and the completion mark."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar
from uuid import uuid4

from lucca_elimity_kit.errors import ConnectorError, SettingsError
from lucca_elimity_kit.http import new_session
from lucca_elimity_kit.plugin import StrictPlugin
from lucca_elimity_kit.progress import Progress
from lucca_elimity_kit.tls import load_tls
from singer_sdk import Stream, Tap
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.types import Context
from singer_sdk.singerlib import Catalog, RecordMessage
from typing_extensions import override

from tap_lucca.client import Budget, LuccaClient, LuccaError, SlowPageError
from tap_lucca.pagination import OverlappingWalk, Page, Row, Slice, UnstableCollectionError
from tap_lucca.projection import Projection
from tap_lucca.settings import TapSettings

MAXIMUM_TIMEOUTS = 5  # in a row, before the smallest page is given up

# What the SDK raises for a stream map that it can't build, or an expression that fails on a record.
STREAM_MAP_ERRORS = (ArithmeticError, AttributeError, LookupError, MappingError, RecursionError, TypeError, ValueError)
UNUSABLE_STREAM_MAPS = (
    "The setting 'stream_maps' can't be used with these streams: check its names and values, and that each expression "
    "is valid Python."
)

# The key of the completion mark in the stream's bookmark: `{"completion": {"run_id": "…", "records": 2345}}`. `run_id`
# is new in every run, and `records` counts the records read from Lucca. A stream that broke off has no mark. What the
# settings leave out of the stream is in the mark, too: `"former_employees": false`.
COMPLETION = "completion"


class ConnectedTap(StrictPlugin, Tap, ABC):
    """A tap whose streams share one client of Lucca."""

    settings: TapSettings

    progress: Progress | None = None
    """Logs the progress. Only the command line sets it."""

    @cached_property
    def client(self) -> LuccaClient:
        """The client of all streams. Set your own to replace the session or the `sleep` function."""
        budget = Budget(self.settings.requests_per_minute)
        return LuccaClient(self.settings, new_session("tap-lucca"), budget, load_tls())

    @cached_property
    def run_id(self) -> str:
        """The id of this run in the completion marks."""
        return uuid4().hex


class LuccaStream(Stream, ABC):
    """A collection of Lucca. If it can't be read completely, the run fails."""

    _tap: ConnectedTap

    path: ClassVar[str]
    """The path of the endpoint."""

    right: ClassVar[str]
    """The right that the role of the API key needs."""

    rights: ClassVar[Mapping[str, str]] = {}
    """The right without which Lucca omits a field. A field that isn't here may be omitted for another reason."""

    walk_class: ClassVar[type[OverlappingWalk]]
    """How the collection is read."""

    walk: OverlappingWalk
    """The walk through the collection, once it has begun."""

    _timeouts = 0  # in a row

    @abstractmethod
    def url_params(self, page: Slice, projection: Projection) -> dict[str, str]:
        """Return the query for a slice."""

    @abstractmethod
    def page_in(self, body: bytes) -> Page:
        """Return the page in the body of an answer. Raises an error of msgspec if it has another form."""

    @property
    def left_out(self) -> dict[str, bool]:
        """What the settings leave out of the stream, for its completion mark."""
        return {}

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog. Refuse one without the stream's key."""
        keys = self.primary_keys
        super().apply_catalog(catalog)
        self.primary_keys = self.primary_keys or keys  # a catalog may name none
        if self.selected and not {*self.primary_keys} <= self.projection.schema["properties"].keys():
            keys = ", ".join(self.primary_keys)
            raise SettingsError(f"The catalog leaves out {keys}, the key of the stream '{self.name}': select it.")
        self.replication_key = None  # with a key, the SDK would declare the stream incremental

    @property
    def projection(self) -> Projection:
        """The selected fields."""
        return Projection(self.schema, self.effective_schema, self.mask)

    @override
    def get_records(self, context: Context | None) -> Iterable[Row]:
        projection = self.projection
        walk = self.walk = self.walk_class(self._tap.settings.page_size)
        while not walk.is_complete:
            rows = self._next_rows(projection)
            if self._tap.progress:
                self._tap.progress.report(self.name.replace("_", " "), walk.emitted, walk.total)
            yield from rows
        # Execution gets here only after the SDK has written the last record.
        self.stream_state[COMPLETION] = {"run_id": self._tap.run_id, "records": walk.emitted, **self.left_out}

    def check(self) -> None:
        """Request and emit one record, and log which rights the API key lacks to see all of its fields."""
        projection = self.projection
        for record in self._read(Slice(0, 1), projection).rows[:1]:
            for field in dict.fromkeys(projection.missing_from(record)):
                if right := self.rights.get(field.partition(".")[0]):
                    self.logger.warning("Lucca shows no %s to this API key. Give its role the right: %s.", field, right)
            self._write_record_message(record)

    def _next_rows(self, projection: Projection) -> Sequence[Row]:
        """Read the next page and return its new rows. If Lucca times out, halve the page size and return none."""
        try:
            page = self._read(self.walk.next_slice, projection)
            self._timeouts = 0
            return self.walk.take(page)
        except SlowPageError:
            self._shrink()
            return []
        except UnstableCollectionError as error:
            raise LuccaError(f"'{self.name}' could not be read completely: {error}. Run it again.") from None

    def _read(self, page: Slice, projection: Projection) -> Page:
        read = self._tap.client.get(
            self.path,
            self.url_params(page, projection),
            what=f"Reading '{self.name}' from row {page.offset}",
            right=self.right,
            read=self.page_in,
        )
        self._extracted = datetime.now(UTC)
        return Page([*map(projection.apply, read.rows)], read.total)

    def _shrink(self) -> None:
        limit = self.walk.limit
        self._timeouts += 1
        if not self.walk.shrink() and self._timeouts >= MAXIMUM_TIMEOUTS:
            problem = f"Lucca times out (408) even on a page of {limit} rows. Run it again when Lucca is less busy."
            raise SlowPageError(f"'{self.name}' could not be read: {problem}", status=408)
        self.log("Lucca times out (408) on pages of %d rows; continuing with %d.", limit, self.walk.limit)

    @override
    def generate_child_contexts(self, record: Row, context: Context | None) -> Iterable[Context | None]:
        """Return none, because there are no child streams. The SDK would apply the filters again for each context."""
        return ()

    # Private to the SDK (0.54), which applies the selection to each record once more, although `Projection` has done
    # it, and ends with a traceback if an expression fails on a record.
    @override
    def _write_record_message(self, record: Row) -> None:
        try:
            for stream_map in self.stream_maps:
                mapped = stream_map.transform(record)
                if mapped is not None:
                    if stream_map.flattening_enabled:
                        mapped = _with_all_columns(mapped, stream_map.transformed_schema["properties"])
                    message = RecordMessage(stream_map.stream_alias, mapped, time_extracted=self._extracted)
                    self._tap.write_message(message)
        except STREAM_MAP_ERRORS as error:
            if not self._tap.settings.stream_maps:
                raise
            if isinstance(error, MappingError):
                raise ConnectorError(UNUSABLE_STREAM_MAPS) from None
            raise ConnectorError(
                f"An expression in 'stream_maps' fails on the record {record['id']} of '{self.name}' "
                f"({type(error).__name__}): does it allow for values that are null?"
            ) from None
        self.state_manager.is_flushed = False

    @override
    def log(self, message: str, *args: object, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message, except the SDK's "An unhandled error …": `cli.run` already reports each error."""
        if not message.startswith("An unhandled error"):
            super().log(message, *args, level=level, **kwargs)


def _with_all_columns(record: Row, columns: Iterable[str]) -> Row:
    """Return a flattened record with all columns of its schema: some targets take the first record's for all.

    The SDK (0.54) flattens a null object to its own name, which isn't a column:
    https://github.com/meltano/sdk/issues/2178 (the fix there only silenced the warning of targets).
    """
    complete: Row = dict.fromkeys(columns)
    complete.update((name, value) for name, value in record.items() if value is not None or name in complete)
    return complete
