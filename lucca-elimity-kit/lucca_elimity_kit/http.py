"""Calls other systems: with size and time limits, one retry policy, and errors in our own words."""

import json
import os
import re
import ssl
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.client import HTTPException
from importlib.metadata import version
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from typing_extensions import override
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationParseError, NewConnectionError
from urllib3.util import parse_url

from lucca_elimity_kit.foreign import (
    chain_of,
    failure,
    is_untrusted,
    proxy_status,
    redirect_host,
    status_phrase,
    was_sent,
)
from lucca_elimity_kit.retries import FailedTryError, Retries, retry_after_of
from lucca_elimity_kit.tls import DEFAULT_TLS, TlsFiles

T = TypeVar("T")
# Returns what to do about a status of another system, or None.
Advice: TypeAlias = Callable[[int], str | None]

MOST_BYTES = 64 * 1024 * 1024
CHUNK = 64 * 1024

# A proxy or load balancer answers with these, and can't know whether the server processed the request.
_ANSWER_LOST = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT, *range(520, 528)}
_ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# requests doesn't wrap all errors of urllib3, and urllib3 doesn't wrap all of Python's.
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class OutcomeAdapter(HTTPAdapter):
    """An adapter whose errors tell a request that wasn't sent from an answer that was lost."""

    @override
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = cast("HTTPConnectionPool", super().get_connection_with_tls_context(*args, **kwargs))
        # Set on the pool, because proxies and other adapters have their own pool classes.
        pool.ConnectionCls = _with_outcome(pool.ConnectionCls)
        return pool


@cache
def _with_outcome(connection_class: type[HTTPConnection]) -> type[HTTPConnection]:
    if issubclass(connection_class, _OutcomeConnection):
        return connection_class
    return type(connection_class.__name__, (_OutcomeConnection, connection_class), {})


class _OutcomeConnection(HTTPConnection):
    """A connection that raises NewConnectionError only, and always, if the request wasn't sent."""

    @override
    def connect(self) -> None:
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (HTTPError, HTTPException, OSError) as error:  # such as a TLS handshake that fails
            raise NewConnectionError(self, "no connection") from error

    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().request(*args, **kwargs)
        except ssl.SSLEOFError as error:
            # urllib3 then reads what the server sent before it closed the connection, such as an early 413.
            raise BrokenPipeError from error


def new_session(program: str, adapter: OutcomeAdapter | None = None) -> requests.Session:
    """Return a session that sends all requests through one adapter, and names the program's distribution to servers."""
    session = requests.Session()
    session.headers["User-Agent"] = f"{program}/{version(program)}"
    # By default, requests asks for every compression that the installed packages can decompress.
    session.headers["Accept-Encoding"] = "gzip, deflate"
    adapter = adapter or OutcomeAdapter()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode the body of an answer. Half a surrogate pair becomes U+FFFD.

    Raises:
        msgspec.ValidationError: The body is JSON, but doesn't have the expected form.
        msgspec.DecodeError: The body is not JSON, or it is nested too deeply.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # msgspec refuses half a surrogate pair, the json module accepts it
    try:
        text = json.dumps(json.loads(body.decode()), ensure_ascii=False)
        return decoder.decode(_LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))
    except msgspec.DecodeError:
        raise
    except (ValueError, RecursionError):
        raise msgspec.DecodeError("The text is not JSON, or it is nested too deeply.") from None


def _no_advice(_: int) -> None:
    return None


@dataclass(frozen=True)
class Http:
    """Calls another system.

    Attributes:
        session: Its adapters, authentication and headers are used. It comes from `new_session`.
        retries: The retry policy. It also has the name of the other system for messages.
        timeout: Seconds to connect, as many for the answer to begin, and as many again for its body.
        tls: The TLS files.
        transient: The statuses to retry, besides all from 500 on.
        max_bytes: The largest answer to accept, decompressed.
        before: Called before each try. An exception that it raises ends the call.
        after: Called with the URL and the headers of each answer.
    """

    session: requests.Session
    retries: Retries
    timeout: float
    tls: TlsFiles = DEFAULT_TLS
    transient: Collection[int] = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    max_bytes: int = MOST_BYTES
    before: Callable[[], None] = lambda: None
    after: Callable[[str, Mapping[str, str]], None] = lambda _, __: None

    def call(
        self,
        method: str,
        url: str,
        *,
        what: str,
        read: Callable[[bytes], T],
        advice: Advice = _no_advice,
        **content: Any,  # noqa: ANN401 - requests' own
    ) -> T:
        """Send a request, retry temporary failures, and return the content of a complete answer with a success status.

        Args:
            method: The HTTP method.
            url: The URL.
            what: What is being done, to begin a message with: "Reading the users".
            read: Takes a body, without a byte order mark, and returns its content; raises FailedTryError to refuse it.
            advice: Returns what to do about a status, or None.
            content: Other arguments of `requests.Request`: params, headers, json, data (a file is read from its start).

        Raises:
            CallError: The last try failed.
        """

        def attempt() -> T:
            with self._open(method, url, self.timeout, content, advice) as response:
                body = b"".join(self._limited(self._chunks(response, url, self.timeout)))
            return read(body.removeprefix(BOM_UTF8))

        return self.retries.run(attempt, what)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        what: str,
        seconds: float,
        advice: Advice = _no_advice,
        **content: Any,  # noqa: ANN401 - requests' own
    ) -> Iterator[Iterator[bytes]]:
        """Open the body of an answer, and yield it in chunks. Only opening is retried.

        The answer must begin within these seconds, and its body must arrive within as many again.

        Raises:
            CallError: The last try failed, or the body breaks off while it is read.
        """
        with self.retries.run(lambda: self._open(method, url, seconds, content, advice), what) as response:
            try:
                yield self._chunks(response, url, seconds)
            except FailedTryError as error:
                raise self.retries.as_call_error(error, what) from None

    def _open(
        self, method: str, url: str, seconds: float, content: Mapping[str, Any], advice: Advice
    ) -> requests.Response:
        """Send a request and return an answer with a success status. Its body is not read yet."""
        self.before()
        if (body := content.get("data")) is not None and hasattr(body, "seek"):
            body.seek(0)
        proxies = self._proxies(url)
        try:
            request = self.session.prepare_request(requests.Request(method, url, **content))
            # Not Session.send: it parses the target of a redirect even if it doesn't follow it.
            response = self.session.get_adapter(url).send(
                request,
                stream=True,
                timeout=(self.timeout, seconds),
                verify=self.tls.verify,
                cert=self.tls.cert,
                proxies=proxies,
            )
        except _FAILURES as error:
            raise self._failed(error, url, sent=was_sent(error)) from None
        try:
            self.after(url, response.headers)
            self._check_status(response, advice)
        except BaseException:
            response.close()
            raise
        return response

    def _proxies(self, url: str) -> dict[str, str]:
        settings = self.session.merge_environment_settings(url, {}, None, None, None)
        proxies: dict[str, str] = dict(settings["proxies"])
        proxy = select_proxy(url, proxies)
        if proxy and not _is_proxy(proxy):
            raise FailedTryError(
                f"cannot be called: {_proxy_variable(url)} is not the URL of a proxy. "
                "Percent-encode special characters in its user name and password"
            )
        return proxies

    def _check_status(self, response: requests.Response, advice: Advice) -> None:
        """Refuse an answer without a success status."""
        status = response.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        problem = f"answers {status_phrase(status)}"
        sent, received = response.request.headers, response.headers
        if host := redirect_host(received.get("Location", ""), sent.get("Authorization", "")):
            problem += f", a redirect to {host}"
        if hint := advice(status):
            problem += f": {hint}"
        raise FailedTryError(
            problem,
            transient=status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in self.transient,
            status=status,
            retry_after=retry_after_of(received.get("Retry-After", "")),
            # After a status below 200, the server's final answer should follow.
            answer_lost=status < HTTPStatus.OK or status in _ANSWER_LOST,
        )

    def _chunks(self, response: requests.Response, url: str, seconds: float) -> Iterator[bytes]:
        """Yield the body, decompressed. Its time is checked when bytes arrive: a silence may last as long again."""
        if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise FailedTryError("answers in a compression that is not supported", answer_lost=True)
        end = time.monotonic() + seconds
        try:
            # Not `read`: it waits until it has all the bytes, however slowly they come.
            while chunk := response.raw.read1(CHUNK, decode_content=True):
                if time.monotonic() > end:
                    raise requests.ReadTimeout
                yield chunk
        except _FAILURES as error:
            raise self._failed(error, url, sent=True) from None

    def _limited(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self.max_bytes:
                raise FailedTryError(f"answers with more than {self.max_bytes // 1024 // 1024} MiB", answer_lost=True)
            yield chunk

    def _failed(self, error: Exception, url: str, *, sent: bool) -> FailedTryError:
        through = ""
        if select_proxy(url, self._proxies(url)):
            through = f" through the proxy of {_proxy_variable(url)}"
        status = next(filter(None, map(proxy_status, chain_of(error))), None)
        if status:
            transient = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else:
            transient = not is_untrusted(error) and not isinstance(error, ValueError)
        return FailedTryError(
            f"cannot be used{through} ({failure(error)})", transient=transient, answer_lost=sent and not status
        )


def _is_proxy(address: str) -> bool:
    """Whether an address names only a proxy. An unescaped character in its password makes it another URL."""
    try:
        parts = parse_url(address if "://" in address else f"http://{address}")
    except LocationParseError:
        return False
    return bool(parts.host) and parts.request_uri == "/" and not parts.fragment


def _proxy_variable(url: str) -> str:
    """Return the variable that names the proxy for a URL. Never show its value, which may hold a password."""
    scheme = urlsplit(url).scheme
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next(filter(os.environ.get, names), names[1])
