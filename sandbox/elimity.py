"""An Elimity Insights with one source that agents import into."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from sandbox.data_model import DataModel, load_data_model
from sandbox.faults import CONTROL, FaultInjection, Faults, control_routes
from sandbox.server import Dated
from sandbox.snapshot_rules import check_snapshot, inflate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send


class ConnectorLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the Logs tab."""

    level: Literal["info", "alert"]
    message: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


class LoggedRequest(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it arrived; `headers` have names in lower case."""

    compressed: bytes
    headers: Mapping[str, str]

    @property
    def document(self) -> bytes:
        """The JSON that was compressed."""
        return inflate(self.compressed)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON as objects, parsed anew each time."""
        body: dict[str, Any] = msgspec.json.decode(self.document)
        return body


@dataclass(slots=True)
class Elimity:
    """What Elimity Insights holds and how it behaves; serve its `app`. Every attribute may change while it is served.

    Attributes:
        data_model: of the source, as its export file spells it; that of the repository by default.
        max_body_bytes: a larger request is refused with 413.
        validate: whether snapshots are checked; benchmarks go without.
        snapshots: every snapshot accepted, the current one last.
        requests: every request that came in, whatever its answer.
    """

    data_model: Mapping[str, Any] = field(default_factory=load_data_model)
    source_id: str = "1"
    source_token: str = "sandbox-source-token"  # noqa: S105 - not a secret
    faults: Faults = field(default_factory=Faults)
    max_body_bytes: int | None = None
    validate: bool = True
    snapshots: list[Snapshot] = field(default_factory=list)
    connector_logs: list[ConnectorLog] = field(default_factory=list)
    requests: list[LoggedRequest] = field(default_factory=list)
    app: ASGIApp = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Build the application."""
        self.app = _application(self)

    @property
    def current(self) -> Snapshot | None:
        """What the source holds: the last snapshot."""
        return self.snapshots[-1] if self.snapshots else None

    async def read_body(self, request: Request, content_type: str) -> bytes:
        """Read the body of an allowed request; raises HTTPException for any other."""
        self.check_access(request)
        # The request is read to its end even when it is refused: the client could not read why otherwise.
        body = await request.body()
        if self.max_body_bytes is not None and len(body) > self.max_body_bytes:
            raise HTTPException(413, f"the body is larger than {self.max_body_bytes} bytes")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
            raise HTTPException(415, f"the content type has to be {content_type}")
        if "content-length" not in request.headers:
            raise HTTPException(411, "the request has no content length")
        return body

    def check_access(self, request: Request) -> None:
        """Raise HTTPException for a source that is not there or credentials that are not its own."""
        if request.path_params["source_id"] != self.source_id:
            raise HTTPException(404, "unknown source")
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            credentials = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            credentials = b""
        expected = f"{self.source_id}:{self.source_token}".encode()
        if scheme.lower() != "basic" or not compare_digest(credentials, expected):
            raise HTTPException(401, "wrong source id or token", {"WWW-Authenticate": 'Basic realm="sources"'})

    def accept_snapshot(self, snapshot: Snapshot) -> None:
        """Replace what the source holds; raises ValueError for what is not a snapshot of its data model."""
        if self.validate:
            check_snapshot(snapshot.document, msgspec.convert(self.data_model, DataModel))
        self.snapshots.append(snapshot)


def values_of(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity's values by attribute; days and times as text in ISO 8601."""
    return {
        assignment["attributeTypeId"]: _plain(assignment["value"]["value"])
        for assignment in entity["attributeAssignments"]
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        return value
    day = "{year:04}-{month:02}-{day:02}".format_map(value) if "year" in value else ""
    clock = "{hour:02}:{minute:02}:{second:02}".format_map(value) if "hour" in value else ""
    return "T".join(part for part in (day, clock) if part)


def _application(elimity: Elimity) -> Starlette:
    async def data_model(request: Request) -> Response:
        elimity.check_access(request)
        return Response(msgspec.json.encode(elimity.data_model), media_type="application/json")

    async def snapshots(request: Request) -> Response:
        body = await elimity.read_body(request, "application/octet-stream")
        snapshot = Snapshot(body, dict(request.headers))
        try:
            await run_in_threadpool(elimity.accept_snapshot, snapshot)
        except (ValueError, msgspec.DecodeError) as error:
            raise HTTPException(400, str(error)) from None
        return Response(status_code=204)

    async def connector_logs(request: Request) -> Response:
        body = await elimity.read_body(request, "application/json")
        try:
            elimity.connector_logs += msgspec.json.decode(body, type=list[ConnectorLog])
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from None
        return Response(status_code=204)

    source = "/api/sources/{source_id}/"
    return Starlette(
        routes=[
            Route(f"{source}domain-graph-schema", data_model, methods=["GET"]),
            Route(f"{source}snapshots", snapshots, methods=["POST"]),
            Route(f"{source}connector-logs", connector_logs, methods=["POST"]),
            *control_routes(elimity.faults),
        ],
        middleware=[
            Middleware(Dated),
            Middleware(_Door, elimity=elimity),
            Middleware(FaultInjection, faults=elimity.faults),
        ],
    )


@dataclass(frozen=True, slots=True)
class _Door:
    """Logs every request, before any fault."""

    app: ASGIApp
    elimity: Elimity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(CONTROL):
            self.elimity.requests.append(LoggedRequest(scope["method"], scope["path"]))
        await self.app(scope, receive, send)
