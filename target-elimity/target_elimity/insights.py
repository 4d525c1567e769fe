"""The HTTP client of Elimity Insights for one custom source: its data model, its snapshot, its logs.

Agent-based import: https://docs.elimity.com (custom sources). Time-outs and retries are on every call.
"""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from http import HTTPStatus
from http.client import HTTPException
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, BinaryIO, Literal
from urllib.parse import quote

import backoff
import requests
from lucca_elimity_kit.errors import ConnectorError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from backoff.types import Details

# Seconds: a log line must neither hold up an import nor the end of an interrupted one.
LOG_TIMEOUT = 5
# Longest pause between two tries, in seconds.
LONGEST_PAUSE = 60

logger = logging.getLogger("target-elimity.insights")


class InsightsError(ConnectorError):
    """Elimity Insights could not be reached or refused; the message says what to do about it."""


class _UnavailableError(Exception):
    """Elimity Insights answers with a status that another try may change."""


TRANSIENT_ERRORS = (
    _UnavailableError,
    requests.exceptions.Timeout,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class Insights:
    """One custom source of an Elimity Insights server."""

    def __init__(  # noqa: PLR0913 - one for each setting
        self,
        url: str,
        source_id: str,
        source_token: str,
        *,
        timeout: float,
        max_retry_seconds: int,
        client_certificate: str | None = None,
        client_private_key: str | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """Address a source.

        Args:
            url: URL of the server, without a slash at its end.
            source_id: Id of the custom source.
            source_token: Its token.
            timeout: Seconds to wait for the connection and for each part of an answer.
            max_retry_seconds: Seconds for which a call that fails in passing is tried again.
            client_certificate: File with the client certificate, for mutual TLS.
            client_private_key: File with its key, unless the certificate's file has it too.
            ca_bundle: File with the certificates of private authorities.
        """
        self._server = url
        self._url = f"{url}/api/sources/{quote(source_id, safe='')}"
        self._timeout = timeout
        self._patience = max_retry_seconds
        self._verify = ca_bundle
        self._certificate: str | tuple[str, str] | None = client_certificate
        if client_certificate and client_private_key:
            self._certificate = (client_certificate, client_private_key)
        self._session = requests.Session()
        self._session.auth = (source_id, source_token)
        self._session.headers["User-Agent"] = f"target-elimity/{version('target-elimity')}"

    def data_model(self) -> bytes:
        """Return the data model of the source, in the form of an export file.

        Raises:
            InsightsError: It could not be had.
        """
        return self._patiently("GET", "domain-graph-schema").content

    def upload(self, snapshot: BinaryIO) -> None:
        """Replace everything the source holds by a compressed snapshot, read from the file as it is sent.

        Raises:
            InsightsError: It was not accepted; the source holds what it held before.
        """
        self._patiently("POST", "snapshots", body=snapshot)

    def log(self, level: Literal["info", "alert"], message: str) -> None:
        """Write a line to the Logs tab of the source; a line that cannot be written is only told in the local log."""
        line = {"level": level, "message": message, "timestamp": datetime.now(timezone.utc).isoformat()}
        try:
            # The status is enough: a body that drips in would hold up the import.
            with self._send("POST", "connector-logs", timeout=LOG_TIMEOUT, json=[line], stream=True) as response:
                flaw = "" if _is_success(response) else f"{response.status_code} {response.reason}"
        except (requests.exceptions.RequestException, OSError) as error:
            flaw = _describe(error)
        if flaw:
            logger.warning("A line for the source's Logs tab could not be written (%s).", flaw)

    def _patiently(self, method: str, path: str, body: BinaryIO | None = None) -> requests.Response:
        @backoff.on_exception(
            backoff.expo,
            TRANSIENT_ERRORS,
            max_time=self._patience,
            max_value=LONGEST_PAUSE,
            giveup=_is_permanent,
            jitter=backoff.random_jitter,
            on_backoff=_tell_pause,
            logger=None,
        )
        def call() -> requests.Response:
            if body:
                body.seek(0)
            headers = {"Content-Type": "application/octet-stream"} if body else {}
            response = self._send(method, path, timeout=self._timeout, data=body, headers=headers)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code in {
                HTTPStatus.REQUEST_TIMEOUT,
                HTTPStatus.TOO_MANY_REQUESTS,
            }:
                raise _UnavailableError(f"{response.status_code} {response.reason}{_words(response)}")
            # By its body, not its type: an empty answer is good, whatever type a server gives it.
            if response.ok and response.content.lstrip().startswith(b"<"):
                raise _UnavailableError("a proxy, it seems, answers with a page of its own")
            return response

        try:
            response = call()
        except TRANSIENT_ERRORS as error:
            tried = f", after retrying for up to {self._patience} seconds"
            if _is_permanent(error) or not self._patience:
                tried = ""
            raise InsightsError(f"{self._server} cannot be used{tried}: {_describe(error)}.") from None
        except requests.exceptions.RequestException as error:
            raise InsightsError(f"{self._server} cannot be used: {_describe(error)}.") from None
        if not _is_success(response):
            raise InsightsError(
                f"{self._server} answers {response.status_code}: {self._advice(response)}{_words(response)}."
            )
        return response

    def _send(self, method: str, path: str, *, timeout: float, **content: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        return self._session.request(
            method,
            f"{self._url}/{path}",
            timeout=timeout,
            cert=self._certificate,
            verify=self._verify,
            allow_redirects=False,  # the token is for one server
            **content,
        )

    def _advice(self, response: requests.Response) -> str:
        advice: dict[int, str] = {
            HTTPStatus.BAD_REQUEST: "it does not accept what was sent",
            HTTPStatus.UNAUTHORIZED: "'source_id' or 'source_token' is wrong, or the credentials were revoked",
            HTTPStatus.FORBIDDEN: "the credentials may not do this; generate new ones in the source's settings",
            HTTPStatus.NOT_FOUND: "there is no such source here; check 'url' and 'source_id'",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the snapshot is larger than the server, or a proxy before it, allows",
        }
        return advice.get(response.status_code, "check the setting 'url'")


def _is_success(response: requests.Response) -> bool:
    return HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES


def _words(response: requests.Response) -> str:
    """Return what the server itself says of the error, in brackets."""
    words = " ".join(response.text[:1000].split())
    return f" (it says: {words})" if words else ""


def _is_permanent(error: Exception) -> bool:
    """Whether another try is pointless: a certificate does not become valid by waiting."""
    return isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _describe(error: Exception) -> str:
    """Tell an error in a few words, without the address that requests puts into its own."""
    if isinstance(error, requests.exceptions.Timeout):
        return "it does not answer in time"
    root: BaseException = error
    # Not any further: what is below the network's own errors is what was being handled when they came.
    while isinstance(deeper := root.__cause__ or root.__context__, (OSError, HTTPError, HTTPException)):
        root = deeper
    return str(root)


def _tell_pause(details: Details) -> None:
    logger.warning(
        "Elimity Insights: %s; waiting %.0f seconds before the next try.",
        _describe(details["exception"]),
        details["wait"],
    )
