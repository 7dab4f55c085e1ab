"""What becomes of a line: real HTTP to a stand-in engine, a real database, and a clock that only back-offs move."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.tables import Outbox
from engines.bulk import sending
from engines.bulk.pool import Answer, Line, Pool
from engines.bulk.routes import IDLE_S, Routes
from engines.serving.engine import free_port
from engines.serving.router import Outcome
from models import deployment as dep
from models import replica
from models.account import Account
from models.deployment import Deployment
from models.replica import Replica
from tests.engines.serving.conftest import upstream
from tests.engines.serving.upstream import Upstream, usage

__all__ = ["upstream"]

pytestmark = pytest.mark.anyio
PATH = "/v1/chat/completions"
HELLO = {"model": "name", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "name",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": usage(4, 2),
}
GONE = "http://127.0.0.1:9"


class World:
    """A deployment `dep_1` and the pool of one host. `slept` are the back-offs, which move `now` and take no time."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.now = 1000.0
        self.slept: list[float] = []
        self.pool = Pool(core, clock=lambda: self.now, sleep=self._sleep, chance=lambda: 1.0)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def ask(self, batch_id: str = "batch_1", body: dict[str, Any] = HELLO, line: int = 1) -> "asyncio.Task[Answer]":
        raw = json.dumps(body).encode()
        return asyncio.create_task(self.pool.answer(Line(batch_id, line, f"custom-{line}", "dep_1", PATH, raw, body)))

    async def look(self) -> None:
        await self.pool.routes.look([self.pool.routes.use("dep_1")])

    async def change(self, **values: Any) -> None:
        """Change the deployment, as its host does, and look."""
        async with self.core.db.transaction() as session:
            row = await session.get_one(Deployment, "dep_1")
            row.sqlmodel_update(values)
            session.add(row)
        await self.look()

    async def start(self, *urls: str, rate: int | None = 3_600_000, look: bool = True) -> None:
        """Add a replica at each URL, and look."""
        async with self.core.db.transaction() as session:
            for number, url in enumerate(urls):
                made = clock.now() + timedelta(seconds=number)
                session.add(
                    Replica(
                        id=f"rep_{len(self.slept)}_{number}_{url[-5:]}",
                        account_id="acct_1",
                        deployment_id="dep_1",
                        status=replica.RUNNING,
                        gpu_requested={"type": "CPU", "count": 1},
                        rate_micros_per_hour=rate,
                        url=url,
                        created_at=made,
                    )
                )
        if look:
            await self.look()

    async def stop_all(self) -> None:
        async with self.core.db.transaction() as session:
            for row in (await session.exec(select(Replica))).all():
                row.status = replica.STOPPED
                session.add(row)
        await self.look()

    async def woken(self) -> int:
        async with self.core.db.read() as session:
            return len((await session.exec(select(Outbox))).all())


@pytest.fixture
async def world(core: Core) -> AsyncIterator[World]:
    moment = clock.now()
    async with core.db.transaction() as session:
        session.add(Account(id="acct_1", slug="tenant", created_at=moment))
        await session.flush()
        session.add(
            Deployment(
                id="dep_1",
                account_id="acct_1",
                name="name",
                status=dep.SERVING,
                model="org/model",
                source=dep.HUGGINGFACE,
                gpu_requested={"type": "CPU", "count": 1},
                created_at=moment,
                updated_at=moment,
                serving_since=moment,
            )
        )
    made = World(core)
    made.pool.routes.use("dep_1")
    yield made
    await made.pool.close()
    assert made.pool.table.counts() == {}


@pytest.fixture
def engine(upstream: Upstream) -> Upstream:
    upstream.answer = upstream.whole(ANSWER)
    return upstream


def script(engine: Upstream, *answers: tuple[int, Any]) -> None:
    """Answer with these, one after the other, and with the last for ever."""
    left = list(answers)

    async def answer(_: Request) -> Response:
        status, content = left.pop(0) if len(left) > 1 else left[0]
        return JSONResponse(content, status)

    engine.answer = answer


def error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "some_error", "code": code, "param": None}}


async def until(look: Any) -> None:
    async with asyncio.timeout(10):
        while not look():
            await asyncio.sleep(0.002)


def statuses(answer: Answer) -> Sequence[int]:
    return [row.status_code for row in answer.logged]


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


async def test_a_replica_that_dies_costs_no_attempt_that_counts(world: World, engine: Upstream) -> None:
    await world.start(GONE, engine.url)
    answer = await world.ask()
    assert (answer.status_code, answer.attempts, statuses(answer)) == (200, 2, [200])
    assert world.slept == []


async def test_lines_outlast_an_outage_however_long(world: World, engine: Upstream) -> None:
    await world.start(GONE)
    task = world.ask()
    for _ in range(50):
        world.now += 30
        await world.look()
        await asyncio.sleep(0.002)
    assert not task.done()
    await world.stop_all()
    await world.start(engine.url)
    answer = await task
    assert (answer.status_code, statuses(answer)) == (200, [200])
    assert answer.attempts > sending.DEATHS


async def test_a_line_that_one_replica_after_another_dies_of_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "DEATHS", 3)
    await world.start(GONE, "http://127.0.0.1:7", "http://127.0.0.1:11")
    answer = await world.ask()
    assert (answer.status_code, answer.code, answer.attempts, answer.logged) == (None, "engine_unreachable", 3, ())
    assert answer.message == "3 replicas went away, one after the other, before they answered it."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"status": dep.STOPPED}, "The deployment name is stopped."),
        ({"status": dep.FAILED}, "The deployment name is failed."),
        ({"deleted_at": clock.now()}, "The deployment name was deleted."),
    ],
)
async def test_a_deployment_that_ends_ends_the_lines_that_wait(world: World, values: dict[str, Any], message: str) -> None:
    task = world.ask()
    await until(lambda: world.pool.routes.use("dep_1").route)
    await world.change(**values)
    answer = await task
    assert (answer.status_code, answer.code, answer.message) == (None, "deployment_not_serving", message)
    assert (answer.attempts, answer.logged) == (0, ())


async def test_a_deployment_that_is_not_there_answers_nothing(world: World) -> None:
    answer = await world.pool.answer(Line("batch_1", 1, "a", "dep_2", PATH, b"{}", {}))
    assert (answer.code, answer.message) == ("deployment_not_serving", "There is no deployment dep_2.")


async def test_lines_in_line_for_a_place_hear_that_the_deployment_ended(world: World, engine: Upstream) -> None:
    await world.change(max_batch_size=1)
    await world.start(engine.url)
    engine.answer = engine.silent()
    first, second = world.ask(line=1), world.ask(line=2)
    await until(lambda: engine.bodies and world.pool.table.waiting("dep_1"))
    await world.change(status=dep.STOPPED)
    assert (await second).code == "deployment_not_serving"
    first.cancel()
    await asyncio.wait([first])


async def test_a_pause_is_waited_out_and_nobody_woken(world: World, engine: Upstream) -> None:
    await world.start(engine.url)
    await world.change(paused_at=clock.now())
    task = world.ask()
    for _ in range(3):
        world.now += 10
        await world.look()
        await asyncio.sleep(0.01)
    assert not task.done()
    assert (engine.bodies, await world.woken()) == ([], 0)
    await world.change(paused_at=None)
    assert (await task).status_code == 200


async def test_a_deployment_that_sleeps_is_woken_once_each_few_seconds(world: World, engine: Upstream) -> None:
    tasks = [world.ask(line=line) for line in range(5)]
    await until(lambda: world.pool.routes.use("dep_1").route)
    woken: list[int] = []
    for _ in range(4):
        await world.look()
        await asyncio.sleep(0.05)
        woken.append(await world.woken())
    assert woken == [1, 1, 1, 1]
    async with world.core.db.read() as session:
        assert (await session.get_one(Deployment, "dep_1")).wake_requested_at is not None
    await world.start(engine.url)
    assert [(await task).status_code for task in tasks] == [200] * 5


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
