"""The gateway's log: the rows, the totals and the stream of a deployment's requests are one story, told once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import col, select
from structlog.testing import capture_logs

from burnish.kit import stream
from burnish.kit.tables import StreamChunk
from engines.serving import request_log
from engines.serving.request_log import Logged, RequestLog
from models import deployment as dep
from models.deployment import Deployment, InferenceRequest
from resolvers import deployments
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.inputs import parse
from tests.logged import logged, row_of
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio


async def make(ctx: Context, name: str = "my-model") -> Deployment:
    body = {"model": "tiny", "name": name, "source": "huggingface", "gpu": {"type": "H100", "count": 1}}
    return await deployments.create(ctx, parse(DeploymentInput, body))


def asked(row: Deployment, **values: Any) -> Logged:
    return logged(row.account_id, row.id, **values)


async def log(ctx: Context, *requests: Logged) -> None:
    for request in requests:
        ctx.platform.gateway.request_log.add(request)
    await ctx.platform.gateway.flush()


async def told(ctx: Context, row: Deployment) -> list[str]:
    return [item.data["id"] for item in await deployments.rows(ctx, row.id, "requests")]


async def chunks(ctx: Context, row: Deployment) -> list[tuple[int, int]]:
    its = (StreamChunk.resource_id == row.id, StreamChunk.kind == "requests")
    async with ctx.db.read() as session:
        found = (await session.exec(select(StreamChunk).where(*its).order_by(col(StreamChunk.first_seq)))).all()
    return [(chunk.first_seq, chunk.last_seq) for chunk in found]


async def test_a_request_is_streamed_as_it_is_logged(on_both: Tenants) -> None:
    ctx = await on_both()
    row = await make(ctx)
    bad: dict[str, Any] = {
        "replica_id": "rep_1",
        "status_code": 499,
        "client_cancelled": True,
        "error_message": "It left.",
        "created_micros": 1_000_001,
    }
    request = asked(row, streamed=True, ttft_ms=2.25, finish_reason="length", **bad)
    await log(ctx, request)
    [item] = await deployments.rows(ctx, row.id, "requests")
    assert (item.seq, item.attempt) == (1, 0)
    assert item.data == {
        "id": request.id,
        "at": "1970-01-01T00:00:01.000001+00:00",
        "replica_id": "rep_1",
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "latency_ms": 12.5,
        "ttft_ms": 2.25,
        "status_code": 499,
        "streamed": True,
        "finish_reason": "length",
        "client_cancelled": True,
        "error_message": "It left.",
    }
    async with ctx.db.read() as session:
        assert row_of(await session.get_one(InferenceRequest, request.id)) == item.data


async def test_a_flush_writes_one_chunk_for_each_deployment(ctx: Context) -> None:
    first, second = await make(ctx), await make(ctx, "other")
    requests = [asked(first if index % 3 else second) for index in range(9)]
    await log(ctx, *requests)
    await log(ctx, last := asked(second))
    assert await told(ctx, first) == [request.id for request in requests if request.deployment_id == first.id]
    assert await told(ctx, second) == [request.id for request in [*requests, last] if request.deployment_id == second.id]
    assert (await chunks(ctx, first), await chunks(ctx, second)) == ([(1, 6)], [(1, 3), (4, 4)])


async def test_a_flush_that_fails_writes_nothing_and_the_next_one_all(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> int:
        raise ConnectionError("the database is away")

    row = await make(ctx)
    first, second = asked(row), asked(row)
    with monkeypatch.context() as patch:
        patch.setattr(stream, "append_each", away)
        with pytest.raises(ConnectionError):
            await log(ctx, first)
    assert (await told(ctx, row), (await deployments.get(ctx, row.id)).total_requests) == ([], 0)
    await log(ctx, second)
    assert await told(ctx, row) == [first.id, second.id]
    assert (await deployments.get(ctx, row.id)).total_requests == 2
    async with ctx.db.read() as session:
        assert len((await session.exec(select(InferenceRequest))).all()) == 2


async def test_an_error_that_no_database_can_hold_does_not_stop_the_log(on_both: Tenants) -> None:
    ctx = await on_both()
    row = await make(ctx)
    await log(ctx, asked(row, error_message="no tool \0 or \ud800"), asked(row, error_message="é"))
    messages = [item.data["error_message"] for item in await deployments.rows(ctx, row.id, "requests")]
    assert messages == ["no tool \ufffd or ?", "é"]
    async with ctx.db.read() as session:
        assert set((await session.exec(select(InferenceRequest.error_message))).all()) == set(messages)


async def test_gateways_that_log_at_once_lose_and_repeat_nothing(on_both: Tenants) -> None:
    ctx = await on_both()
    rows = [await make(ctx), await make(ctx, "other")]
    gateways = [type(ctx.platform.gateway)(ctx.core) for _ in range(5)]
    expected: dict[str, set[str]] = {row.id: set() for row in rows}

    async def serve(gateway: Any) -> None:
        for index in range(20):
            for row in rows if index % 2 else reversed(rows):
                request = asked(row)
                expected[row.id].add(request.id)
                gateway.request_log.add(request)
            await gateway.flush()

    await asyncio.gather(*map(serve, gateways))
    for row in rows:
        found = await deployments.rows(ctx, row.id, "requests")
        assert [item.seq for item in found] == list(range(1, 101))
        assert {item.data["id"] for item in found} == expected[row.id]
    await asyncio.gather(*(gateway.close() for gateway in gateways))


async def test_followers_get_each_request_once_and_the_end(ctx: Context) -> None:
    row = await make(ctx)
    await log(ctx, one := asked(row))
    async with aclosing(deployments.follow(ctx, row.id, "requests")) as batches, asyncio.timeout(10):
        seen = [item.data["id"] for item in (await anext(batches)).rows]
        await log(ctx, two := asked(row), three := asked(row))
        seen += [item.data["id"] for item in (await anext(batches)).rows]
        await deployments.stop(ctx, row.id)
        last = await anext(batches)
    assert seen == [one.id, two.id, three.id]
    assert (last.rows, last.cursor, last.end_reason) == ([], 3, dep.STOPPED)


async def test_what_is_logged_after_the_end_is_kept_for_who_comes_back(ctx: Context) -> None:
    row = await make(ctx)
    await log(ctx, asked(row))
    await deployments.stop(ctx, row.id)
    await log(ctx, late := asked(row))
    async with asyncio.timeout(10):
        after_the_end = [batch async for batch in deployments.follow(ctx, row.id, "requests", after=1)]
        whole = [batch async for batch in deployments.follow(ctx, row.id, "requests")]
    assert [([item.data["id"] for item in batch.rows], batch.end_reason) for batch in after_the_end] == [([late.id], "stopped")]
    assert [len(batch.rows) for batch in whole] == [2]


async def written(ctx: Context, row: Deployment, requests: list[Logged]) -> None:
    """See that just these requests were logged, each once, in all three places."""
    assert sorted(await told(ctx, row)) == sorted(request.id for request in requests)
    async with ctx.db.read() as session:
        its = InferenceRequest.deployment_id == row.id
        assert (await session.exec(select(func.count()).select_from(InferenceRequest).where(its))).one() == len(requests)
    found = await deployments.get(ctx, row.id)
    tokens = sum(request.prompt_tokens for request in requests)
    assert (found.total_requests, found.total_prompt_tokens) == (len(requests), tokens)


@pytest.mark.parametrize("whole", [False, True], ids=["the caller", "the process"])
async def test_a_flush_that_is_cut_off_anywhere_writes_everything_once(on_both: Tenants, whole: bool) -> None:
    ctx = await on_both()
    row = await make(ctx)
    log = ctx.platform.gateway.request_log
    requests: list[Logged] = []
    for turns in range(60):
        requests.append(asked(row))
        log.add(requests[-1])
        flushing = asyncio.create_task(log.flush())
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in [flushing, *(log._writing if whole else ())]:
            task.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
    await log.flush()
    await written(ctx, row, requests)


async def test_a_commit_that_nobody_heard_of_is_not_repeated(on_both: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = await on_both()
    row = await make(ctx)
    transaction = ctx.db.transaction

    @asynccontextmanager
    async def cut_off() -> AsyncIterator[Any]:
        async with transaction() as session:
            yield session
        raise ConnectionError("the database has gone away")

    first, second = asked(row), asked(row)
    with monkeypatch.context() as patch:
        patch.setattr(ctx.db, "transaction", cut_off)
        with pytest.raises(ConnectionError):
            await log(ctx, first)
    with capture_logs() as said:
        await log(ctx, second)
    # Not even as a row that is refused.
    assert [entry for entry in said if entry["event"] == "request_log_row_refused"] == []
    await written(ctx, row, [first, second])
    await log(ctx)
    await written(ctx, row, [first, second])


async def test_a_row_that_the_database_refuses_is_left_out_and_said(on_both: Tenants) -> None:
    ctx = await on_both()
    row = await make(ctx)
    good = [asked(row, prompt_tokens=index) for index in range(7)]
    huge, nowhere = asked(row, prompt_tokens=2**70), logged(ctx.account.id, "dep_unknown")
    with capture_logs() as said:
        # One is there twice, too.
        await log(ctx, *good[:4], huge, *good[4:6], nowhere, good[3], good[6])
    await written(ctx, row, good)
    assert [entry["id"] for entry in said if entry["event"] == "request_log_row_refused"] == [huge.id, nowhere.id]


async def test_what_comes_while_too_much_waits_is_dropped_and_said(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MOST_WAITING", 3)
    row = await make(ctx)
    requests = [asked(row) for _ in range(5)]
    with capture_logs() as said:
        await log(ctx, *requests)
        await log(ctx, after := asked(row))
    dropped = [entry for entry in said if entry["event"] == "request_log_dropped"]
    assert dropped == [{"event": "request_log_dropped", "log_level": "error", "requests": 2, "most_waiting": 3}]
    await written(ctx, row, [*requests[:3], after])


async def test_many_rows_are_written_in_several_transactions(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MOST_AT_ONCE", 4)
    row = await make(ctx)
    requests = [asked(row) for _ in range(10)]
    append_each, calls = stream.append_each, 0

    async def once(*args: Any, **values: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConnectionError("the database is away")
        return await append_each(*args, **values)

    monkeypatch.setattr(stream, "append_each", once)
    with pytest.raises(ConnectionError):
        await log(ctx, *requests)
    await written(ctx, row, requests[:4])
    await log(ctx)
    await written(ctx, row, requests)
    assert await chunks(ctx, row) == [(1, 4), (5, 8), (9, 10)]


async def test_what_cannot_be_written_at_the_end_is_said(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise ConnectionError("the database is away")

    row, found = await make(ctx), RequestLog(ctx.core)
    await ctx.core.hub.close()
    found.add(asked(row))
    monkeypatch.setattr(ctx.core.db, "transaction", away)
    with capture_logs() as logs:
        await found.close()
    assert logs == [{"event": "request_log_lost", "requests": 1, "error": "the database is away", "log_level": "error"}]


async def test_an_error_of_any_length_is_kept_short(ctx: Context) -> None:
    row = await make(ctx)
    await log(ctx, asked(row, error_message="x" * 10_000))
    [item] = await deployments.rows(ctx, row.id, "requests")
    assert item.data["error_message"] == "x" * request_log.LONGEST_ERROR
