"""One HTTP behaviour for every stream: authentication, rate limit, retries, page shrinking, errors.

Limits and status codes: https://developers.lucca.fr/docs/lucca-legacy ("limits").
"""

from __future__ import annotations

import logging
import random
import re
import time
from abc import ABC, abstractmethod
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from importlib.metadata import version
from ipaddress import ip_address
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import requests
from lucca_elimity_kit.errors import ConnectorError, SettingsError
from requests.auth import AuthBase
from requests_ratelimiter import InMemoryBucket, Limiter, LimiterAdapter, Rate
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from singer_sdk.streams import RESTStream
from typing_extensions import override

from tap_lucca.pagination import Page, Paginator, Row, Slice, UnstableCollectionError
from tap_lucca.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog, RecordMessage

    from tap_lucca.tap import TapLucca

# How a target can tell a stream that was read to its end from one that just stopped: a mark under the stream's bookmark
# in STATE, `{"completion": {"run_id": "…", "records": 2345}}`. The run id is new in every run, and `records` is the
# number of records that were read from Lucca.
COMPLETION = "completion"

# The tenant's window in seconds: where a 429 does not say how long to wait, the whole of it is waited out.
RATE_LIMIT_WINDOW = 60.0
LONGEST_PAUSE = 60.0

TRANSIENT_ERRORS = (
    RetriableAPIError,
    requests.exceptions.Timeout,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class SlowPageError(Exception):
    """Lucca needed more time for a page than it gives itself (408)."""


def instance_url(host: str) -> str:
    """Return the URL of a Lucca instance: `acme.ilucca.net` is read as `https://acme.ilucca.net`.

    Raises:
        ValueError: The host is not one: it has a path, credentials or a query, or is http outside loopback.
    """
    parts = urlsplit(host if "://" in host else f"https://{host}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("its port is not a number from 0 to 65535") from None
    if not parts.hostname or not _is_name(parts.hostname):
        raise ValueError("it names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not contain credentials; the key belongs into 'api_key'")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("it must not contain a path, only the host of the instance")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("it must be https")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")


def new_session(api_key: str, requests_per_minute: int, window: float = RATE_LIMIT_WINDOW) -> requests.Session:
    """Return the one session of a run: all its streams share the key and the budget of requests.

    Args:
        api_key: The key of the Lucca API.
        requests_per_minute: How many requests any window may hold.
        window: The length of that window in seconds; only tests have another than a minute.
    """
    session = requests.Session()
    session.auth = _LuccaAuth(api_key)
    session.headers["User-Agent"] = f"tap-lucca/{version('tap-lucca')}"
    limiter = Limiter(InMemoryBucket([Rate(requests_per_minute, round(window * 1000))]))
    # A 429 is waited out as long as Lucca says (see `_pauses`), not by filling the limiter's own window.
    adapter = LimiterAdapter(limiter=limiter, per_host=False, limit_statuses=())
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


class LuccaStream(RESTStream[Slice], ABC):
    """A collection of Lucca, read to its end or not at all."""

    _tap: TapLucca

    # `Projection` leaves nothing to conform; not to try takes 0.63 times as long.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    right: ClassVar[str]
    """What the role of the API key must allow, for the message that it does not."""

    valid_replication_keys: ClassVar[tuple[str, ...]] = ()
    """The properties by which the stream can be read incrementally."""

    @property
    @override
    def url_base(self) -> str:
        return self._tap.instance_url

    @property
    @override
    def requests_session(self) -> requests.Session:
        return self._tap.session

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog, and refuse one that asks for what would be half a promise."""
        super().apply_catalog(catalog)
        method, key = self.replication_method, self.replication_key
        if method == REPLICATION_FULL_TABLE or not self.selected:
            self.replication_key = None  # with a key, the SDK would announce an incremental stream to the target
            return
        flaw = None
        if method != REPLICATION_INCREMENTAL or key not in self.valid_replication_keys:
            possible = [
                f"{REPLICATION_INCREMENTAL} with the replication key {key}" for key in self.valid_replication_keys
            ]
            flaw = f"its replication method can be {' or '.join([REPLICATION_FULL_TABLE, *possible])}"
        elif key not in self._selected_schema["properties"]:
            flaw = f"select {key}, its replication key"
        if flaw:
            message = f"'{self.name}' cannot be read as the catalog asks ({method} by {key or 'no key'}): {flaw}."
            raise SettingsError(message)

    @property
    def _selected_schema(self) -> dict[str, Any]:
        return get_selected_schema(self.name, self.effective_schema, self.mask)

    @abstractmethod
    def new_paginator(self) -> Paginator:
        """Return the walk through this collection."""

    @abstractmethod
    def url_params(self, page: Slice, projection: Projection) -> dict[str, str]:
        """Return the query for one slice."""

    @abstractmethod
    def read_page(self, body: bytes) -> Page:
        """Return the page that is in the body of an answer.

        Raises:
            msgspec.ValidationError: The body is JSON, but not of the documented form.
            msgspec.DecodeError: The body is not JSON.
        """

    @override
    def request_records(self, context: Context | None) -> Iterable[Row]:
        projection = Projection(self.schema, self._selected_schema)
        paginator = self.new_paginator()
        with self.get_http_request_counter() as counter:
            while not paginator.finished:
                counter.increment()
                try:
                    page = self._read_patiently(paginator.next_slice, projection)
                    rows = paginator.take(Page([projection.apply(row) for row in page.rows], page.total))
                except SlowPageError:
                    self._shrink(paginator)
                except UnstableCollectionError as error:
                    raise FatalAPIError(f"'{self.name}' could not be read completely: {error}. Run it again.") from None
                else:
                    self.tell_progress(paginator.emitted, paginator.total)
                    yield from self.choose(rows)
        if self.replication_method == REPLICATION_FULL_TABLE:  # changes alone are never the whole stream
            # The generator is asked for more only after the last record was written: the stream is complete.
            self.stream_state[COMPLETION] = {
                "run_id": self._tap.run_id,
                "records": paginator.emitted,
            }

    def choose(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows to be written: all of them, unless the stream is incremental."""
        return rows

    def tell_progress(self, read: int, total: int) -> None:
        """Tell how many records were read, of as many as Lucca counts; called once a page."""
        self._tap.progress.tell(self.name.replace("_", " "), read, total)

    def _shrink(self, paginator: Paginator) -> None:
        limit = paginator.limit
        if not paginator.shrink():
            raise FatalAPIError(
                f"'{self.name}' could not be read: Lucca times out (408) even on a page of {limit} rows. "
                "Run it again when Lucca is less busy."
            )
        self.log("Lucca times out (408) on pages of %d rows; going on with %d.", limit, paginator.limit)

    def pause(self, seconds: float) -> None:
        """Wait before another try; to be overridden by whoever can be told to stop meanwhile."""
        time.sleep(seconds)

    def _read_patiently(self, page: Slice, projection: Projection) -> Page:
        """Read a page, trying again while that may help; a retrying library's pauses could not be interrupted."""
        patience = self.config["max_retry_seconds"]
        start = time.monotonic()
        pauses = _pauses()
        next(pauses)
        while True:
            try:
                return self._read(page, projection)
            except TRANSIENT_ERRORS as error:
                left = patience - (time.monotonic() - start)
                if _is_permanent(error) or left <= 0:
                    in_vain = patience and not _is_permanent(error)
                    tried = f", after retrying for up to {patience} seconds" if in_vain else ""
                    raise FatalAPIError(
                        f"'{self.name}' could not be read from row {page.offset} on{tried}: {_describe(error)}."
                    ) from None
                # Up to a second on top: never less than Lucca asks for, unless patience ends before.
                pause = min(pauses.send(error) + random.random(), left)  # noqa: S311 - spreads the tries
                self.log(
                    "%s; waiting %.0f seconds before the next try.", _describe(error), pause, level=logging.WARNING
                )
            except requests.exceptions.RequestException as error:
                raise FatalAPIError(f"'{self.name}' could not be read: {_describe(error)}.") from None
            self.pause(pause)

    def _read(self, page: Slice, projection: Projection) -> Page:
        request = requests.Request("GET", self.get_url(None), params=self.url_params(page, projection))
        prepared = self.requests_session.prepare_request(request)
        # What `Session.request` does, and `Session.send` alone does not: proxies and authorities of the environment.
        settings = self.requests_session.merge_environment_settings(prepared.url, {}, None, None, None)
        response = self.requests_session.send(
            prepared,
            timeout=self.config["request_timeout"],
            allow_redirects=False,  # the key is for one host
            **settings,
        )
        self._write_request_duration_log(self.path, response, None, None)
        self.validate_response(response)
        try:
            return self.read_page(response.content)
        except msgspec.ValidationError as error:
            raise FatalAPIError(f"Lucca's answer for '{self.name}' is not of the documented form: {error}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RetriableAPIError(
                f"{self.url_base} answers with something that is not JSON (is 'host' right? is there a proxy?)",
                response,
            ) from None

    @override
    def validate_response(self, response: requests.Response) -> None:
        """Raise what the status of the answer stands for.

        Raises:
            SlowPageError: The page is too large (408).
            RetriableAPIError: Worth another try: 429 and 5xx.
            FatalAPIError: Anything else but 200, with what to do about it.
        """
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        if status == HTTPStatus.REQUEST_TIMEOUT:
            raise SlowPageError
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RetriableAPIError("Lucca's rate limit, which all integrations share, is used up (429)", response)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RetriableAPIError(f"Lucca answers {status} {response.reason}", response)
        raise FatalAPIError(f"Lucca answers {status} for '{self.name}': {self._advice(response)}.")

    def _advice(self, response: requests.Response) -> str:
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            return "the API key is wrong or revoked; check the setting 'api_key'"
        if response.status_code == HTTPStatus.FORBIDDEN:
            return f"the role of the API key must be given the right {self.right}"
        if response.status_code == HTTPStatus.NOT_FOUND:
            return f"there is no Lucca API at {self.url_base}; check the setting 'host'"
        if response.is_redirect:
            elsewhere = response.headers["Location"].partition("://")[2].partition("/")[0] or "elsewhere"
            return f"{self.url_base} redirects to {elsewhere}; check the setting 'host'"
        # Whoever echoes the request echoes the key.
        words = response.text[:500].replace(self.config["api_key"], "…")
        return f"it says {words!r}" if words else "it does not say why"

    @override
    def _process_record(self, *args: object, **kwargs: object) -> None:
        """Leave out what the SDK does for child streams: there are none, and it applies every filter once more."""

    @override
    def _write_record_message(self, record: Row) -> None:
        """Write the record as the stream maps make it; the SDK tells of an expression that fails with what it read."""
        try:
            super()._write_record_message(record)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ConnectorError(
                f"An expression in 'stream_maps' fails on the record {record['id']} of '{self.name}' "
                f"({type(error).__name__}): does it allow for values that are null?"
            ) from None

    @override
    def _generate_record_messages(self, record: Row) -> Generator[RecordMessage, None, None]:
        messages = super()._generate_record_messages(record)
        return self._without_absent_objects(messages) if self.config.get("flattening_enabled") else messages

    def _without_absent_objects(self, messages: Iterable[RecordMessage]) -> Generator[RecordMessage, None, None]:
        """Leave out objects that are null and were to be flattened: the SDK passes on a name that no schema has."""
        for message in messages:
            names = self._flattened_names[message.stream]
            message.record = {
                name: value for name, value in message.record.items() if value is not None or name in names
            }
            yield message

    @cached_property
    def _flattened_names(self) -> dict[str, Any]:
        """The properties of each stream that the stream maps make, after flattening."""
        return {stream.stream_alias: stream.transformed_schema.get("properties", {}) for stream in self.stream_maps}

    @override
    def log(self, message: str, *args: object, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message, but for the SDK's remark that an error was unhandled: `cli.main` tells each one, once."""
        if not message.startswith("An unhandled error"):
            super().log(message, *args, level=level, **kwargs)


class _LuccaAuth(AuthBase):
    """`Authorization: lucca application=<key>`, on requests only: nothing here can print the key."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"lucca application={self._api_key}"
        return request


def _pauses() -> Generator[float, Exception, None]:
    """Yield the seconds to wait after each error sent in: what Lucca asks for, else 1, 2, 4 … seconds."""
    error = yield 0.0
    for pause in chain((1.0, 2.0, 4.0, 8.0, 16.0, 32.0), repeat(LONGEST_PAUSE)):
        asked = _retry_after(error.response) if isinstance(error, RetriableAPIError) else None
        error = yield pause if asked is None else asked


def _retry_after(response: requests.Response | None) -> float | None:
    """Return the seconds a response asks to wait, given as such or as an HTTP date; None if it does not."""
    if response is None:
        return None
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds(), 0.0)
    except (OverflowError, TypeError, ValueError):
        return RATE_LIMIT_WINDOW if response.status_code == HTTPStatus.TOO_MANY_REQUESTS else None


def _is_permanent(error: Exception) -> bool:
    """Whether another try is pointless: a certificate does not become valid by waiting."""
    return isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _describe(error: Exception) -> str:
    """Tell a transient error in a few words, without the address and query that requests puts into its own."""
    if isinstance(error, RetriableAPIError):
        return str(error)
    if isinstance(error, requests.exceptions.Timeout):
        return "Lucca does not answer in time"
    root: BaseException = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    return f"the connection to Lucca failed ({root})"


def _is_name(hostname: str) -> bool:
    """Whether it can be the name of a host, or an address: labels of up to 63 characters, none of them empty."""
    return ":" in hostname or re.fullmatch(r"(?!-)[\w-]{1,63}(\.(?!-)[\w-]{1,63})*\.?", hostname) is not None


def _is_loopback(hostname: str) -> bool:
    try:
        return hostname == "localhost" or ip_address(hostname).is_loopback
    except ValueError:
        return False
