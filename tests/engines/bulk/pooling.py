"""A deployment and the pool of one host: real HTTP to a stand-in engine, a real database, a clock that back-offs alone move."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.tables import Outbox
from engines.bulk.pool import Answer, Line, Pool
from models import deployment as dep
from models import replica
from models.account import Account
from models.deployment import Deployment
from models.replica import Replica
from tests.engines.serving.conftest import upstream
from tests.engines.serving.upstream import Upstream, usage

__all__ = ["upstream"]

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
