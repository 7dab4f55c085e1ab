"""Turns, limits and shares of places, one at a time, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from engines.bulk.places import Places, Seat
from engines.serving.router import Outcome, Target
from tests.engines.serving import virtual_time
from tests.engines.serving.virtual_time import VirtualLoop, settled

A, B = (Target(f"rep_{name}", f"http://127.0.0.1/{name}") for name in "ab")


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test())

    return run


def table(*targets: Target, at_once: int = 16, cap: int = 512) -> Places:
    made = Places(cap=cap, clock=virtual_time.now)
    made.seat("dep", targets or (A,), at_once)
    return made


async def sat(made: Places, batch_id: str = "one") -> Seat:
    seat = await made.sit("dep", batch_id)
    assert seat is not None
    return seat


async def fill(made: Places) -> list[Seat]:
    return [await sat(made) for _ in range(made.places("dep"))]


def line_up(made: Places, batch_id: str, order: list[str], seats: list[Seat]) -> "asyncio.Task[None]":
    async def wait() -> None:
        seat = await sat(made, batch_id)
        order.append(batch_id)
        seats.append(seat)

    return asyncio.create_task(wait())


@virtual
async def test_batches_take_turns_however_many_lines_each_has() -> None:
    made, order = table(at_once=2), list[str]()
    seats = await fill(made)
    assert len(seats) == 1
    tasks = [line_up(made, "long", order, seats) for _ in range(6)]
    await settled()
    tasks += [line_up(made, "short", order, seats) for _ in range(2)]
    tasks += [line_up(made, "other", order, seats) for _ in range(2)]
    await settled()
    while made.waiting("dep"):
        seats.pop(0).leave(Outcome.OK)
        await settled()
    assert order == ["long", "short", "other", "long", "short", "other", "long", "long", "long", "long"]
    await asyncio.gather(*tasks)


@virtual
async def test_a_batch_that_has_left_takes_no_turn() -> None:
    made, order = table(at_once=2), list[str]()
    seats = await fill(made)
    gone = [line_up(made, "gone", order, seats) for _ in range(3)]
    await settled()
    stays = line_up(made, "stays", order, seats)
    await settled()
    for task in gone:
        task.cancel()
    seats.pop().leave(Outcome.OK)
    await stays
    assert order == ["stays"]
    assert made.waiting("dep") == 0


@virtual
async def test_a_reserve_is_left_for_interactive_traffic_and_what_it_has_is_its_own() -> None:
    made = table(at_once=16)
    assert made.places("dep") == 14
    made.others("gateway", {"rep_a": 10})
    assert made.places("dep") == 4
    made.others("gateway", {"rep_a": 14})
    assert made.places("dep") == 0
    made.others("gateway", {})
    assert made.places("dep") == 14


@virtual
async def test_the_setting_bounds_what_a_deployment_asks_for() -> None:
    assert table(at_once=256, cap=8).places("dep") == 7
    assert table(at_once=1).places("dep") == 1


@virtual
async def test_lines_wait_while_interactive_traffic_fills_a_replica_and_go_on_when_it_ends() -> None:
    made, order, seats = table(at_once=4), list[str](), list[Seat]()
    made.others("gateway", {"rep_a": 4})
    task = line_up(made, "one", order, seats)
    await settled()
    assert not task.done()
    made.others("gateway", {"rep_a": 1})
    await task
    assert made.counts() == {"rep_a": 1}


@virtual
async def test_hosts_share_what_is_free() -> None:
    made = table(at_once=16)
    made.other_bulk("host", {"rep_a": 14})
    assert made.places("dep") == 7
    made.other_bulk("host", {"rep_a": 7})
    assert made.places("dep") == 7
    made.other_bulk("host", {"rep_a": 2})
    assert made.places("dep") == 12


@virtual
async def test_a_replica_of_one_place_is_nobodys_alone() -> None:
    made = table(at_once=1)
    made.other_bulk("host", {"rep_a": 1})
    assert made.places("dep") == 1


@virtual
async def test_the_limit_grows_while_it_is_used_up_and_falls_by_what_waits() -> None:
    made = table(at_once=256)
    assert made.places("dep") == 64
    made.measured("rep_a", 0)
    assert made.places("dep") == 64
    seats = await fill(made)
    made.measured("rep_a", 0)
    assert made.places("dep") == 72
    made.measured("rep_a", 48)
    assert made.places("dep") == 16
    # Those that wait have not gone yet: the same news is no new reason.
    made.measured("rep_a", 48)
    assert made.places("dep") == 16
    made.measured("rep_a", 0)
    assert made.places("dep") == 16
    made.measured("rep_a", 0)
    assert made.places("dep") == 18
    for seat in seats:
        seat.leave(Outcome.OK)


@virtual
async def test_only_our_part_of_what_waits_is_ours_to_take_back() -> None:
    made = table(at_once=256)
    seats = await fill(made)
    made.others("gateway", {"rep_a": 64})
    made.measured("rep_a", 20)
    assert made.places("dep") == 54
    for seat in seats:
        seat.leave(Outcome.OK)


@virtual
async def test_what_failed_together_halves_the_limit_once() -> None:
    made = table(at_once=256)
    seats = await fill(made)
    for seat in seats:
        seat.leave(Outcome.NEITHER, refused=True)
    assert made.places("dep") == 32
    (await sat(made)).leave(Outcome.FAULT)
    assert made.places("dep") == 16
    for _ in range(2):
        made.measured("rep_a", 0)
    assert made.places("dep") == 16


@virtual
async def test_an_outage_halves_the_limit_once_however_often_it_is_tried() -> None:
    made = table(at_once=256)
    for _ in range(4):
        (await sat(made)).leave(Outcome.UNREACHABLE)
        await asyncio.sleep(30)
    (await sat(made)).leave(Outcome.OK)
    assert made.places("dep") == 32


@virtual
async def test_a_refusal_by_the_caller_s_fault_halves_nothing() -> None:
    made = table(at_once=256)
    for seat in await fill(made):
        seat.leave(Outcome.NEITHER)
    assert made.places("dep") == 64


@virtual
async def test_the_least_loaded_replica_is_next_counting_all() -> None:
    made = table(A, B)
    made.others("gateway", {"rep_a": 2})
    taken = [await sat(made) for _ in range(4)]
    assert [seat.target for seat in taken] == [B, B, A, B]


@virtual
async def test_shares_sum_to_the_time_of_the_replica() -> None:
    made = table()
    first = await sat(made)
    await asyncio.sleep(2)
    second = await sat(made)
    await asyncio.sleep(4)
    assert first.leave(Outcome.OK) == 4.0
    await asyncio.sleep(1)
    assert second.leave(Outcome.OK) == 3.0
    await asyncio.sleep(100)
    third = await sat(made)
    await asyncio.sleep(0.5)
    assert third.leave(Outcome.OK) == 0.5
    assert third.leave(Outcome.OK) == 0.0


@virtual
async def test_interactive_traffic_and_other_hosts_have_their_share_of_the_time() -> None:
    made = table()
    made.others("gateway", {"rep_a": 1})
    seat = await sat(made)
    await asyncio.sleep(2)
    made.other_bulk("host", {"rep_a": 2})
    await asyncio.sleep(4)
    assert seat.leave(Outcome.OK) == 2.0


@virtual
async def test_a_replica_that_leaves_ends_its_lines_as_they_end() -> None:
    made = table()
    seat = await sat(made)
    await asyncio.sleep(1)
    made.seat("dep", [], 16)
    await asyncio.sleep(1)
    assert await made.sit("dep", "one") is None
    assert seat.leave(Outcome.OK) == 2.0
    made.seat("dep", [], 16)
    assert (made._replicas, made._rooms, made.counts()) == ({}, {}, {})
