"""A host takes up batches beside its other work, and has real servers answer them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from burnish.kit import clock
from engines.serving.engine import free_port
from engines.supervise import Supervisor
from models import batch
from models.batch import Batch
from models.deployment import Deployment
from models.host import Host
from tests.engines.bulk.working import Installation, request
from tests.engines.serving.upstream import Upstream, usage

pytestmark = pytest.mark.anyio
NAMES = [f"line-{number}" for number in range(30)]


@pytest.fixture
async def upstream(installation: Installation) -> AsyncIterator[Upstream]:
    """A server that the deployment is of, and that answers each line with what it was asked."""
    engine = Upstream()
    engine.answer = _echo(engine)
    await engine.start(free_port())
    async with installation.core.db.transaction() as session:
        adopted = {"source": "adopted", "upstream_url": engine.url, "upstream_model": "model"}
        await session.exec(update(Deployment).values(**adopted, serving_since=clock.now()))
    yield engine
    await engine.stop()


def _echo(engine: Upstream) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        text = engine.bodies[-1].get("text", "looks whether it answers")
        if text == "line-7":
            return JSONResponse({"error": {"message": "Too long.", "code": "context_length_exceeded"}}, 400)
        return JSONResponse({"choices": [{"text": text, "finish_reason": "stop"}], "usage": usage(5, 2)})

    return answer


@asynccontextmanager
async def hosting(installation: Installation) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(installation.core)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        await task


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await look():
            await asyncio.sleep(0.02)


def _lines() -> list[bytes]:
    return [request(name, body={"model": "dep", "messages": [], "text": name}) for name in NAMES]


async def test_a_host_has_the_lines_of_a_batch_answered(installation: Installation, upstream: Upstream) -> None:
    batch_id = await installation.batch(_lines())

    async def is_over() -> bool:
        row = await installation.row(batch_id)
        return row.status in batch.TERMINAL and row.lease_holder is None

    async with hosting(installation):
        await until(is_over)
    await installation.assert_whole(batch_id, NAMES)
    row = await installation.row(batch_id)
    assert (row.status, row.completed, row.failed) == ("completed", 29, 1)
    assert (row.prompt_tokens, row.completion_tokens) == (29 * 5, 29 * 2)
    output, errors = await installation.lines(row.output_file_id), await installation.lines(row.error_file_id)
    assert [line["response"]["body"]["choices"][0]["text"] for line in output] == [n for n in NAMES if n != "line-7"]
    assert [(line["custom_id"], line["response"]["status_code"]) for line in errors] == [("line-7", 400)]
    assert sorted(body["text"] for body in upstream.bodies if "text" in body) == sorted(NAMES)


async def test_a_host_that_drains_leaves_a_batch_to_another(installation: Installation, upstream: Upstream) -> None:
    echo, stall = upstream.answer, upstream.stalling()

    async def answer(request: Request) -> Response:
        return await (stall if "text" in upstream.bodies[-1] else echo)(request)

    upstream.answer = answer
    batch_id = await installation.batch(_lines())

    async def holder() -> str | None:
        return (await installation.row(batch_id)).lease_holder

    async with hosting(installation) as first:

        async def is_sent() -> bool:
            return any("text" in body for body in upstream.bodies)

        await until(is_sent)
        async with hosting(installation) as second:
            async with installation.core.db.transaction() as session:
                drained = update(Host).where(col(Host.id) == first.host_id).values(draining_at=clock.now())
                await session.exec(drained)

            async def is_elsewhere() -> bool:
                return await holder() == second.host_id

            await until(is_elsewhere)
    async with installation.core.db.read() as session:
        assert (await session.get_one(Batch, batch_id)).attempt == 2
