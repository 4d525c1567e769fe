"""Serves an application of the sandbox over HTTP or HTTPS on loopback."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

STOP_SECONDS = 5


class _Protocol(H11Protocol):
    """Gives the application access to its connection, for faults below HTTP."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        # Head and body are sent separately. With Nagle's algorithm, the body would wait for the client's delayed ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Stops at once. The shutdown of uvicorn itself is too slow for hundreds of tests."""

    @override
    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.01)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in self.server_state.connections:
            connection.transport.abort()
        # A request that another thread is answering may take a moment to notice.
        for _ in range(STOP_SECONDS * 100):
            if not (self.server_state.connections or self.server_state.tasks):
                break
            await asyncio.sleep(0.01)


@contextmanager
def serve(
    app: ASGIApp,
    port: int = 0,
    *,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    ca_certs: Path | None = None,
) -> Iterator[str]:
    """Serve in a thread until the block ends, and yield the base URL without a trailing slash.

    With a `certfile` (and `keyfile`), it serves HTTPS. With `ca_certs`, clients need a certificate of one of these CAs.
    Port 0 takes a free port.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=600,  # on a busy machine, 5 seconds may pass between two requests of a client
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        ssl_ca_certs=ca_certs,
        ssl_cert_reqs=ssl.CERT_REQUIRED if ca_certs else ssl.CERT_NONE,
    )
    config.load()
    # From here on, connections wait in the backlog, so the block needn't wait until the server runs.
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    server = _Server(config)
    # A daemon: Python waits for all other threads before it calls atexit handlers.
    thread = Thread(target=server.run, args=([listener],), name="sandbox server", daemon=True)
    thread.start()
    try:
        yield f"{'https' if certfile else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
