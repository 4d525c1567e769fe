"""Calls other systems: with size and time limits, one retry policy, and errors in our own words."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, TypeVar

import requests
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError

from lucca_elimity_kit.foreign import (
    chain_of,
    failure,
    is_untrusted,
    proxy_status,
    redirect_host,
    status_phrase,
    was_sent,
)
from lucca_elimity_kit.proxies import is_proxy, proxy_variable
from lucca_elimity_kit.retries import FailedTryError, Retries, retry_after_of
from lucca_elimity_kit.tls import DEFAULT_TLS, TlsFiles

T = TypeVar("T")

MOST_BYTES = 64 * 1024 * 1024
CHUNK = 64 * 1024

# A proxy or load balancer answers with these, and can't know whether the server processed the request.
_ANSWER_LOST = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT, *range(520, 528)}
_ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}
# requests doesn't wrap all errors of urllib3, and urllib3 doesn't wrap all of Python's.
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer with a success status."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Http:
    """Calls another system.

    Attributes:
        session: Its adapters, authentication and headers are used. Mount `BoundedAdapter`: it enforces the time limit.
        retries: The retry policy. It also has the name of the other system for messages.
        timeout: Seconds to connect, and as many again for the whole answer once the request was sent.
        tls: The TLS files.
        advice: What to do about a status, or None.
        transient: The statuses to retry, besides all from 500 on.
        max_bytes: The largest answer to accept, decompressed.
        before: Called before each try. An exception that it raises ends the call.
    """

    session: requests.Session
    retries: Retries
    timeout: float
    tls: TlsFiles = DEFAULT_TLS
    advice: Callable[[int], str | None] = lambda _: None
    transient: Collection[int] = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    max_bytes: int = MOST_BYTES
    before: Callable[[], None] = lambda: None

    def call(
        self,
        method: str,
        url: str,
        *,
        what: str,
        read: Callable[[Answer], T],
        **content: Any,  # noqa: ANN401 - requests' own
    ) -> T:
        """Send a request, retry temporary failures, and return the content of the answer.

        Args:
            method: The HTTP method.
            url: The URL.
            what: What is being done, to begin a message with: "Reading the users".
            read: Returns the content of an answer; raises FailedTryError to refuse it.
            content: Other arguments of `requests.Request`: params, headers, json, data (a file is read from its start).

        Raises:
            CallError: The last try failed.
        """

        def attempt() -> T:
            with self._open(method, url, self.timeout, content) as response:
                body = b"".join(self._chunks(response, url))
            return read(Answer(response.headers, body))

        return self.retries.run(attempt, what)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        what: str,
        seconds: float,
        **content: Any,  # noqa: ANN401 - requests' own
    ) -> Iterator[Callable[[int], bytes]]:
        """Open the body of an answer. Yield a function that takes a size and returns the next bytes.

        At the end of the body, it returns none. Only opening is retried; `seconds` limits the whole answer.

        Raises:
            CallError: The last try failed, or the body breaks off while it is read.
        """
        with self.retries.run(lambda: self._open(method, url, seconds, content), what) as response:
            try:
                yield partial(self._read, response, url)
            except FailedTryError as error:
                raise self.retries.as_call_error(error, what) from None

    def _open(
        self,
        method: str,
        url: str,
        seconds: float,
        content: Mapping[str, Any],
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
            self._check_status(response)
        except BaseException:
            response.close()
            raise
        return response

    def _proxies(self, url: str) -> dict[str, str]:
        settings = self.session.merge_environment_settings(url, {}, None, None, None)
        proxies: dict[str, str] = dict(settings["proxies"])
        proxy = select_proxy(url, proxies)
        if proxy and not is_proxy(proxy):
            raise FailedTryError(
                f"cannot be called: {proxy_variable(url)} is not the URL of a proxy. "
                "Percent-encode special characters in its user name and password"
            )
        return proxies

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        problem = f"answers {status_phrase(status)}"
        sent, received = response.request.headers, response.headers
        if host := redirect_host(received.get("Location", ""), sent.get("Authorization", "")):
            problem += f", a redirect to {host}"
        if hint := self.advice(status):
            problem += f": {hint}"
        raise FailedTryError(
            problem,
            transient=status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in self.transient,
            status=status,
            retry_after=retry_after_of(received.get("Retry-After", "")),
            answer_lost=status in _ANSWER_LOST,
        )

    def _chunks(self, response: requests.Response, url: str) -> Iterator[bytes]:
        size = 0
        while chunk := self._read(response, url, CHUNK):
            size += len(chunk)
            if size > self.max_bytes:
                raise FailedTryError(f"answers with more than {self.max_bytes // 1024 // 1024} MiB", answer_lost=True)
            yield chunk

    def _read(self, response: requests.Response, url: str, size: int) -> bytes:
        if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise FailedTryError("answers in a compression that is not supported", answer_lost=True)
        try:
            chunk: bytes = response.raw.read(size, decode_content=True)
        except _FAILURES as error:
            raise self._failed(error, url, sent=True) from None
        return chunk

    def _failed(self, error: Exception, url: str, *, sent: bool) -> FailedTryError:
        through = ""
        if select_proxy(url, self._proxies(url)):
            through = f" through the proxy of {proxy_variable(url)}"
        status = next(filter(None, map(proxy_status, chain_of(error))), None)
        permanent = is_untrusted(error) or isinstance(error, ValueError) or (status or 500) < 500  # noqa: PLR2004
        return FailedTryError(
            f"cannot be used{through} ({failure(error)})", transient=not permanent, answer_lost=sent and not status
        )
