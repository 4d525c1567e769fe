"""Streams an import while it runs in threads."""

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from lucca_gateway import logs
from lucca_gateway.imports import ImportFailedError, Item
from lucca_gateway.protocol import RpcError, end_of_stream
from lucca_gateway.stopping import Stop, StoppedError

# How many seconds a client may take to accept the next bytes.
SEND_TIMEOUT = 120.0

_logger = logging.getLogger("lucca_gateway")


class Slots:
    """Limits how many imports run at once; further ones wait. A slot is free when its import has stopped."""

    def __init__(self, most: int) -> None:
        self.free = asyncio.Semaphore(most)
        self.threads = ThreadPoolExecutor(most, "import")


@dataclass
class ImportStream:
    """The response to a request for an import. It ends with an error, unless the import is complete."""

    items: Generator[Sequence[Item], None, None]
    encode: Callable[[Item], bytes]
    content_type: str
    stop: Stop
    slots: Slots
    employees: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the import and stream it. If the client goes away, stop the import."""
        del scope
        logs.import_id.set(uuid4().hex[:12])
        start = time.monotonic()
        _logger.info("Import requested.")
        watching = asyncio.create_task(self._watch(receive))
        error: RpcError | None = None
        try:
            headers = [(b"content-type", self.content_type.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._stream(send)
        except RpcError as reason:
            error = reason
        except StoppedError:
            error = RpcError("canceled", "The client went away.")
        except asyncio.CancelledError:  # uvicorn cancels calls to shut down
            error = RpcError("unavailable", "The gateway is being shut down. Run it again.")
        except Exception as unexpected:
            # Its message may quote a record.
            _logger.exception("Unexpected error.")
            name = type(unexpected).__name__
            error = RpcError("internal", f"The gateway failed unexpectedly ({name}). Its log says where.")
        self.stop.set()
        watching.cancel()
        figures = logs.fields(employees=self.employees, seconds=round(time.monotonic() - start, 2))
        if error:
            how = "failed" if isinstance(error, ImportFailedError) else "broken off"
            _logger.warning("Import %s: %s", how, error, extra=figures)
        else:
            _logger.info("Import complete.", extra=figures)
        with suppress(RpcError):
            await _write(send, end_of_stream(error), more=False)

    async def _stream(self, send: Send) -> None:
        """Run the import step by step. It computes the next envelopes when the client has accepted the last ones."""
        bodies = self._bodies()
        step = partial(copy_context().run, next, bodies, None)
        loop = asyncio.get_running_loop()
        async with self.slots.free:
            try:
                while (body := await loop.run_in_executor(self.slots.threads, step)) is not None:
                    await _write(send, body)
            finally:
                self.slots.threads.submit(bodies.close)  # fails if a step still runs, at a shutdown

    def _bodies(self) -> Generator[bytes, None, None]:
        self.stop.check()
        _logger.info("Import started.")
        with closing(self.items) as items:
            for several in items:
                yield b"".join(map(self.encode, several))
                self.employees += sum(not isinstance(item, str) for item in several)

    async def _watch(self, receive: Receive) -> None:
        """Stop the import when the client goes away."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.stop.set()


async def _write(send: Send, body: bytes, *, more: bool = True) -> None:
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await send({"type": "http.response.body", "body": body, "more_body": more})
    except TimeoutError:
        raise RpcError("deadline_exceeded", "The client accepts no more data.") from None
