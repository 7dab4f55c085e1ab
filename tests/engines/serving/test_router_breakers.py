"""Replicas that fail are left alone, and who waits hears of it."""

import asyncio

import pytest

from engines.serving import breaker
from engines.serving.router import Outcome, Table
from tests.engines.serving import virtual_time
from tests.engines.serving.routing import A, B, table, target_of, took, waiting
from tests.engines.serving.virtual_time import VirtualLoop, settled

pytestmark = pytest.mark.anyio
OK, UNREACHABLE, FAULT, NEITHER = Outcome.OK, Outcome.UNREACHABLE, Outcome.FAULT, Outcome.NEITHER


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualLoop}


async def test_a_replica_that_cannot_be_reached_is_left_alone_and_told_of() -> None:
    made = table(A, B)
    told: list[tuple[str, float]] = []
    made.on_open = lambda replica_id, seconds: told.append((replica_id, seconds))
    lease = await took(made, without=[B])
    lease.release(UNREACHABLE)
    assert [(await took(made)).target for _ in range(3)] == [B, B, B]
    assert await made.take("dep", without=[B], wait_s=60) is None
    assert told == [("rep_a", 0.5)]


async def test_requests_that_fail_together_open_it_once() -> None:
    made = table(A)
    told: list[tuple[str, float]] = []
    made.on_open = lambda replica_id, seconds: told.append((replica_id, seconds))
    for lease in [await took(made) for _ in range(20)]:
        lease.release(UNREACHABLE)
    assert told == [("rep_a", 0.5)]


async def test_an_answer_between_faults_begins_their_row_anew() -> None:
    made = table(A)
    for outcome in (FAULT, FAULT, FAULT, FAULT, OK, FAULT, FAULT, FAULT, FAULT, NEITHER):
        (await took(made)).release(outcome)
    (await took(made)).release(FAULT)
    assert await made.take("dep", wait_s=60) is None


async def test_to_begin_an_answer_is_not_yet_to_end_it() -> None:
    made = table(A)
    for _ in range(5):
        lease = await took(made)
        lease.answered()
        lease.release(FAULT)
    assert await made.take("dep", wait_s=60) is None


async def test_after_its_time_one_request_tries_and_lets_in_who_waits() -> None:
    made = table(A)
    (await took(made)).release(UNREACHABLE)
    assert await made.take("dep", wait_s=60) is None
    await asyncio.sleep(0.5)
    trial = await took(made)
    tasks = [await waiting(made) for _ in range(3)]
    trial.release(OK)
    assert [await target_of(task) for task in tasks] == [A, A, A]


async def test_a_trial_that_fails_sends_away_who_waits() -> None:
    made = table(A)
    (await took(made)).release(UNREACHABLE)
    await asyncio.sleep(0.5)
    trial = await took(made)
    task = await waiting(made)
    trial.release(FAULT)
    assert await target_of(task) is None
    await asyncio.sleep(0.99)
    assert await made.take("dep", wait_s=60) is None
    await asyncio.sleep(0.01)
    assert (await took(made)).target == A


async def test_a_trial_is_over_once_the_replica_has_begun_to_answer() -> None:
    made = table(A)
    (await took(made)).release(UNREACHABLE)
    await asyncio.sleep(0.5)
    trial = await took(made)
    task = await waiting(made)
    trial.answered()
    assert await target_of(task) == A
    assert made.counts() == {"rep_a": 2}


async def test_an_answer_that_was_asked_for_before_is_no_trial() -> None:
    made = table(A)
    before = await took(made)
    (await took(made)).release(UNREACHABLE)
    await asyncio.sleep(0.5)
    await took(made)
    task = await waiting(made)
    before.answered()
    before.release(OK)
    await settled()
    assert not task.done()


async def test_a_trial_that_never_ends_lets_another_one_try() -> None:
    made = table(A)
    (await took(made)).release(UNREACHABLE)
    await asyncio.sleep(0.5)
    await took(made)
    first, second = await waiting(made), await waiting(made)
    await asyncio.sleep(breaker.TRIAL_S)
    lease = first.result()
    assert lease is not None and not second.done()
    lease.release(OK)
    assert await target_of(second) == A


async def test_the_client_of_a_trial_that_leaves_makes_room_for_the_next() -> None:
    made = table(A)
    (await took(made)).release(UNREACHABLE)
    await asyncio.sleep(0.5)
    trial = await took(made)
    first, second = await waiting(made), await waiting(made)
    trial.release(NEITHER)
    assert await target_of(first) == A
    assert not second.done()


async def test_who_waits_for_others_tries_a_replica_once_its_time_has_come() -> None:
    made = table(A, B, cap=1)
    (await took(made, without=[B])).release(UNREACHABLE)
    await took(made)
    task = await waiting(made)
    began = virtual_time.now()
    lease = await task
    assert lease is not None and (lease.target, virtual_time.now() - began) == (A, 0.5)


async def test_who_waits_hears_of_the_end_of_a_breaker_that_opened_meanwhile() -> None:
    made = table(A, B, cap=1)
    lease = await took(made, without=[B])
    await took(made)
    task = await waiting(made)
    began = virtual_time.now()
    lease.release(UNREACHABLE)
    tried = await task
    assert tried is not None and (tried.target, virtual_time.now() - began) == (A, 0.5)


async def test_a_timer_that_is_late_lets_nobody_overtake() -> None:
    late_s = 0.0
    made = Table(cap=1, queue=9, clock=lambda: virtual_time.now() + late_s)
    made.set("dep", [A, B])
    (await took(made, without=[B])).release(UNREACHABLE)
    await took(made)
    first = await waiting(made)
    late_s = 0.6
    second = asyncio.create_task(made.take("dep", wait_s=60))
    assert await target_of(first) == A
    assert not second.done()


async def test_a_breaker_that_opens_sends_away_only_whom_nothing_else_serves() -> None:
    made = table(A, B, cap=1)
    leases = {lease.target: lease for lease in (await took(made), await took(made))}
    picky, easy = await waiting(made, without=[B]), await waiting(made)
    leases[A].release(UNREACHABLE)
    assert await target_of(picky) is None
    assert not easy.done()
    leases[B].release(OK)
    assert await target_of(easy) == B


async def test_a_breaker_that_another_process_opened_is_open_here_and_told_to_nobody() -> None:
    made = table(A, cap=1)
    told: list[tuple[str, float]] = []
    made.on_open = lambda replica_id, seconds: told.append((replica_id, seconds))
    lease = await took(made)
    task = await waiting(made)
    made.trip("rep_a", 2.0)
    made.trip("rep_unknown", 2.0)
    assert await target_of(task) is None
    lease.release(OK)
    await asyncio.sleep(1.9)
    assert await made.take("dep", wait_s=60) is None
    await asyncio.sleep(0.1)
    (await took(made)).release(UNREACHABLE)
    assert told == [("rep_a", 4.0)]


async def test_a_replica_that_is_gone_and_comes_back_is_asked_again() -> None:
    made = table(A, B)
    before = await took(made, without=[B])
    (await took(made, without=[B])).release(UNREACHABLE)
    made.set("dep", [B])
    made.set("dep", [A, B])
    before.release(UNREACHABLE)
    assert (await took(made, without=[B])).target == A
