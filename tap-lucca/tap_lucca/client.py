"""The HTTP client of Lucca: the API key, the rate limit, and the advice for each status.

Limits and status codes: https://developers.lucca.fr/docs/lucca-legacy ("limits").
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Lock
from typing import TypeVar, cast

import msgspec
import requests
from lucca_elimity_kit.http import Http
from lucca_elimity_kit.retries import CallError, FailedTryError, Retries
from lucca_elimity_kit.tls import DEFAULT_TLS, TlsFiles
from pyrate_limiter import InMemoryBucket, Rate, RateItem

from tap_lucca.settings import TapSettings, instance_url

T = TypeVar("T")

_LOGGER = logging.getLogger("tap-lucca.client")

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


class Budget:
    """Limits the requests in a window of some seconds. The clients of a tenant share it, in any thread."""

    def __init__(self, requests: int, window: float = RATE_LIMIT_WINDOW) -> None:
        self._bucket = InMemoryBucket([Rate(requests, round(window * 1000))])
        self._lock = Lock()

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Wait until a request is allowed. An exception that `sleep` raises ends the wait."""
        while seconds := self._seconds_to_wait():
            sleep(seconds)

    def _seconds_to_wait(self) -> float:
        with self._lock:
            now: int = self._bucket.now()  # type: ignore[no-untyped-call]
            self._bucket.leak(now)
            item = RateItem("request", now)
            if self._bucket.put(item):
                return 0.0
            return max(cast("int", self._bucket.waiting(item)), 1) / 1000


class LuccaClient:
    """Calls one Lucca instance with one API key."""

    def __init__(
        self,
        settings: TapSettings,
        session: requests.Session,
        budget: Budget,
        tls: TlsFiles = DEFAULT_TLS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Create a client from the settings of the tap.

        Args:
            settings: The settings.
            session: The session. Afterwards it sends the API key, so it belongs to this client.
            budget: The request budget of the tenant.
            tls: The TLS files.
            sleep: Waits for the budget, or between two tries. An exception that it raises ends the call.
        """

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"lucca application={settings.api_key}"
            return request

        session.auth = authorize  # a header of the session would give way to .netrc
        self._url = instance_url(settings.host)
        self.warn: Callable[[str], None] = _LOGGER.warning
        """Takes the warning that Lucca announces the end of an endpoint. Set your own to show it to administrators."""
        self._ending: set[str] = set()  # the paths whose end was announced
        self._http = Http(
            session,
            Retries("Lucca", settings.max_retry_seconds, _LOGGER, RATE_LIMIT_WINDOW, sleep),
            settings.request_timeout,
            tls,
            transient=(HTTPStatus.TOO_MANY_REQUESTS,),
            before=lambda: budget.wait(sleep),
            after=self._warn_of_end,
        )

    def get(self, path: str, params: Mapping[str, str], *, what: str, right: str, read: Callable[[bytes], T]) -> T:
        """Send a GET request and return the decoded answer.

        Args:
            path: The path of the endpoint.
            params: The query.
            what: What is being done, to begin a message with: "Reading 'users'".
            right: The right that the role of the API key needs for this.
            read: Decodes the body of the answer. Raises an error of msgspec if it doesn't have the documented form.

        Raises:
            SlowPageError: Lucca timed out (408).
            LuccaError: The last try failed.
        """

        def read_or_refuse(body: bytes) -> T:
            try:
                return read(body)
            except msgspec.ValidationError as error:  # its text has our types and fields, but no values
                raise FailedTryError(f"answers in a form that is not documented: {error}") from None
            except msgspec.DecodeError:
                raise FailedTryError(
                    "answers with something that is not JSON; check the setting 'host', and any proxy on the way",
                    transient=True,
                ) from None

        try:
            return self._http.call(
                "GET",
                self._url + path,
                what=what,
                read=read_or_refuse,
                advice=lambda status: _advice(status, right),
                params=params,
            )
        except CallError as error:
            kind = SlowPageError if error.status == HTTPStatus.REQUEST_TIMEOUT else LuccaError
            raise kind(str(error), status=error.status) from None

    def _warn_of_end(self, url: str, headers: Mapping[str, str]) -> None:
        """Warn once if Lucca announces when an endpoint ends (Sunset, RFC 8594) or is deprecated (RFC 9745)."""
        path = url.removeprefix(self._url)
        sunset, deprecation = headers.get("Sunset"), headers.get("Deprecation")
        if path in self._ending or (sunset is None and deprecation is None):
            return
        self._ending.add(path)
        when = ""
        if day := _date(sunset or ""):
            when = f" on {day}"
        elif day := _date(deprecation or ""):
            when = f", deprecated on {day}"
        self.warn(f"Lucca announces the end of {path}{when}. Upgrade the tap before that.")


def _date(value: str) -> date | None:
    """Return the date in a header, which is an HTTP date, or seconds such as `@1806451200`; None if it is neither."""
    try:
        if seconds := re.match(r"\s*@(\d{1,12})\b", value, re.ASCII):
            return datetime.fromtimestamp(int(seconds[1]), UTC).date()
        return parsedate_to_datetime(value).date()
    except (OverflowError, TypeError, ValueError):
        return None


def _advice(status: int, right: str) -> str | None:
    if status == HTTPStatus.FORBIDDEN:
        return f"the role of the API key must be given the right {right}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "check the setting 'host'"
    return _ADVICE.get(status)
