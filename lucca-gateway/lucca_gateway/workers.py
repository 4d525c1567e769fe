"""Threads for imports: a bounded number of them, one for each import from its beginning to its end."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import closing, suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from lucca_gateway.stopping import Stop

T = TypeVar("T")


class Workers:
    """Runs generators in threads, at most so many at once; further ones wait."""

    def __init__(self, most: int) -> None:
        self._slots = asyncio.Semaphore(most)

    @property
    def busy(self) -> bool:
        """Whether the next import will have to wait."""
        return self._slots.locked()

    async def run(
        self, make: Callable[[], Generator[T, None, None]], stop: Stop, ended: asyncio.Future[None]
    ) -> AsyncGenerator[T, None]:
        """Yield what a generator yields that is run in a thread; each item is asked for only when it is wanted.

        When `ended` is done, waiting ends with its error, and `stop` tells the generator. The place is taken until the
        thread has really ended, so that imports that are slow to stop do not add up.
        """
        await _unless(ended, self._slots.acquire())
        loop = asyncio.get_running_loop()
        worker = _Worker(make, lambda: loop.call_soon_threadsafe(self._slots.release))
        worker.start()
        try:
            while (item := await _unless(ended, worker.next())) is not None:
                yield item
        finally:
            stop.set()
            worker.finish()


class _Worker(Thread, Generic[T]):
    """Runs one generator: SQLite, for one, wants to stay in the thread in which it was opened.

    A daemon, so that a request to Lucca that hangs does not keep the gateway from ending.
    """

    def __init__(self, make: Callable[[], Generator[T, None, None]], at_end: Callable[[], object]) -> None:
        super().__init__(name="import", daemon=True)
        self._make = make
        self._at_end = at_end
        self._asked: SimpleQueue[Future[T | None] | None] = SimpleQueue()
        self._context = copy_context()

    async def next(self) -> T | None:
        """Return the next item, or None at the end."""
        future: Future[T | None] = Future()
        self._asked.put(future)
        return await asyncio.wrap_future(future)

    def finish(self) -> None:
        """End the thread, as soon as it is done with what it was asked for."""
        self._asked.put(None)

    @override
    def run(self) -> None:
        try:
            self._context.run(self._serve)
        finally:
            with suppress(RuntimeError):  # the loop has ended before
                self._at_end()

    def _serve(self) -> None:
        with closing(self._make()) as items:
            while (future := self._asked.get()) is not None:
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(next(items, None))
                except BaseException as error:  # noqa: BLE001 - it is raised where the item is waited for
                    # Without the frames, which hold what belongs to this thread, and has to be closed in it.
                    error.__cause__ = error.__context__ = None
                    future.set_exception(error.with_traceback(None))


async def _unless(ended: asyncio.Future[None], awaitable: Awaitable[T]) -> T:
    """Return what is awaited, or raise the error of `ended` if that is done first."""
    task = asyncio.ensure_future(awaitable)
    first: set[asyncio.Future[Any]] = {task, ended}
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await ended
        return await task
    finally:
        task.cancel()
