"""The HTTP client of Elimity Insights for one custom source: its data model, its snapshot, its logs.

Agent-based import: https://docs.elimity.com (custom sources).
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, BinaryIO, Literal, TypeVar
from urllib.parse import quote

import msgspec
from lucca_elimity_kit.http import Http, decode, new_session
from lucca_elimity_kit.retries import CallError, FailedTryError, Retries
from lucca_elimity_kit.tls import load_tls

from target_elimity.data_model import DataModel
from target_elimity.settings import TargetSettings

T = TypeVar("T")

# Seconds to connect, and as many to answer. Short, because a log line must not delay an import or its interruption.
LOG_TIMEOUT = 2.5

logger = logging.getLogger("target-elimity.insights")

_ADVICE: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "it does not accept what was sent",
    HTTPStatus.UNAUTHORIZED: "'source_id' or 'source_token' is wrong, or the credentials were revoked",
    HTTPStatus.FORBIDDEN: "the credentials may not do this; generate new ones in the source's settings",
    HTTPStatus.NOT_FOUND: "there is no such source here; check 'url' and 'source_id'",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "put the proxy's user name and password into the variable that names it",
    HTTPStatus.CONFLICT: "another import or a change of the source is under way; run this one again later",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the snapshot is larger than the server, or a proxy before it, allows",
    HTTPStatus.UNPROCESSABLE_ENTITY: "it does not accept what was sent; check the data model of the source",
}
_DATA_MODEL = msgspec.json.Decoder(DataModel)


class Insights:
    """One custom source of an Elimity Insights server."""

    def __init__(self, settings: TargetSettings) -> None:
        """Create a client from the settings of the target.

        Raises:
            SettingsError: A TLS file cannot be used.
        """
        self._url = f"{settings.url.rstrip('/')}/api/sources/{quote(settings.source_id, safe='')}"
        self._http = new_http(settings, settings.source_id, settings.source_token)
        self._log_http = replace(self._http, retries=replace(self._http.retries, max_seconds=0), timeout=LOG_TIMEOUT)

    def data_model(self) -> DataModel:
        """Return the data model of the source.

        Raises:
            CallError: It can't be read.
        """
        return self._call("GET", "domain-graph-schema", "Reading the data model of the source", _read_data_model)

    def upload(self, snapshot: BinaryIO) -> None:
        """Replace everything the source holds by a compressed snapshot, which is streamed from the file.

        Raises:
            CallError: It was not accepted, or it is unknown whether it was (`answer_lost`).
        """
        headers = {"Content-Type": "application/octet-stream"}
        self._call("POST", "snapshots", "Uploading the snapshot", _refuse_page, data=snapshot, headers=headers)

    def log(self, level: Literal["info", "alert"], message: str) -> None:
        """Write a line to the Logs tab of the source. If that fails, log a warning."""
        line = {"level": level, "message": message, "timestamp": datetime.now(UTC).isoformat()}
        what = "Writing a line to the source's Logs tab"
        try:
            # Only the status matters; the body is not read.
            url = f"{self._url}/connector-logs"
            with self._log_http.stream("POST", url, what=what, seconds=LOG_TIMEOUT, advice=_advice, json=[line]):
                pass
        except CallError as error:
            logger.warning("%s", error)

    def _call(self, method: str, path: str, what: str, read: Callable[[bytes], T], **content: Any) -> T:  # noqa: ANN401 - requests' own
        return self._http.call(method, f"{self._url}/{path}", what=what, read=read, advice=_advice, **content)


def new_http(settings: TargetSettings, user: str, password: str) -> Http:
    """Return an HTTP client for Elimity Insights with these credentials.

    Raises:
        SettingsError: A TLS file cannot be used.
    """
    session = new_session("target-elimity")
    session.auth = (user, password)
    return Http(
        session,
        Retries("Elimity Insights", settings.max_retry_seconds, logger),
        settings.request_timeout,
        tls=load_tls(
            ca_bundle=settings.ca_bundle,
            client_certificate=settings.client_certificate,
            client_private_key=settings.client_private_key,
        ),
    )


def _advice(status: int) -> str | None:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }:
        return None
    return _ADVICE.get(status, "check the setting 'url'")


def _refuse_page(body: bytes) -> None:
    # Checks the body, not the type: an empty answer is fine, whatever its type.
    if body.lstrip().startswith(b"<"):
        raise FailedTryError(
            "cannot be used: a proxy seems to answer with a page of its own", transient=True, answer_lost=True
        )


def _read_data_model(body: bytes) -> DataModel:
    try:
        return decode(body, _DATA_MODEL)
    except msgspec.DecodeError:
        raise FailedTryError("answers with something that is no data model; check the setting 'url'") from None
