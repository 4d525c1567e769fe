"""The HTTP server: uvicorn with a time limit for requests and a graceful shutdown for imports."""

import asyncio
import socket

import h11
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from lucca_gateway.app import Application

# Seconds for a whole request, head and body. Requests are small.
REQUEST_SECONDS = 10.0
CANCEL_SECONDS = 2.0


class Server(uvicorn.Server):
    """On shutdown, gives running imports some seconds to finish, and then cancels them."""

    def __init__(self, application: Application, host: str, port: int, shutdown_seconds: int) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                host=host,
                port=port,
                loop="asyncio",
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=shutdown_seconds,
            )
        )

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if calls := self.server_state.tasks:  # cancelled, but uvicorn doesn't wait until they have sent an error
            await asyncio.wait(calls, timeout=CANCEL_SECONDS)


class _Protocol(H11Protocol):
    """Closes a connection whose request doesn't arrive in time.

    uvicorn only limits how long a connection is idle after a response: https://github.com/Kludex/uvicorn/pull/1192.
    """

    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        self._set_deadline()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    @override
    def on_response_complete(self) -> None:
        self._set_deadline()
        super().on_response_complete()

    def _set_deadline(self) -> None:
        """Start the time limit for the next request, or for the rest of one that was answered early."""
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._close_if_incomplete)

    def _close_if_incomplete(self) -> None:
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self.transport.abort()
