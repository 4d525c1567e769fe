"""The ASGI application: what is served under which path."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from lucca_gateway import logs
from lucca_gateway.asgi import respond
from lucca_gateway.protocol import Gateway
from lucca_gateway.tenants import Tenants
from lucca_gateway.tokens import TokenMiddleware

if TYPE_CHECKING:
    from lucca_gateway.asgi import App, Message, Receive, Scope, Send
    from lucca_gateway.settings import Settings

SERVICES = "/elimity.insights.customgateway."

_logger = logging.getLogger("lucca_gateway.access")


class Application:
    """`/healthz` for whoever runs the gateway, and the services for Elimity Insights."""

    def __init__(self, settings: Settings) -> None:
        tenants = Tenants(settings.allowed_hosts, settings.tap["requests_per_minute"], settings.ca_bundle)
        gateway = Gateway(settings, tenants)
        self._services: App = TokenMiddleware(gateway, settings.tokens) if settings.tokens else gateway
        self.stop = gateway.stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log it, without query, headers and body."""
        if scope["path"] == "/healthz":
            await respond(send, 200, b'{"status":"ok"}\n')
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        start = time.monotonic()
        try:
            if scope["path"].startswith(SERVICES):
                await self._services(scope, receive, watched)
            else:
                await respond(watched, 404, b'{"status":"not found"}\n')
        finally:
            _logger.info(
                "%s %s",
                scope["method"],
                scope["path"],
                extra=logs.fields(
                    client=(scope.get("client") or [None])[0],
                    status=status,
                    seconds=round(time.monotonic() - start, 3),
                ),
            )
