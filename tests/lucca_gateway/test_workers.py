"""The slots for imports."""

import asyncio
from collections.abc import Generator
from contextlib import aclosing
from threading import Event

import pytest
from lucca_gateway.stopping import Stop
from lucca_gateway.workers import Workers

SECONDS = 10


def one_item() -> Generator[int, None, None]:
    """Yield the item of an import that has only one."""
    yield 1


async def items(workers: Workers, ended: asyncio.Future[None]) -> list[int]:
    """Run an import to its end."""
    async with aclosing(workers.run(one_item, Stop(), ended)) as run:
        return [item async for item in run]


@pytest.mark.parametrize("ticks", range(8))
@pytest.mark.parametrize("way", ["cancelled", "ended"])
def test_a_wait_that_is_given_up_takes_no_slot(ticks: int, way: str) -> None:
    """If a wait is given up at any moment around the grant of its slot, all slots stay usable."""

    async def scenario() -> None:
        workers = Workers(1)
        loop = asyncio.get_running_loop()
        await workers._slots.acquire()  # noqa: SLF001 - stands for a running import
        ended = loop.create_future()
        waiting = asyncio.create_task(items(workers, ended))
        for _ in range(4):
            await asyncio.sleep(0)
        workers._slots.release()  # noqa: SLF001
        for _ in range(ticks):
            await asyncio.sleep(0)
        if way == "cancelled":
            waiting.cancel()
        else:
            ended.set_exception(ConnectionError())
        await asyncio.gather(waiting, return_exceptions=True)
        assert await asyncio.wait_for(items(workers, loop.create_future()), SECONDS) == [1]
        await asyncio.sleep(0.1)
        assert workers._slots._value == 1  # noqa: SLF001 - and there isn't one too many

    asyncio.run(scenario())


def test_a_thread_that_does_not_start_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system can't start a thread, the slot is free again."""

    async def scenario() -> None:
        workers = Workers(1)
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", fail)
            with pytest.raises(RuntimeError):
                await items(workers, loop.create_future())
        assert await asyncio.wait_for(items(workers, loop.create_future()), SECONDS) == [1]

    def fail(_: object) -> None:
        raise RuntimeError

    asyncio.run(scenario())


def test_a_slot_is_free_only_when_its_thread_has_ended() -> None:
    """An import that is slow to stop keeps its slot until its thread ends."""
    going, begun = Event(), Event()

    def slow() -> Generator[int, None, None]:
        begun.set()
        going.wait(SECONDS)
        yield 1

    async def scenario() -> None:
        workers = Workers(1)
        ended = asyncio.get_running_loop().create_future()
        run = workers.run(slow, Stop(), ended)
        first = asyncio.ensure_future(anext(run))
        await asyncio.to_thread(begun.wait, SECONDS)
        ended.set_exception(ConnectionError())
        with pytest.raises(ConnectionError):
            await first
        assert workers.busy
        going.set()
        assert await asyncio.wait_for(items(workers, asyncio.get_running_loop().create_future()), SECONDS) == [1]

    asyncio.run(scenario())
