"""What becomes of a line that is sent, and what it costs."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engines.bulk import sending
from engines.bulk.routes import IDLE_S, Routes
from engines.serving.engine import free_port
from engines.serving.router import Outcome
from models import deployment as dep
from tests.engines.bulk.pooling import ANSWER, HELLO, World, engine, error, script, statuses, until, upstream, world
from tests.engines.serving.upstream import Upstream

__all__ = ["engine", "upstream", "world"]

pytestmark = pytest.mark.anyio


async def test_a_line_is_answered_metered_and_logged(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    answer = await world.ask()
    assert (answer.status_code, answer.code, answer.message, answer.attempts) == (200, None, None, 1)
    assert json.loads(answer.body) == ANSWER
    assert (answer.prompt_tokens, answer.completion_tokens) == (4, 2)
    (row,) = answer.logged
    assert row.id.startswith("req_")
    assert (row.account_id, row.deployment_id, row.replica_id) == ("acct_1", "dep_1", f"rep_0_0_{engine.url[-5:]}")
    assert (row.prompt_tokens, row.completion_tokens, row.status_code, row.finish_reason) == (4, 2, 200, "stop")
    assert (row.streamed, row.client_cancelled, row.error_message) == (False, False, None)
    assert answer.latency_ms == row.latency_ms > 0
    assert engine.bodies == [HELLO]
    assert world.slept == []


async def test_a_refused_line_is_an_outcome_at_once(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    script(engine, (400, error("no \0 good", "bad_thing")))
    answer = await world.ask()
    assert (answer.status_code, answer.code, answer.attempts) == (400, "invalid_request_error", 1)
    assert answer.message == "no \ufffd good"
    assert json.loads(answer.body)["error"]["message"] == "no \0 good"
    assert statuses(answer) == [400]
    assert world.slept == []


async def test_a_fault_is_tried_again_after_a_while(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    script(engine, (500, error("boom")), (200, ANSWER))
    answer = await world.ask()
    assert (answer.status_code, answer.attempts, statuses(answer)) == (200, 2, [500, 200])
    assert (answer.prompt_tokens, answer.completion_tokens) == (4, 2)
    assert world.slept == [0.5]
    assert len({row.id for row in answer.logged}) == 2


async def test_the_sixth_fault_is_the_outcome(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    script(engine, (500, error("boom")))
    answer = await world.ask()
    assert (answer.status_code, answer.attempts, statuses(answer)) == (500, 6, [500] * 6)
    assert (answer.code, answer.message) == ("server_error", "boom")
    assert world.slept == [0.5, 1, 2, 4, 8]
    assert len(engine.bodies) == 6


@pytest.mark.parametrize(
    ("faults", "least", "most"), [(1, 0.25, 0.5), (2, 0.5, 1.0), (6, 8.0, 16.0), (7, 15.0, 30.0), (60, 15.0, 30.0)]
)
async def test_back_offs_double_to_half_a_minute_with_jitter(faults: int, least: float, most: float) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    for chance in (0.0, 1.0):
        await sending.Patience(sleep, lambda chance=chance: chance).back_off(faults)  # type: ignore[misc]
    assert slept == [least, most]


async def test_an_adopted_server_that_has_too_many_is_asked_less_and_again(world: World, engine: Upstream) -> None:
    engine.key = "sk-theirs"
    sealed = world.core.secrets.encrypt("sk-theirs", "dep_1")
    await world.start(engine.url, rate=0)
    await world.change(source=dep.ADOPTED, upstream_url=engine.url, upstream_model="theirs", sealed_upstream_key=sealed)
    script(engine, (429, error("slow down", "rate_limit_exceeded")), (200, ANSWER | {"model": "theirs"}))
    places = world.pool.table.places("dep_1")
    answer = await world.ask()
    assert (answer.status_code, statuses(answer), world.slept) == (200, [429, 200], [0.5])
    assert (places, world.pool.table.places("dep_1")) == (64, 32)
    assert answer.cost_nanos == 0
    await world.pool.measuring.look()
    assert engine.asked_for_metrics == 0


async def test_a_key_that_is_gone_holds_up_its_own_deployment_only(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    await world.change(source=dep.ADOPTED, upstream_url=engine.url, sealed_upstream_key="sealed by another key")
    task = world.ask()
    await asyncio.sleep(0)
    await world.look()
    assert not task.done()
    assert engine.bodies == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_line_that_is_cancelled_ends_its_request(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    engine.answer = engine.silent()
    task = world.ask()
    await until(lambda: engine.bodies)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    async with asyncio.timeout(10):
        await engine.left.wait()
    assert world.pool.table.counts() == {}
    assert world.pool.routes.asked() == []


async def test_a_line_costs_its_share_of_the_replicas_time(world: World, engine: Upstream) -> None:
    # 3.6 dollars an hour: a thousandth of a dollar a second.
    await world.start(engine.url, rate=3_600_000)
    came, go = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def answer(_: Request) -> Response:
        came.release()
        await go.acquire()
        return JSONResponse(ANSWER)

    engine.answer = answer
    async with asyncio.timeout(10):
        first = world.ask(line=1)
        await came.acquire()
        world.now += 2
        second = world.ask(line=2)
        await came.acquire()
        world.now += 4
        go.release()
        (done,), _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        world.now += 1
        go.release()
        costs = [(await first).cost_nanos, (await second).cost_nanos]
    assert costs == ([4_000_000, 3_000_000] if done is first else [5_000_000, 2_000_000])
    assert sum(costs) == 7_000_000


async def test_what_an_engine_lets_wait_is_taken_back(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    engine.answer = engine.silent()
    tasks = [world.ask(line=line) for line in range(64)]
    await until(lambda: len(engine.bodies) == 64)
    engine.metrics = "vllm:num_requests_waiting 48\n"
    await world.pool.measuring.look()
    assert (engine.asked_for_metrics, world.pool.table.places("dep_1")) == (1, 16)
    engine.metrics = "vllm:num_requests_waiting 0\n"
    for _ in range(2):
        await world.pool.measuring.look()
    assert world.pool.table.places("dep_1") == 18
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_an_engine_that_is_too_busy_to_say_is_not_asked_for_more(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    seats = [await world.pool.table.sit("dep_1", "batch_1") for _ in range(64)]
    world.pool.routes.use("dep_1").enter("batch_1")
    await engine.stop()
    await world.pool.measuring.look()
    assert world.pool.table.places("dep_1") == 64
    for seat in seats:
        assert seat is not None
        seat.release(Outcome.OK)
    world.pool.routes.use("dep_1").leave("batch_1")
    await engine.start(free_port())


async def test_a_database_that_is_away_is_waited_for(world: World, engine: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.start(engine.url, look=False)
    read, failures = Routes._read, [2]

    async def away(self: Routes, *arguments: Any) -> Any:
        if failures[0]:
            failures[0] -= 1
            raise OperationalError("select", {}, Exception("away"))
        return await read(self, *arguments)

    monkeypatch.setattr(Routes, "_read", away)
    assert (await world.ask()).status_code == 200
    assert world.slept == [0.5, 0.5]


async def test_batches_have_an_equal_part_of_the_places_at_hand(world: World, engine: Upstream) -> None:
    assert world.pool.places("dep_1") == 8
    await world.start(engine.url)
    assert world.pool.places("dep_1") == 64
    engine.answer = engine.silent()
    tasks = [world.ask(batch) for batch in ("batch_1", "batch_2", "batch_2", "batch_3")]
    await until(lambda: len(engine.bodies) == 4)
    assert world.pool.places("dep_1") == 22
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert world.pool.places("dep_1") == 64


async def test_deployments_that_nobody_asks_are_forgotten(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    assert (await world.ask()).status_code == 200
    world.pool.routes._forget()
    assert world.pool.table.places("dep_1") == 64
    world.now += IDLE_S + 1
    world.pool.routes._forget()
    assert (world.pool.routes._used, world.pool.table.places("dep_1")) == ({}, 0)
    assert world.pool.table._rooms == {}
