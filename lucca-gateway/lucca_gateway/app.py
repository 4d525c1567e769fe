"""The ASGI application."""

import logging
import time

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from lucca_gateway import logs
from lucca_gateway.protocol import RpcError, refuse
from lucca_gateway.service import Service
from lucca_gateway.settings import Settings

HEALTH = "/healthz"
LONGEST_PATH = 200  # characters; the log cuts longer paths

_logger = logging.getLogger("lucca_gateway.access")


class Application:
    """`/healthz` for operators, and the service for Elimity Insights."""

    def __init__(self, settings: Settings) -> None:
        self._app = Starlette(
            routes=[Route(HEALTH, _health), *Service(settings).routes],
            exception_handlers={RpcError: refuse, ClientDisconnect: _answer_nothing},
        )
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log it, without query, headers and body."""
        status = 0
        # With both headers, a proxy may have read another length, so the connection is closed after the response:
        # https://www.rfc-editor.org/rfc/rfc9112#section-6.3.
        ambiguous = {"content-length", "transfer-encoding"} <= set(Headers(scope=scope))

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if ambiguous and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        path = scope["path"]
        start = time.monotonic()
        try:
            await self._app(scope, receive, watched)
        finally:
            if path != HEALTH:
                _logger.info(
                    "%s %s",
                    scope["method"][:LONGEST_PATH],
                    path[:LONGEST_PATH],
                    extra=logs.fields(
                        client=(scope.get("client") or [None])[0],
                        status=status,
                        seconds=round(time.monotonic() - start, 3),
                    ),
                )


async def _health(_: Request) -> Response:
    return Response('{"status":"ok"}\n', media_type="application/json")


async def _answer_nothing(_: object, __: Exception) -> None:
    """The client went away before it had sent its request."""
