"""Deleted jobs and deployments: gone for every verb, their files and streams with them, the ledger untouched."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlmodel import select

from burnish.kit import clock, ids, live, stream
from burnish.kit.errors import Conflict, InvalidState, NotFound
from burnish.kit.tables import StreamChunk, StreamHead
from engines import erasing
from engines.serving import addressing
from engines.serving.proxy import Call
from models import job, leases, ledger, transitions
from models.deployment import Deployment, InferenceRequest
from models.job import Checkpoint, Job
from models.ledger import LedgerTransaction, Meter, Posting
from resolvers import checkpoints, deployments, downloads, inference, jobs, metrics, related
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.rate_limits import UNLIMITED
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_jobs import all_of, made, make, request, running
from tests.resolvers.test_resuming import saved

pytestmark = pytest.mark.anyio


async def completed(ctx: Context, jsonl: Path) -> Job:
    """Make a job that has run, with a checkpoint and a trained model in storage and rows in all of its streams."""
    row = await running(ctx, jsonl)
    for step, final in ((5, False), (10, True)):
        await saved(ctx, row, step, final=final)
        await ctx.core.storage.put(f"{row.account_id}/{row.id}/1/{step}/model.safetensors", b"weights")
    async with ctx.db.transaction() as session:
        found = await session.get_one(Job, row.id)
        await stream.append(session, row.id, "metrics", [{"step": 1, "values": {"reward": 1.0}}], attempt=1)
        await stream.append(session, row.id, "rollouts", [{"step": 1, "groups": []}], attempt=1)
        await ledger.accrue(session, row.id, clock.now(), description="Training job", close=True)
        await ledger.release(session, row.id)
        await transitions.move(session, found, job.COMPLETED, completed_at=clock.now())
        await stream.end(session, row.id, job.STREAMS, job.COMPLETED)
        await leases.release(session, Job, row.id, found.lease_token)
    return await jobs.get(ctx, row.id)


async def deployment_of(ctx: Context, row: Job) -> Deployment:
    spec = {"model": row.id, "name": "sums", "gpu": {"type": "CPU", "count": 1}}
    return await deployments.create(ctx, DeploymentInput.model_validate(spec))


async def stored(ctx: Context, row: Job) -> list[str]:
    return [key for key, _ in await ctx.core.storage.list(f"{row.account_id}/{row.id}")]


async def streams(ctx: Context, resource_id: str) -> list[str]:
    rows = await all_of(ctx, StreamHead, StreamChunk)
    return [row.kind for row in rows if row.resource_id == resource_id]


async def test_a_deleted_job_is_gone_with_its_files_and_streams_and_its_bill_stays(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    row = await completed(ctx, jsonl)
    link = await downloads.url(ctx, row.id)
    token = link.split("/downloads/")[1].split("/")[0]
    kept = await made(ctx, jsonl)
    books = await all_of(ctx, LedgerTransaction, Posting, Meter)
    assert (len(await stored(ctx, row)), set(await streams(ctx, row.id))) == (2, set(job.STREAMS))

    assert (await jobs.delete(ctx, row.id)).id == row.id

    assert await stored(ctx, row) == []
    assert await streams(ctx, row.id) == []
    assert await all_of(ctx, LedgerTransaction, Posting, Meter) == books
    verbs = [
        jobs.get(ctx, row.id), jobs.cancel(ctx, row.id), jobs.delete(ctx, row.id), jobs.heartbeat(ctx, row.id),
        jobs.checkpoints(ctx, row.id), jobs.final_checkpoint(ctx, row.id), jobs.rows(ctx, row.id, "logs"),
        metrics.read(ctx, row.id), downloads.url(ctx, row.id), downloads.open(ctx.platform, token), deployment_of(ctx, row),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(NotFound):
            await verb
    assert [item.id for item in (await jobs.page(ctx)).items] == [kept.id]
    assert (await checkpoints.page(ctx)).items == []
    assert await related.by_id(ctx, Job, [row.id]) == {}
    checkpoint_ids = [item.id for item in await all_of(ctx, Checkpoint)]
    assert await related.by_id(ctx, Checkpoint, checkpoint_ids) == {}
    assert await related.checkpoints(ctx, [row.id]) == {}
    assert list((await related.jobs(ctx, Job.dataset_id, [row.dataset_id], 5)).values()) == []
    activity = await all_of(ctx, StreamChunk)
    assert any("deleted" in str(stream.decode(chunk)) for chunk in activity if chunk.kind == "activity")


@pytest.mark.parametrize("status", ["queued", "provisioning", "running"])
async def test_a_job_that_has_not_ended_is_not_deleted(ctx: Context, jsonl: Path, status: str) -> None:
    row = await made(ctx, jsonl) if status == "queued" else await running(ctx, jsonl)
    before = await all_of(ctx, Job, StreamChunk)
    with pytest.raises(InvalidState) as caught:
        await jobs.delete(ctx, row.id)
    assert (caught.value.status, caught.value.code, caught.value.hint) == (400, "invalid_state", "Cancel it first.")
    assert await all_of(ctx, Job, StreamChunk) == before


async def test_anothers_job_and_deployment_are_not_deleted(ctx: Context, tenants: Tenants, jsonl: Path) -> None:
    other = await tenants("other")
    theirs = await completed(other, jsonl)
    serving = await deployment_of(other, theirs)
    await deployments.stop(other, serving.id)
    before = await all_of(other, Job, Checkpoint, Deployment, StreamChunk)
    for verb in (jobs.delete(ctx, theirs.id), jobs.heartbeat(ctx, theirs.id), deployments.delete(ctx, serving.id)):
        with pytest.raises(NotFound):
            await verb
    assert await all_of(other, Job, Checkpoint, Deployment, StreamChunk) == before
    assert len(await stored(other, theirs)) == 2


async def test_a_job_that_is_served_is_deleted_after_its_deployment_has_stopped(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    row = await completed(ctx, jsonl)
    serving = await deployment_of(ctx, row)
    with pytest.raises(Conflict) as caught:
        await jobs.delete(ctx, row.id)
    assert serving.id in caught.value.message
    assert len(await stored(ctx, row)) == 2
    await deployments.stop(ctx, serving.id)
    await jobs.delete(ctx, row.id)
    assert await stored(ctx, row) == []
    # The deployment is still there to be looked at.
    assert (await deployments.get(ctx, serving.id)).checkpoint_id is not None


async def test_a_job_that_another_goes_on_from_is_kept_until_that_has_ended(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    row = await completed(ctx, jsonl)
    body = await request(ctx, jsonl, resume_from=f"{row.id}@5", hyperparameters={"max_steps": 9})
    following = await make(ctx, body)
    with pytest.raises(Conflict) as caught:
        await jobs.delete(ctx, row.id)
    assert following.id in caught.value.message
    await jobs.cancel(ctx, following.id)
    await jobs.delete(ctx, row.id)
    assert (await jobs.get(ctx, following.id)).resume_checkpoint_id is not None


async def test_what_a_host_still_adds_to_a_deleted_job_is_swept(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    row = await running(ctx, jsonl)
    await jobs.cancel(ctx, row.id)
    await jobs.delete(ctx, row.id)
    await saved(ctx, row, 7)
    await ctx.core.storage.put(f"{row.account_id}/{row.id}/1/7/model.safetensors", b"late")
    assert await erasing.sweep(ctx.core) == 0
    assert "logs" in await streams(ctx, row.id)
    async with ctx.db.transaction() as session:
        found = await session.get_one(Job, row.id)
        await leases.release(session, Job, row.id, found.lease_token)
    assert await erasing.sweep(ctx.core) == 1
    assert (await stored(ctx, row), await streams(ctx, row.id)) == ([], [])
    assert await erasing.sweep(ctx.core) == 0


async def test_what_cannot_be_erased_now_keeps_nothing_else_from_it(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [await completed(ctx, jsonl) for _ in range(3)]
    whole = ctx.core.storage.delete

    async def fail(prefix: str) -> None:
        if rows[0].id in prefix or (rows[1].id not in prefix and not allowed):
            raise OSError("the store is away")
        await whole(prefix)

    allowed = False
    monkeypatch.setattr(ctx.core.storage, "delete", fail)
    for row in rows:
        await jobs.delete(ctx, row.id)
    assert [bool(await stored(ctx, row)) for row in rows] == [True, False, True]
    allowed = True
    assert await erasing.sweep(ctx.core) == 1
    assert [bool(await stored(ctx, row)) for row in rows] == [True, False, False]
    monkeypatch.undo()
    assert await erasing.sweep(ctx.core) == 1
    assert await stored(ctx, rows[0]) == []


async def test_who_still_reads_a_deleted_jobs_log_is_told_of_its_end(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAGE", 1)
    monkeypatch.setattr(live, "HEAL_S", 0.01)
    row, there = await completed(ctx, jsonl), await running(ctx, jsonl)
    hearing = asyncio.create_task(ctx.core.hub.run())
    async with aclosing(jobs.follow(ctx, row.id, "logs")) as reading, aclosing(jobs.follow(ctx, there.id, "logs")) as waiting:
        await anext(reading)
        for _ in await messages(ctx, there):
            await anext(waiting)
        await jobs.delete(ctx, row.id)
        # As with one whose end was told while the broker was away.
        await erasing.erase_streams(ctx.core, there.id)
        async with asyncio.timeout(10):
            assert [batch.end_reason async for batch in reading] == ["deleted"]
            assert [batch.end_reason async for batch in waiting] == ["deleted"]
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)


async def messages(ctx: Context, row: Job) -> list[str]:
    return [line.data["message"] for line in await jobs.rows(ctx, row.id, "logs")]


async def test_a_deployment_is_deleted_once_it_has_stopped(ctx: Context, jsonl: Path) -> None:
    serving = await deployment_of(ctx, await completed(ctx, jsonl))
    with pytest.raises(InvalidState) as caught:
        await deployments.delete(ctx, serving.id)
    assert (caught.value.status, caught.value.hint) == (400, "Stop it first.")
    await deployments.stop(ctx, serving.id)
    assert await messages_of(ctx, serving.id) != []
    asked = await requested(ctx, serving)
    assert list(await related.by_id(ctx, InferenceRequest, [asked])) == [asked]
    await deployments.delete(ctx, serving.id)
    assert await streams(ctx, serving.id) == []
    verbs = [
        deployments.get(ctx, serving.id), deployments.stop(ctx, serving.id), deployments.delete(ctx, serving.id),
        deployments.requests(ctx, serving.id), deployments.totals(ctx, serving.id), deployments.replicas(ctx, serving.id),
        deployments.rows(ctx, serving.id, "logs"),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(NotFound):
            await verb
    with pytest.raises(NotFound):
        await inference.complete(ctx, Call("/chat/completions", b"", {"messages": []}), UNLIMITED, deployment_id=serving.id)
    assert (await deployments.page(ctx)).items == []
    assert await related.by_id(ctx, Deployment, [serving.id]) == {}
    assert await related.by_id(ctx, InferenceRequest, [asked]) == {}
    assert await related.deployments(ctx, [serving.model]) == {}
    async with ctx.db.read() as session:
        assert await addressing.by_reference(session, ctx.account, serving.id) is None


async def requested(ctx: Context, row: Deployment) -> str:
    request = InferenceRequest(
        id=ids.new("req"),
        account_id=ctx.account.id,
        deployment_id=row.id,
        prompt_tokens=1,
        completion_tokens=1,
        latency_ms=1.0,
        status_code=200,
        created_at=clock.now(),
    )
    async with ctx.db.transaction() as session:
        session.add(request)
    return request.id


async def messages_of(ctx: Context, deployment_id: str) -> list[str]:
    return [row.data["message"] for row in await deployments.rows(ctx, deployment_id, "logs")]


async def test_of_parallel_deletes_one_succeeds(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    row = await made(ctx, jsonl)
    await jobs.cancel(ctx, row.id)
    answers = await asyncio.gather(*(jobs.delete(ctx, row.id) for _ in range(10)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Job"] + ["NotFound"] * 9
    assert await streams(ctx, row.id) == []
    async with ctx.db.read() as session:
        assert (await session.exec(select(Job.deleted_at))).one() is not None
