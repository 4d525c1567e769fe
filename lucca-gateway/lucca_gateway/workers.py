"""Runs imports in a limited number of threads."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Literal, TypeVar

from lucca_gateway.stopping import Stop

T = TypeVar("T")


class Workers:
    """Runs generators in threads, at most `most` at once. Further ones wait for a slot."""

    def __init__(self, most: int) -> None:
        self._slots = asyncio.Semaphore(most)
        self._threads = ThreadPoolExecutor(most, "import")

    @property
    def busy(self) -> bool:
        """Whether the next import will have to wait."""
        return self._slots.locked()

    async def run(
        self, make: Callable[[], Generator[T, None, None]], stop: Stop, ended: asyncio.Future[None]
    ) -> AsyncGenerator[T, None]:
        """Run a generator in threads and yield its items. Each item is computed only on request.

        When `ended` is done, this raises its error and sets `stop`, which stops the generator. The slot is released
        only when the generator has ended, so imports that are slow to stop still count.
        """
        await self._acquire_slot(ended)
        loop = asyncio.get_running_loop()
        context = copy_context()
        items = make()
        step: Future[T | None] = Future()
        step.set_result(None)

        def finish(_: Future[T | None]) -> None:
            try:
                items.close()
            finally:
                with suppress(RuntimeError):  # the event loop is closed already
                    loop.call_soon_threadsafe(self._slots.release)

        try:
            while True:
                step = self._threads.submit(context.run, next, items, None)  # type: ignore[arg-type] # overloads of `next`
                item = await _unless(ended, asyncio.wrap_future(step))
                if item is None:
                    break
                yield item
        finally:
            stop.set()
            step.add_done_callback(finish)  # in the thread, if it is still computing an item

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
