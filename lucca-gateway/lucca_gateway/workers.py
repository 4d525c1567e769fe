"""Runs imports in a limited number of threads, each import from start to end in one thread."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import closing, suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, Literal, TypeVar

from typing_extensions import override

from lucca_gateway.stopping import Stop

T = TypeVar("T")


class Workers:
    """Runs generators in threads, at most `most` at once. Further ones wait for a slot."""

    def __init__(self, most: int) -> None:
        self._slots = asyncio.Semaphore(most)

    @property
    def busy(self) -> bool:
        """Whether the next import will have to wait."""
        return self._slots.locked()

    async def run(
        self, make: Callable[[], Generator[T, None, None]], stop: Stop, ended: asyncio.Future[None]
    ) -> AsyncGenerator[T, None]:
        """Run a generator in a thread and yield its items. The thread computes each item only on request.

        When `ended` is done, this raises its error and sets `stop`, which stops the generator. The slot is released
        only when the thread has ended, so imports that are slow to stop still count.
        """
        await self._acquire_slot(ended)
        loop = asyncio.get_running_loop()
        worker = _Worker(make, lambda: loop.call_soon_threadsafe(self._slots.release))
        try:
            worker.start()
        except BaseException:
            self._slots.release()
            raise
        try:
            while (item := await _unless(ended, worker.next())) is not None:
                yield item
        finally:
            stop.set()
            worker.finish()

    async def _acquire_slot(self, ended: asyncio.Future[None]) -> None:
        """Wait for a slot. If the wait is cancelled just as the slot is granted, give it back."""

        def give_back(acquired: asyncio.Future[Literal[True]]) -> None:
            if not acquired.cancelled():
                self._slots.release()

        acquiring = asyncio.ensure_future(self._slots.acquire())
        try:
            await _unless(ended, acquiring)
        except BaseException:
            acquiring.add_done_callback(give_back)
            raise


class _Worker(Thread, Generic[T]):
    """Runs one generator in one thread, because only the thread that opened an SQLite connection may use it.

    It is a daemon thread, so a request to Lucca that hangs doesn't keep the gateway from exiting.
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
        """End the thread once it has computed the current item."""
        self._asked.put(None)

    @override
    def run(self) -> None:
        try:
            self._context.run(self._serve)
        finally:
            with suppress(RuntimeError):  # the event loop is closed already
                self._at_end()

    def _serve(self) -> None:
        with closing(self._make()) as items:
            while (future := self._asked.get()) is not None:
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(next(items, None))
                except BaseException as error:  # noqa: BLE001 - it is raised in the task that waits for the item
                    # Drop the frames: they hold objects that must be closed in this thread.
                    error.__cause__ = error.__context__ = None
                    future.set_exception(error.with_traceback(None))


async def _unless(ended: asyncio.Future[None], awaitable: Awaitable[T]) -> T:
    """Return the result of an awaitable, or raise the error of `ended` if that is done first."""
    task = asyncio.ensure_future(awaitable)
    first: set[asyncio.Future[Any]] = {task, ended}
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await ended
        return await task
    finally:
        task.cancel()
