"""The ASGI application."""

import logging
import time

from lucca_gateway import logs
from lucca_gateway.asgi import App, Message, Receive, Scope, Send, respond
from lucca_gateway.protocol import Gateway
from lucca_gateway.settings import Settings
from lucca_gateway.tenants import Tenants
from lucca_gateway.tokens import TokenMiddleware

SERVICES = "/elimity.insights.customgateway."
LONGEST_PATH = 200  # characters; the log cuts longer paths

_logger = logging.getLogger("lucca_gateway.access")


class Application:
    """`/healthz` for operators, and the services for Elimity Insights."""

    def __init__(self, settings: Settings) -> None:
        tenants = Tenants(settings.hosts, settings.requests_per_minute)
        gateway = Gateway(settings, tenants)
        self._services: App = TokenMiddleware(gateway, settings.tokens, settings.tls) if settings.tokens else gateway
        self.stop = gateway.stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log it, without query, headers and body."""
        status = 0
        # With both headers, a proxy may have read another length, so the connection is closed after the response:
        # https://www.rfc-editor.org/rfc/rfc9112#section-6.3.
        ambiguous = {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if ambiguous and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        path = scope["path"]
        if path == "/healthz":
            await respond(watched, 200, b'{"status":"ok"}\n')
            return
        start = time.monotonic()
        try:
            if path.startswith(SERVICES):
                await self._services(scope, receive, watched)
            else:
                await respond(watched, 404, b'{"status":"not found"}\n')
        finally:
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
