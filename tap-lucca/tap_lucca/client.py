"""The HTTP client of Lucca: the API key, the rate limit, and the advice for each status.

Limits and status codes: https://developers.lucca.fr/docs/lucca-legacy ("limits").
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar

import msgspec
import requests
from lucca_elimity_kit import transport
from lucca_elimity_kit.http import Answer, Http
from lucca_elimity_kit.retries import CallError, FailedTryError, Retries
from lucca_elimity_kit.tls import DEFAULT_TLS, TlsFiles
from requests.auth import AuthBase
from requests_ratelimiter import InMemoryBucket, Limiter, LimiterAdapter, Rate
from typing_extensions import override

T = TypeVar("T")

# Lucca counts the requests of a tenant in this many seconds. It's also the pause after a 429 without Retry-After.
RATE_LIMIT_WINDOW = 60.0

_ADVICE: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the API key is wrong or revoked; check the setting 'api_key'",
    HTTPStatus.NOT_FOUND: "there is no Lucca API at this address; check the setting 'host'",
    HTTPStatus.TOO_MANY_REQUESTS: "the rate limit, which all integrations of the tenant share, is used up",
}


class LuccaError(CallError):
    """Lucca could not be read. `status` is the status of its last answer, if there was one."""


class SlowPageError(LuccaError):
    """Lucca timed out on a page (408). A smaller page may help."""


class LuccaClient:
    """Calls one Lucca instance with one API key."""

    def __init__(  # noqa: PLR0913 - the settings, and what the gateway replaces
        self,
        url: str,
        api_key: str,
        *,
        session: requests.Session,
        timeout: float,
        max_retry_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        tls: TlsFiles = DEFAULT_TLS,
    ) -> None:
        """Create a client.

        Args:
            url: The URL of the instance, without a slash at its end.
            api_key: The API key. The session sends it; the client keeps it out of the log.
            session: Sends the key and keeps to the rate limit; see `new_session`.
            timeout: Seconds to connect, and as many again for a whole answer.
            max_retry_seconds: Seconds during which to retry a temporary failure.
            sleep: Waits between two tries. An exception that it raises ends the call.
            tls: The TLS files.
        """
        self._url = url
        self._http = Http(
            session,
            Retries("Lucca", max_retry_seconds, logging.getLogger("tap-lucca.client"), RATE_LIMIT_WINDOW, sleep),
            timeout,
            tls,
            secrets=(api_key,),
            transient=(HTTPStatus.TOO_MANY_REQUESTS,),
        )

    def get(self, path: str, params: Mapping[str, str], *, what: str, right: str, read: Callable[[Answer], T]) -> T:
        """Send a GET request and return the decoded answer.

        Args:
            path: The path of the endpoint.
            params: The query.
            what: What is being done, to begin a message with: "Reading 'users'".
            right: The right that the role of the API key needs for this.
            read: Decodes the answer. Raises an error of msgspec if the answer doesn't have the documented form.

        Raises:
            SlowPageError: Lucca timed out (408).
            LuccaError: The last try failed.
        """

        def read_or_refuse(answer: Answer) -> T:
            try:
                return read(answer)
            except msgspec.ValidationError as error:  # its text has our types and fields, but no values
                raise FailedTryError(f"answers in a form that is not documented: {error}") from None
            except msgspec.DecodeError:
                raise FailedTryError(
                    "answers with something that is not JSON; check the setting 'host', and any proxy on the way",
                    transient=True,
                ) from None

        http = replace(self._http, advice=lambda status: _advice(status, right))
        try:
            return http.call("GET", self._url + path, what=what, read=read_or_refuse, params=params)
        except CallError as error:
            kind = SlowPageError if error.status == HTTPStatus.REQUEST_TIMEOUT else LuccaError
            raise kind(str(error), status=error.status) from None


def _advice(status: int, right: str) -> str | None:
    if status == HTTPStatus.FORBIDDEN:
        return f"the role of the API key must be given the right {right}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "check the setting 'host'"
    return _ADVICE.get(status)


def new_session(api_key: str, requests_per_minute: int, window: float = RATE_LIMIT_WINDOW) -> requests.Session:
    """Return a session that sends the API key and keeps to the rate limit. Only tests change the window, in seconds."""
    limiter = Limiter(InMemoryBucket([Rate(requests_per_minute, round(window * 1000))]))
    # The retry policy handles a 429. The adapter must not count it as a full window as well.
    session = transport.new_session("tap-lucca", _Adapter(limiter=limiter, per_host=False, limit_statuses=()))
    session.auth = _LuccaAuth(api_key)
    return session


class _Adapter(LimiterAdapter, transport.BoundedAdapter):  # type: ignore[misc] # `send` of LimiterMixin takes any keywords
    """Keeps to the rate limit and bounds the answer."""


class _LuccaAuth(AuthBase):
    """Adds the API key to each request."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"lucca application={self._api_key}"
        return request
