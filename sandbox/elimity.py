"""A simulated Elimity Insights with one source, which agents can import into and read back."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.data_model import DataModel, load_data_model
from sandbox.faults import CONTROL, FaultInjection, Faults, control_routes
from sandbox.queries import Paging, Query, answer, parse_queries
from sandbox.snapshot_rules import check_snapshot, inflate

NOTHING = b'{"entities":[],"relationships":[]}'
# Another application's source, which the API token may see too.
NEIGHBOR = {
    "archived": False,
    "domainGraphSchema": {
        "entityTypes": [
            {"anonymized": False, "icon": "person", "id": "account", "plural": "Accounts", "singular": "Account"}
        ],
        "entityAttributeTypes": [],
        "relationshipAttributeTypes": [],
    },
    "name": "Directory",
}


class ConnectorLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line in the Logs tab."""

    level: Literal["info", "alert"]
    message: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


class LoggedRequest(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it arrived. The names of `headers` are in lower case."""

    compressed: bytes
    headers: Mapping[str, str]
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def document(self) -> bytes:
        """The decompressed JSON."""
        return inflate(self.compressed)

    @property
    def body(self) -> dict[str, Any]:
        """The parsed JSON. Each access parses it again."""
        body: dict[str, Any] = msgspec.json.decode(self.document)
        return body


@dataclass(slots=True)
class Elimity:
    """The content and behavior of an Elimity Insights. Serve its `app`; every attribute may change while it is served.

    Attributes:
        data_model: The source's data model, in the format of an export file; by default the repository's.
        max_body_bytes: The largest body to accept. Larger requests are refused with 413.
        validate: Whether to check snapshots. Benchmarks don't.
        snapshots: Every accepted snapshot, the current one last.
        requests: Every request that arrived, whatever its answer.
        listed: Whether the API token may see the source. If not, queries are answered as if the source were empty.
        archived: Whether the list of sources marks the source as archived.
        paging: How the pages of query results look.
        queries: Every answered query.
    """

    data_model: Mapping[str, Any] = field(default_factory=load_data_model)
    source_id: str = "1"
    source_token: str = "sandbox-source-token"  # noqa: S105 - not a secret
    api_token_id: str = "sandbox-api-token"  # noqa: S105 - not a secret
    api_token_secret: str = "sandbox-api-token-secret"  # noqa: S105 - not a secret
    faults: Faults = field(default_factory=Faults)
    max_body_bytes: int | None = None
    validate: bool = True
    snapshots: list[Snapshot] = field(default_factory=list)
    connector_logs: list[ConnectorLog] = field(default_factory=list)
    requests: list[LoggedRequest] = field(default_factory=list)
    listed: bool = True
    archived: bool = False
    paging: Paging = field(default_factory=Paging)
    queries: list[Query] = field(default_factory=list)
    app: ASGIApp = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Build the application."""
        self.app = _application(self)

    @property
    def current(self) -> Snapshot | None:
        """What the source holds: the last snapshot."""
        return self.snapshots[-1] if self.snapshots else None

    async def read_body(self, request: Request, content_type: str) -> bytes:
        """Read the body of a request. Raises HTTPException if it is too large, or if a header is wrong or missing."""
        # Read the whole request even if it is refused. Otherwise the client couldn't read the answer.
        body = await request.body()
        if self.max_body_bytes is not None and len(body) > self.max_body_bytes:
            raise HTTPException(413, f"the body is larger than {self.max_body_bytes} bytes")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
            raise HTTPException(415, f"the content type has to be {content_type}")
        if "content-length" not in request.headers:
            raise HTTPException(411, "the request has no content length")
        return body

    def check_source(self, request: Request) -> None:
        """Raise HTTPException if the source is unknown or the credentials aren't those of the source."""
        if request.path_params["source_id"] != self.source_id:
            raise HTTPException(404, "unknown source")
        _check_credentials(request, self.source_id, self.source_token)

    def check_api_token(self, request: Request) -> None:
        """Raise HTTPException if the credentials aren't those of the API token."""
        _check_credentials(request, self.api_token_id, self.api_token_secret)

    def list_sources(self) -> list[dict[str, Any]]:
        """Return the sources that the API token may see. Ours is not the first."""
        identifier = int(self.source_id)
        neighbor = {**NEIGHBOR, "id": identifier + 1}
        source = {
            "archived": self.archived,
            "domainGraphSchema": self.data_model,
            "id": identifier,
            **({"lastReloadTimestamp": self.current.received} if self.current else {}),
            "name": "Lucca",
        }
        return [neighbor, source] if self.listed else [neighbor]

    def answer_queries(self, body: bytes) -> Iterator[bytes]:
        """Return the JSON of the pages in pieces. Raises ValueError for an unsupported body, before the first piece."""
        queries = parse_queries(body, int(self.source_id), msgspec.convert(self.data_model, DataModel))
        document = self.current.document if self.current and self.listed else NOTHING
        pages = answer(queries, document, self.paging, seed=len(self.queries))
        self.queries += queries
        return pages

    def accept_snapshot(self, snapshot: Snapshot) -> None:
        """Replace what the source holds. Raises ValueError if the snapshot doesn't fit the source's data model."""
        if self.validate:
            check_snapshot(snapshot.document, msgspec.convert(self.data_model, DataModel))
        self.snapshots.append(snapshot)


def _check_credentials(request: Request, user: str, password: str) -> None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        credentials = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        credentials = b""
    if scheme.lower() != "basic" or not compare_digest(credentials, f"{user}:{password}".encode()):
        raise HTTPException(401, "wrong id or token", {"WWW-Authenticate": 'Basic realm="sandbox"'})


def values_of(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity's values by attribute id, with dates and times as ISO 8601 text."""
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
        elimity.check_source(request)
        return Response(msgspec.json.encode(elimity.data_model), media_type="application/json")

    async def snapshots(request: Request) -> Response:
        elimity.check_source(request)
        body = await elimity.read_body(request, "application/octet-stream")
        snapshot = Snapshot(body, dict(request.headers))
        try:
            await run_in_threadpool(elimity.accept_snapshot, snapshot)
        except (ValueError, msgspec.DecodeError) as error:
            raise HTTPException(400, str(error)) from None
        return Response(status_code=204)

    async def connector_logs(request: Request) -> Response:
        elimity.check_source(request)
        body = await elimity.read_body(request, "application/json")
        try:
            elimity.connector_logs += msgspec.json.decode(body, type=list[ConnectorLog])
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from None
        return Response(status_code=204)

    async def sources(request: Request) -> Response:
        elimity.check_api_token(request)
        return Response(msgspec.json.encode(elimity.list_sources()), media_type="application/json")

    async def query(request: Request) -> Response:
        elimity.check_api_token(request)
        body = await elimity.read_body(request, "application/json")
        try:
            pages = await run_in_threadpool(elimity.answer_queries, body)
        except (ValueError, msgspec.DecodeError) as error:
            raise HTTPException(400, f"the sandbox does not answer this: {error}") from None
        return StreamingResponse(pages, media_type="application/json")

    source = "/api/sources/{source_id}/"
    return Starlette(
        routes=[
            Route(f"{source}domain-graph-schema", data_model, methods=["GET"]),
            Route(f"{source}snapshots", snapshots, methods=["POST"]),
            Route(f"{source}connector-logs", connector_logs, methods=["POST"]),
            Route("/api/agent/sources", sources, methods=["GET"]),
            Route("/api/agent/query", query, methods=["POST"]),
            *control_routes(elimity.faults),
        ],
        middleware=[
            Middleware(_Door, elimity=elimity),
            Middleware(FaultInjection, faults=elimity.faults),
        ],
    )


@dataclass(frozen=True, slots=True)
class _Door:
    """Logs every request before faults are injected."""

    app: ASGIApp
    elimity: Elimity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(CONTROL):
            self.elimity.requests.append(LoggedRequest(scope["method"], scope["path"]))
        await self.app(scope, receive, send)
