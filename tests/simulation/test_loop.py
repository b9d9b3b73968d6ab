"""The deterministic loop: virtual time, order by seed, processes that die and stop, no world outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from vagus import App, Event
from vagus.backend import GroupSpec, Inbox, Member, Put, Topic, Unit
from vagus.backends.memory import Memory
from vagus.clock import LoopClock
from vagus.message import Envelope
from vagus.testing.loop import (
    Deadlock,
    DeterministicLoop,
    Livelock,
    NoOutsideWorld,
    Process,
    process_name,
    run,
)


def process(name: str = "p") -> Process:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, DeterministicLoop)
    return loop.process(name)


def now() -> float:
    return asyncio.get_running_loop().time()


async def never() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_day_passes_at_once() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400)
        return now()

    assert run(main()) == 86_400


def test_clock_of_the_loop_follows_virtual_time() -> None:
    async def main() -> tuple[float, float]:
        clock = LoopClock(start=1_000.0)
        rang = asyncio.get_running_loop().create_future()
        clock.call_later(5, lambda: rang.set_result(None))
        await rang
        return clock.now(), clock.monotonic()

    assert run(main()) == (1_005.0, 5.0)


def test_seed_decides_who_goes_first() -> None:
    async def main() -> str:
        order: list[str] = []

        async def go(name: str) -> None:
            order.append(name)

        await asyncio.gather(*(go(name) for name in "abcdefgh"))
        return "".join(order)

    assert run(main(), 1) == run(main(), 1)
    assert len({run(main(), seed) for seed in range(10)}) > 5


def test_timers_fire_in_order_of_their_times_and_cancelled_ones_do_not() -> None:
    async def main() -> list[int]:
        fired: list[int] = []
        loop = asyncio.get_running_loop()
        for delay in (3, 1, 2):
            loop.call_later(delay, fired.append, delay)
        loop.call_later(1.5, fired.append, 0).cancel()
        loop.call_soon(fired.append, 9).cancel()
        await asyncio.sleep(4)
        return fired

    assert run(main()) == [1, 2, 3]


def test_timeouts_and_task_groups_work_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(asyncio.sleep(10))
                    tasks.create_task(asyncio.sleep(50))
        return now()

    assert run(main()) == 30


def test_waiting_for_what_never_comes_is_a_deadlock() -> None:
    with pytest.raises(Deadlock, match="no timer is set at 2"):

        async def main() -> None:
            await asyncio.sleep(2)
            await never()

        run(main())


def test_polling_without_end_is_a_livelock() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="somebody polls"):
        run(main())


@pytest.mark.parametrize(
    "outside",
    [
        lambda: asyncio.to_thread(print),
        lambda: asyncio.open_connection("localhost", 1),
        lambda: asyncio.create_subprocess_exec("true"),
    ],
    ids=["thread", "socket", "process"],
)
def test_world_outside_is_refused_by_name(outside: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async def main() -> None:
        await outside()

    with pytest.raises(NoOutsideWorld, match="no sockets, threads, signals or processes"):
        run(main())


def test_callback_that_raises_fails_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        run(main())


def test_killed_process_never_runs_again_not_even_its_finally() -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def work() -> None:
            try:
                while True:
                    said.append(process_name())
                    await asyncio.sleep(1)
            finally:
                said.append("finally")

        victim = process("victim")
        victim.spawn(work())
        await asyncio.sleep(2.5)
        victim.kill()
        await asyncio.sleep(10)
        return list(said)

    assert run(main()) == ["victim"] * 3


def test_frozen_process_goes_on_where_it_stopped() -> None:
    async def main() -> list[float]:
        ticks: list[float] = []

        async def work() -> None:
            while True:
                await asyncio.sleep(1)
                ticks.append(now())

        sleeper = process()
        sleeper.spawn(work())
        await asyncio.sleep(1.5)
        sleeper.freeze()
        await asyncio.sleep(10)
        sleeper.thaw()
        await asyncio.sleep(1.2)
        return ticks

    assert run(main()) == [1.0, 11.5, 12.5]


def test_what_a_process_starts_belongs_to_it() -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def child() -> None:
            await asyncio.sleep(1)
            said.append(process_name())

        async def parent() -> None:
            asyncio.get_running_loop().create_task(child())
            asyncio.get_running_loop().call_later(0.5, lambda: said.append(process_name()))

        await process("one").spawn(parent())
        dead = process("two")
        await dead.spawn(parent())
        dead.kill()
        await asyncio.sleep(2)
        return [*said, process_name()]

    assert run(main()) == ["one", "one", "world"]


class Bomb(Event, topic="loop.bomb"):
    number: int


@pytest.mark.requirement("R57")
def test_worker_sits_still_while_an_event_that_killed_workers_runs_alone() -> None:
    async def main() -> tuple[list[int], int]:
        clock = LoopClock()
        home = Memory("memory://alone", clock)
        await home.open()
        await home.declare((), [GroupSpec(name="loop.slow", patterns=("loop.bomb",), lease_s=30.0)])
        body = b'{"specversion":"1.0","id":"%d","source":"s","type":"loop.bomb","data":{"number":%d}}'
        bombs = [Unit([Put(Topic("loop.bomb"), Envelope(body % (n, n)))]) for n in range(4)]
        await home.commit(bombs[:1])
        for name in ("first", "second"):  # two workers die with the first of them
            feed = home.attach(Inbox("loop.slow"), Member(name), 1)
            assert len(await feed.take(1, ())) == 1
            await asyncio.sleep(31)
        await home.commit(bombs[1:])
        done: list[int] = []
        app = App("memory://alone", name="loop", clock=clock)

        @app.on(Bomb)
        async def slow(bomb: Bomb) -> None:
            await asyncio.sleep(100)
            done.append(bomb.number)

        async with app.running():
            await asyncio.sleep(450)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, DeterministicLoop)
        return sorted(done), loop.callbacks

    done, callbacks = run(main())
    assert done == [0, 1, 2, 3]
    assert callbacks < 2_000
