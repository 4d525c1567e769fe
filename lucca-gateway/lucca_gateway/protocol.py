"""Serves both generations of the custom gateway protocol (Connect RPC, protobuf) with the same import.

Services: `elimity.insights.customgateway.v1alpha1` (server 3.42 or later) and `v1alpha2` (3.46 or later).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Generator, Mapping, MutableMapping
from contextlib import aclosing, closing, suppress
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import msgspec
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication
from elimity.insights.customgateway.v1alpha1 import customgateway_connect as v1alpha1
from elimity.insights.customgateway.v1alpha1 import customgateway_pb2 as v1alpha1_pb2
from elimity.insights.customgateway.v1alpha2 import customgateway_connect as v1alpha2
from elimity.insights.customgateway.v1alpha2 import customgateway_pb2 as v1alpha2_pb2
from google.protobuf.struct_pb2 import NULL_VALUE
from google.protobuf.struct_pb2 import Value as StructValue

from lucca_gateway import logs
from lucca_gateway.asgi import Message, Receive, Scope, Send, respond
from lucca_gateway.encoding import Response, encode, end_with_error, error_as_json
from lucca_gateway.imports import CONFIGURATION_VALUES, ImportFailedError, perform_import
from lucca_gateway.settings import Settings
from lucca_gateway.stopping import Stop, StoppedError
from lucca_gateway.tenants import Tenants
from lucca_gateway.tokens import SOURCE_ID
from lucca_gateway.workers import Workers

# The version says how to interpret a cursor. Elimity Insights reads it with Meta and sends it back with each import.
# Every import is a full one and uses no cursor, so there is only this version.
VERSION = "1"
# Configuration values are short. The gateway stops reading a request that is longer.
MOST_BYTES_OF_A_REQUEST = 1 << 16
# How many seconds a client may take to accept the next bytes.
SEND_TIMEOUT = 120.0

# The generated application answers with these if the path, method or content type is wrong.
STATUSES_WITHOUT_ERROR = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
INVALID_REQUEST = ConnectError(Code.INVALID_ARGUMENT, "The request is not a valid one of this method.")

_logger = logging.getLogger("lucca_gateway")


class Gateway:
    """The ASGI application for both services."""

    def __init__(self, settings: Settings, tenants: Tenants) -> None:
        self._settings = settings
        self._tenants = tenants
        self._workers = Workers(settings.max_imports)
        self._calls: set[_Call] = set()

    def stop(self) -> None:
        """End all imports with an error because the gateway is shutting down."""
        for call in list(self._calls):
            call.end(ConnectError(Code.UNAVAILABLE, "The gateway is being shut down. Run it again."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call. It gets its own instances of the generated applications."""
        call = _Call(self._settings, self._tenants, self._workers, scope.get(SOURCE_ID))
        services: tuple[ConnectASGIApplication, ...] = (
            v1alpha1.ServiceASGIApplication(call, read_max_bytes=MOST_BYTES_OF_A_REQUEST),
            v1alpha2.ServiceASGIApplication(call, read_max_bytes=MOST_BYTES_OF_A_REQUEST),
        )
        service = next((app for app in services if scope["path"].startswith(f"{app.path}/")), services[0])
        try:
            _refuse_compressed(scope)
            body = await _read_body(receive)
        except ConnectError as error:
            if error.code is not Code.CANCELED:
                with suppress(Exception):
                    await respond(send, 413, error.message.encode(), "text/plain", connection="close")
            return
        # Turn off compression: it works on single messages, and entities are too small to shrink much.
        headers = [header for header in scope["headers"] if header[0] != b"connect-accept-encoding"]
        watcher = asyncio.create_task(_watch(receive, call))
        self._calls.add(call)
        try:
            await service({**scope, "headers": headers}, _replay(body), _Sender(send, call))
        finally:
            self._calls.discard(call)
            call.end(ConnectError(Code.CANCELED, "The call is over."))
            watcher.cancel()


class _Call:
    """One call and its import. It is the service of both generations."""

    def __init__(self, settings: Settings, tenants: Tenants, workers: Workers, source_id: str | None) -> None:
        self.is_request_valid = False
        """Whether the generated application could decode the request."""
        self.complete = False
        self.more_at_hand = False
        """Whether another message follows at once, so that both can be sent together."""
        self._settings = settings
        self._tenants = tenants
        self._workers = workers
        self._source_id = source_id
        self._stop = Stop()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Mark the exception as retrieved, in case nobody waits for it.
        self._ended.add_done_callback(lambda ended: ended.exception())

    def end(self, error: ConnectError) -> None:
        """Stop the import. If the call hasn't ended yet, end it with an error."""
        self._stop.set()
        if not self._ended.done():
            self._ended.set_exception(error)

    async def meta(self, _request: v1alpha2_pb2.MetaRequest, _: RequestContext[Any, Any]) -> v1alpha2_pb2.MetaResponse:
        """Return the version of this gateway."""
        self.is_request_valid = True
        return v1alpha2_pb2.MetaResponse(initial_cursor=StructValue(null_value=NULL_VALUE), version=VERSION)

    async def perform_import(
        self,
        request: v1alpha1_pb2.PerformImportRequest | v1alpha2_pb2.PerformImportRequest,
        _: RequestContext[Any, Any],
    ) -> AsyncIterator[Any]:
        """Yield the responses of an import, of the same generation as the request.

        Raises:
            ConnectError: The import failed; the message says why.
        """
        self.is_request_valid = True
        response: type[Response] = v1alpha1_pb2.PerformImportResponse
        if isinstance(request, v1alpha2_pb2.PerformImportRequest):
            response = v1alpha2_pb2.PerformImportResponse
            if request.version != VERSION:
                raise ConnectError(
                    Code.FAILED_PRECONDITION,
                    f"The import is requested in another version, but this gateway has version {VERSION!r}. "
                    "Run it again.",
                )
        configuration = {
            # A value that isn't text becomes False. The check of the settings refuses it and names the setting.
            name: value.string_value if value.HasField("string_value") else False
            for name, value in request.fields.items()
            if name in CONFIGURATION_VALUES
        }
        logs.import_id.set(uuid4().hex[:12])
        employees = 0
        start = time.monotonic()

        _logger.info("Import requested.", extra=logs.fields(waits=self._workers.busy))
        try:
            async with aclosing(
                self._workers.run(partial(self._batches, configuration, response), self._stop, self._ended)
            ) as responses:
                async for several in responses:
                    for position, message in enumerate(several, 1):
                        employees += message.HasField("entity")
                        self.more_at_hand = position < len(several)
                        yield message
        except ImportFailedError as error:
            _logger.warning("Import failed: %s", error, extra=_figures(employees, start))
            raise
        except ConnectError as error:
            _logger.warning("Import broken off: %s", error, extra=_figures(employees, start))
            raise
        except (StoppedError, asyncio.CancelledError, GeneratorExit):
            _logger.warning("Import broken off.", extra=_figures(employees, start))
            raise
        self.complete = True
        _logger.info("Import complete.", extra=_figures(employees, start))

    def _batches(
        self, configuration: Mapping[str, object], response: type[Response]
    ) -> Generator[list[Response], None, None]:
        """Yield batches of responses. An unexpected error is logged without its message, which may quote a record."""
        items = perform_import(configuration, self._settings, self._tenants, self._stop, self._source_id)
        try:
            with closing(items):
                for several in items:
                    yield [encode(item, response) for item in several]
        except (ImportFailedError, StoppedError):
            raise
        except Exception as error:
            _logger.exception("Unexpected error.")
            message = f"The gateway failed unexpectedly ({type(error).__name__}). Its log says where."
            raise ConnectError(Code.INTERNAL, message) from None


class _Sender:
    """Sends the answer of the generated application in larger pieces, and corrects its errors.

    The generated application ends the stream of a cancelled call without an error, so Elimity Insights would import a
    part as if it were everything. If it can't decode a request, it reports an internal error that quotes the request.
    """

    def __init__(self, send: Send, call: _Call) -> None:
        self._send = send
        self._call = call
        self._streams = False
        self._held = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._streams = dict(message["headers"]).get(b"content-type", b"").startswith(b"application/connect+")
            if not (self._call.is_request_valid or self._streams or message["status"] in STATUSES_WITHOUT_ERROR):
                message = {**message, "status": HTTPStatus.BAD_REQUEST}
        elif self._streams:
            body, more = message["body"], message["more_body"]
            if not self._call.is_request_valid:
                body = end_with_error(INVALID_REQUEST)
            elif not more and not self._call.complete and not _is_error(body):
                body = end_with_error(ConnectError(Code.UNAVAILABLE, "The import was broken off. Run it again."))
            self._held += body
            if more and self._call.more_at_hand:
                return
            message = {**message, "body": bytes(self._held)}
            self._held.clear()
        elif message["body"] and not self._call.is_request_valid:
            message = {**message, "body": error_as_json(INVALID_REQUEST)}
        try:
            await asyncio.wait_for(self._send(message), SEND_TIMEOUT)
        except TimeoutError:
            raise ConnectError(Code.DEADLINE_EXCEEDED, "The client accepts no more data.") from None


async def _read_body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectError(Code.CANCELED, "The client went away.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES_OF_A_REQUEST:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, "The request is too large.")
    return body


def _refuse_compressed(scope: Scope) -> None:
    """Refuse a compressed request: the generated application decompresses all of it before it checks the size."""
    headers = dict(scope["headers"])
    for name in (b"content-encoding", b"connect-content-encoding"):
        if headers.get(name, b"identity").strip().lower() not in {b"", b"identity"}:
            raise ConnectError(Code.UNIMPLEMENTED, "Compressed requests are not supported.")


def _replay(body: bytes) -> Receive:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _watch(receive: Receive, call: _Call) -> None:
    """End the call when the client goes away; the generated application doesn't notice."""
    while (await receive())["type"] != "http.disconnect":
        pass
    call.end(ConnectError(Code.CANCELED, "The client went away."))


def _is_error(body: bytes) -> bool:
    """Whether the last envelope of a stream contains an error."""
    return "error" in msgspec.json.decode(body[5:])


def _figures(employees: int, start: float) -> dict[str, object]:
    return logs.fields(employees=employees, seconds=round(time.monotonic() - start, 2))
