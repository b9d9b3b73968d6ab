"""Small keyed state: compare and set, all or nothing, forgotten in time."""

from __future__ import annotations

import asyncio

import pytest

from vagus.store import Change
from vagus.testing.conformance.bench import Bench, within
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G12")


async def bodies(bench: Bench, *keys: str) -> list[bytes | None]:
    """Return the bodies behind keys of this test."""
    values = await within(bench.store.get([bench.name(key) for key in keys]), "get")
    return [value.body if value else None for value in values]


async def test_absent_key_is_none(bench: Bench) -> None:
    assert await bodies(bench, "a", "b") == [None, None]


async def test_value_comes_back_byte_for_byte(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name("a"), b"\x00\xff\n")])
    assert await bodies(bench, "a") == [b"\x00\xff\n"]


async def test_version_grows_by_one_with_each_change(bench: Bench) -> None:
    key = bench.name("a")
    for version in (1, 2, 3):
        await bench.store.swap([Change(key, b"x")])
        [value] = await bench.store.get([key])
        assert value is not None
        assert value.version == version


async def test_change_with_the_right_version_takes_effect(bench: Bench) -> None:
    key = bench.name("a")
    assert list(await bench.store.swap([Change(key, b"one", expect=0)])) == [True]
    assert list(await bench.store.swap([Change(key, b"two", expect=1)])) == [True]
    assert await bodies(bench, "a") == [b"two"]


async def test_change_with_a_wrong_version_is_refused(bench: Bench) -> None:
    key = bench.name("a")
    await bench.store.swap([Change(key, b"one")])
    assert list(await bench.store.swap([Change(key, b"new", expect=0)])) == [False]
    assert list(await bench.store.swap([Change(key, b"new", expect=2)])) == [False]
    assert await bodies(bench, "a") == [b"one"]


async def test_one_refused_change_refuses_all(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name("b"), b"there")])
    said = await bench.store.swap([Change(bench.name("a"), b"new"), Change(bench.name("b"), b"new", expect=0)])
    assert list(said) == [False, False]
    assert await bodies(bench, "a", "b") == [None, b"there"]


async def test_change_not_required_is_left_out_alone(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name("b"), b"there")])
    changes = [Change(bench.name("a"), b"new"), Change(bench.name("b"), b"new", expect=0, required=False)]
    assert list(await bench.store.swap(changes)) == [True, False]
    assert await bodies(bench, "a", "b") == [b"new", b"there"]


async def test_deleted_key_is_absent_again(bench: Bench) -> None:
    key = bench.name("a")
    await bench.store.swap([Change(key, b"one")])
    assert list(await bench.store.swap([Change(key, None, expect=1)])) == [True]
    assert await bodies(bench, "a") == [None]
    assert list(await bench.store.swap([Change(key, b"again", expect=0)])) == [True]


async def test_race_for_one_key_has_one_winner(bench: Bench) -> None:
    key = bench.name("leader")
    other = (await bench.second()).store
    assert other is not None
    homes = [bench.store, other] * 4
    claims = [home.swap([Change(key, str(number).encode(), expect=0)]) for number, home in enumerate(homes)]
    said = [answer for [answer] in await within(asyncio.gather(*claims), "swap")]
    assert said.count(True) == 1
    assert await bodies(bench, "leader") == [str(said.index(True)).encode()]


async def test_value_is_forgotten_after_its_time(bench: Bench) -> None:
    key = bench.name("a")
    await bench.store.swap([Change(key, b"short", ttl_s=0.2)])
    assert await bodies(bench, "a") == [b"short"]
    await bench.pass_time(0.3)
    assert await bodies(bench, "a") == [None]
    assert list(await bench.store.swap([Change(key, b"new", expect=0)])) == [True]


@turned_clock
async def test_value_without_a_time_is_never_forgotten(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name("a"), b"kept")])
    await bench.pass_time(400 * 86_400)
    assert await bodies(bench, "a") == [b"kept"]


async def test_scan_finds_the_keys_of_a_prefix_in_order(bench: Bench) -> None:
    words = ["run.b", "run.a", "run.c", "runs", "walk", "run"]
    await bench.store.swap([Change(bench.name(word), word.encode()) for word in words])
    found = await bench.store.scan(bench.name("run."), "", 10)
    assert [(key, value.body) for key, value in found] == [
        (bench.name(f"run.{letter}"), f"run.{letter}".encode()) for letter in "abc"
    ]


async def test_scan_goes_on_after_a_key(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name(f"run.{number}"), b"") for number in range(5)])
    first = await bench.store.scan(bench.name("run."), "", 2)
    rest = await bench.store.scan(bench.name("run."), first[-1][0], 10)
    assert [key for key, _ in (*first, *rest)] == [bench.name(f"run.{number}") for number in range(5)]


async def test_wildcards_in_a_prefix_are_plain_letters(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name(key), key.encode()) for key in ("a%b", "axb", "a_b")])
    assert [value.body for _, value in await bench.store.scan(bench.name("a%"), "", 10)] == [b"a%b"]
    assert [value.body for _, value in await bench.store.scan(bench.name("a_"), "", 10)] == [b"a_b"]


@needs("durable")
async def test_value_survives_a_restart(bench: Bench) -> None:
    await bench.store.swap([Change(bench.name("a"), b"kept")])
    await bench.reopen()
    assert await bodies(bench, "a") == [b"kept"]
