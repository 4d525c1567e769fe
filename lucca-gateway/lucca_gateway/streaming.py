"""Streams what an import yields while it runs in a thread."""

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from contextvars import copy_context
from threading import Semaphore
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from lucca_gateway import logs
from lucca_gateway.encoding import ImportResponse
from lucca_gateway.imports import ImportFailedError
from lucca_gateway.protocol import CallError, Format, end_of_stream
from lucca_gateway.stopping import Stop

# How many seconds a client may take to accept the next bytes.
SEND_TIMEOUT = 120.0

_logger = logging.getLogger("lucca_gateway")


class ImportStream:
    """The response to a request for an import. It ends with an error, unless the import is complete.

    `stop` stops the import. If it waits for a thread, it never starts.
    """

    def __init__(
        self,
        batches: Generator[Sequence[ImportResponse], None, None],
        call_format: Format,
        stop: Stop,
        threads: Executor,
        shutdown: asyncio.Event,
    ) -> None:
        self._batches = batches
        self._format = call_format
        self._stop = stop
        self._threads = threads
        self._shutdown = shutdown
        self._accepted = Semaphore(0)
        self._employees = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the import and stream it."""
        del scope
        self._send = send
        logs.import_id.set(uuid4().hex[:12])
        start = time.monotonic()
        _logger.info("Import requested.")
        error: CallError | None = CallError("unavailable", "The import was broken off. Run it again.")
        try:
            headers = [(b"content-type", self._format.content_type.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._run(receive)
            error = None
        except CallError as reason:
            error = reason
        except Exception as unexpected:
            # Its message may quote a record.
            _logger.exception("Unexpected error.")
            name = type(unexpected).__name__
            error = CallError("internal", f"The gateway failed unexpectedly ({name}). Its log says where.")
        finally:
            self._stop.set()
            self._accepted.release()
            figures = logs.fields(employees=self._employees, seconds=round(time.monotonic() - start, 2))
            if error:
                how = "failed" if isinstance(error, ImportFailedError) else "broken off"
                _logger.warning("Import %s: %s", how, error, extra=figures)
            else:
                _logger.info("Import complete.", extra=figures)
            with suppress(CallError):
                await self._write(end_of_stream(error), more=False)

    async def _run(self, receive: Receive) -> None:
        """Run the import in a thread, until it ends, the client goes away or the gateway is shut down.

        Raises:
            CallError: The import failed or has to end.
        """
        loop = asyncio.get_running_loop()
        bodies: asyncio.Queue[bytes] = asyncio.Queue()

        def put(body: bytes) -> None:
            loop.call_soon_threadsafe(bodies.put_nowait, body)

        importing = loop.run_in_executor(self._threads, copy_context().run, self._import, put)
        gone = loop.create_task(_disconnected(receive))
        shutdown = loop.create_task(self._shutdown.wait())
        body = loop.create_task(bodies.get())
        try:
            while not importing.done():
                await asyncio.wait((importing, gone, shutdown, body), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    raise CallError("canceled", "The client went away.")
                if shutdown.done():
                    raise CallError("unavailable", "The gateway is being shut down. Run it again.")
                if body.done():
                    await self._write(body.result())
                    self._accepted.release()
                    body = loop.create_task(bodies.get())
            await importing
        finally:
            for each in (importing, gone, shutdown, body):
                each.cancel()

    def _import(self, put: Callable[[bytes], None]) -> None:
        """Run the import in this thread. Each batch is computed only when the client has accepted the one before."""
        _logger.info("Import started.")
        with closing(self._batches) as batches:
            for batch in batches:
                put(b"".join(map(self._format.encode, batch)))
                self._accepted.acquire()
                self._stop.check()
                self._employees += sum(response.HasField("entity") for response in batch)

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            raise CallError("deadline_exceeded", "The client accepts no more data.") from None


async def _disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
