import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit import clock, ids, paging, stream
from burnish.kit.errors import Conflict, Forbidden, InsufficientCredit, Invalid, InvalidState, NotFound, SchemaInvalid
from burnish.kit.tables import Outbox
from engines.serving import addressing
from models import deployment as dep
from models import leases, ledger, transitions
from models.account import Account
from models.deployment import Deployment, InferenceRequest
from models.job import Checkpoint, Job
from models.ledger import Hold
from resolvers import deployment_figures, deployments, jobs
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.inputs import parse
from tests.logged import logged
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio

HOUR = 100_000


async def make(ctx: Context, **changes: Any) -> Deployment:
    body = {"model": "tiny", "name": "my-model", "source": "huggingface", "gpu": {"type": "H100", "count": 1}, **changes}
    return await deployments.create(ctx, parse(DeploymentInput, body))


async def all_of(ctx: Context) -> list[Deployment]:
    async with ctx.db.read() as session:
        return list((await session.exec(select(Deployment))).all())


async def held(ctx: Context) -> tuple[int, int]:
    async with ctx.db.read() as session:
        account = await session.get_one(Account, ctx.account.id)
    return account.balance_micros, account.held_micros


async def completed_job(ctx: Context, jsonl: Path, *, status: str = "completed", stored: bool = True) -> str:
    dataset, reward = await conftest.dataset(ctx, jsonl), await conftest.reward(ctx)
    body = {"base_model": "tiny", "dataset_id": dataset.id, "reward_function_id": reward.id, "output_name": "o"}
    row = await jobs.create(ctx, parse(jobs.JobInput, {**body, "gpu": {"type": "CPU", "count": 1}}))
    async with ctx.db.transaction() as session:
        job = await session.get_one(Job, row.id)
        await ledger.release(session, row.id)
        if status != "queued":
            for move in ("provisioning", "running", status):
                if job.status != status:
                    await transitions.move(session, job, move)
        for attempt, step, final in ((1, 5, False), (1, 10, stored), (2, 10, stored)):
            session.add(
                Checkpoint(
                    id=f"ckpt_{attempt}_{step}_{final}_{row.id}",
                    job_id=row.id,
                    account_id=ctx.account.id,
                    attempt=attempt,
                    step=step,
                    final=final,
                    storage_prefix="p",
                    file_count=1,
                    size_bytes=1,
                    created_at=clock.now(),
                )
            )
    return row.id


async def test_a_deployment_is_queued_with_an_hour_set_aside(ctx: Context) -> None:
    row = await make(ctx)
    assert (row.status, row.gpu, row.endpoint_url, row.account_id) == ("queued", None, None, ctx.account.id)
    assert await held(ctx) == (100_000_000, HOUR)
    async with ctx.db.read() as session:
        (message,) = (await session.exec(select(Outbox))).all()
    assert (message.actor, message.resource_id) == ("serving.run", row.id)


async def test_a_name_is_one_active_deployments_even_in_a_race(on_both: Tenants) -> None:
    ctx = await on_both()
    answers = await asyncio.gather(*(make(ctx) for _ in range(30)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict"] * 29 + ["Deployment"]
    refusals = [answer for answer in answers if isinstance(answer, Conflict)]
    assert {(refusal.status, refusal.param) for refusal in refusals} == {(409, "name")}
    assert len(await all_of(ctx)) == 1
    assert await held(ctx) == (100_000_000, HOUR)


async def test_different_keys_in_a_race_for_a_name_are_conflicts_too(on_both: Tenants) -> None:
    ctx = await on_both()
    racing = (make(replace(ctx, idempotency_key=f"key {number}")) for number in range(10))
    answers = await asyncio.gather(*racing, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict"] * 9 + ["Deployment"]
    assert len(await all_of(ctx)) == 1


async def test_one_key_in_a_race_makes_one_deployment_for_all(on_both: Tenants) -> None:
    ctx = await on_both(key="once")
    rows = await asyncio.gather(*(make(ctx) for _ in range(20)))
    assert len({row.id for row in rows}) == 1
    assert await held(ctx) == (100_000_000, HOUR)


async def test_a_name_is_free_for_others_and_after_the_stop(ctx: Context, tenants: Tenants) -> None:
    first = await make(ctx)
    await make(await tenants("other"))
    await deployments.stop(ctx, first.id)
    second = await make(ctx)
    assert second.id != first.id
    async with ctx.db.read() as session:
        assert (await addressing.by_reference(session, ctx.account, "my-model") or first).id == second.id
        assert (await addressing.by_reference(session, ctx.account, first.id) or second).id == first.id


async def test_a_completed_jobs_newest_final_checkpoint_is_deployed(ctx: Context, jsonl: Path) -> None:
    job_id = await completed_job(ctx, jsonl)
    row = await make(ctx, model=job_id, source="training_job")
    assert row.checkpoint_id == f"ckpt_2_10_True_{job_id}"


@pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled"])
async def test_a_job_that_is_not_completed_has_nothing_to_deploy(ctx: Context, jsonl: Path, status: str) -> None:
    job_id = await completed_job(ctx, jsonl, status=status)
    with pytest.raises(InvalidState) as caught:
        await make(ctx, model=job_id, source="training_job")
    assert (caught.value.status, caught.value.param) == (400, "model")
    assert await all_of(ctx) == []
    assert (await held(ctx))[1] == 0


async def test_a_video_model_is_not_deployed(ctx: Context, jsonl: Path) -> None:
    job_id = await completed_job(ctx, jsonl)
    async with ctx.db.transaction() as session:
        (await session.get_one(Job, job_id)).method = "sft_video_gen"
    for reference in (job_id, f"ckpt_2_10_True_{job_id}"):
        with pytest.raises(InvalidState) as caught:
            await make(ctx, model=reference, source="training_job")
        assert caught.value.message == f"The job {job_id} trained a video model, and deployments answer with text."
        assert (caught.value.status, caught.value.param) == (400, "model")
    assert await all_of(ctx) == []
    assert (await held(ctx))[1] == 0


async def test_another_accounts_job_is_as_unknown_as_one_that_never_was(ctx: Context, tenants: Tenants, jsonl: Path) -> None:
    theirs = await completed_job(await tenants("other"), jsonl)
    for job_id in (theirs, "job_nonsense", "../../etc/passwd", "tiny"):
        with pytest.raises(NotFound) as caught:
            await make(ctx, model=job_id, source="training_job")
        assert (caught.value.message, caught.value.param) == (f"No such training job: {job_id}", "model")
    assert await all_of(ctx) == []


async def test_a_start_that_the_credit_does_not_cover_leaves_nothing(tenants: Tenants) -> None:
    poor = await tenants(credit_usd="0.05")
    with pytest.raises(InsufficientCredit):
        await make(poor)
    assert await all_of(poor) == []
    async with poor.db.read() as session:
        assert (await session.exec(select(Hold))).all() == []
        assert (await session.exec(select(Outbox))).all() == []


@pytest.mark.parametrize(
    ("changes", "error", "param"),
    [
        ({"model": "../secret"}, Invalid, "model"),
        ({"model": "/etc/passwd"}, Invalid, "model"),
        ({"model": ""}, SchemaInvalid, "model"),
        ({"model": "a\x00"}, SchemaInvalid, "model"),
        ({"name": "-x"}, SchemaInvalid, "name"),
        ({"name": "x" * 129}, SchemaInvalid, "name"),
        ({"source": "s3"}, SchemaInvalid, "source"),
        ({"gpu": {"type": "V100", "count": 1}}, Invalid, "gpu.type"),
        ({"provider": "aws"}, Invalid, "provider"),
        ({"checkpoint_id": "ckpt_1"}, SchemaInvalid, "checkpoint_id"),
    ],
)
async def test_a_wrong_field_is_named(ctx: Context, changes: dict[str, Any], error: type[Invalid], param: str) -> None:
    with pytest.raises(error) as caught:
        await make(ctx, **changes)
    assert caught.value.param == param
    assert await all_of(ctx) == []


async def test_parallel_stops_all_answer_the_one_stopped_deployment_and_bill_it_once(on_both: Tenants) -> None:
    ctx = await on_both()
    row = await make(ctx)
    async with ctx.db.transaction() as session:
        await leases.take(session, Deployment, row.id, "host", 3600)
        await ledger.start_meter(session, ctx.account.id, row.id, 1, 3_600_000_000, clock.now() - timedelta(seconds=10))
    answers = await asyncio.gather(*(deployments.stop(ctx, row.id) for _ in range(30)))
    assert {answer.status for answer in answers} == {"stopped"}
    assert len({answer.cost_micros for answer in answers}) == 1
    cost = answers[0].cost_micros
    assert 10_000_000 <= cost <= 60_000_000
    assert await held(ctx) == (100_000_000 - cost, 0)
    events = [event.data["type"] for event in await deployments.rows(ctx, row.id, "events")]
    assert events == ["created", "stopped"]


async def test_a_stopped_deployments_followers_leave(ctx: Context) -> None:
    row = await make(ctx)
    await deployments.stop(ctx, row.id)
    async with asyncio.timeout(10):
        batches = [batch async for batch in deployments.follow(ctx, row.id, "events")]
    assert batches[-1].end_reason == "stopped"
    async with ctx.db.read() as session:
        assert [(await stream.head(session, row.id, kind))[1] for kind in dep.STREAMS] == ["stopped"] * 4


async def test_the_totals_are_of_the_requests(ctx: Context, tenants: Tenants) -> None:
    row, other = await make(ctx), await make(ctx, name="other")
    assert await deployments.totals(ctx, row.id) == deployments.Totals(0, 0, 0, 0, 0.0, 0.0, 0.0)
    async with ctx.db.transaction() as session:
        answers = ((row, 200, 10.0), (row, 200, 20.0), (row, 500, 60.0), (other, 200, 1.0))
        for deployment, code, latency in answers:
            session.add(
                InferenceRequest(
                    id=ids.new("req"),
                    account_id=ctx.account.id,
                    deployment_id=deployment.id,
                    replica_id="rep",
                    prompt_tokens=3,
                    completion_tokens=5,
                    latency_ms=latency,
                    status_code=code,
                    created_at=clock.now(),
                )
            )
    totals = await deployments.totals(ctx, row.id)
    assert (totals.total_requests, totals.total_prompt_tokens, totals.total_completion_tokens) == (3, 9, 15)
    assert (totals.avg_latency_ms, totals.error_rate) == (30.0, 0.333333)
    assert len((await deployments.requests(ctx, row.id, limit=2)).items) == 2
    with pytest.raises(NotFound):
        await deployments.totals(await tenants("stranger"), row.id)


async def test_what_no_replica_took_is_a_request_and_an_error_without_a_latency(on_both: Tenants) -> None:
    ctx = await on_both()
    row, idle = await make(ctx), await make(ctx, name="idle")
    requests = [
        logged(ctx.account.id, row.id, latency_ms=10.0, replica_id="rep"),
        logged(ctx.account.id, row.id, latency_ms=20.0),
    ]
    for status_code in (429, 503, 499):
        requests += [logged(ctx.account.id, one.id, latency_ms=60_000.0, status_code=status_code) for one in (row, idle)]
    for request in requests:
        ctx.platform.gateway.request_log.add(request)
    await ctx.platform.gateway.flush()
    totals = await deployments.totals_of(ctx, [row.id, idle.id])
    of_all = [(found.total_requests, found.avg_latency_ms, found.error_rate) for found in (totals[row.id], totals[idle.id])]
    assert of_all == [(5, 15.0, 0.6), (3, 0.0, 1.0)]
    figures = await deployment_figures.within(ctx, row.id, paging.ALWAYS)
    assert (figures.requests, figures.errors, figures.latency_ms.total, figures.latency_ms.p95) == (5, 3, 30.0, 20.0)
    listed = (await deployments.requests(ctx, idle.id)).items
    assert sorted((one.status_code, one.replica_id) for one in listed) == [(429, None), (499, None), (503, None)]


async def test_another_accounts_deployment_is_unknown_to_every_verb(ctx: Context, tenants: Tenants) -> None:
    other = await tenants("other")
    theirs = (await make(other)).id
    for deployment_id in (theirs, "dep_nonsense"):
        attempts = [
            deployments.get(ctx, deployment_id), deployments.stop(ctx, deployment_id), deployments.replicas(ctx, deployment_id),
            deployments.requests(ctx, deployment_id), deployments.totals(ctx, deployment_id),
            deployments.rows(ctx, deployment_id, "logs"), deployments.last_rows(ctx, deployment_id, "logs", 1),
        ]  # fmt: skip
        for attempt in attempts:
            with pytest.raises(NotFound) as caught:
                await attempt
            assert caught.value.message == f"No such deployment: {deployment_id}"
    async with ctx.db.read() as session:
        assert await addressing.by_reference(session, ctx.account, theirs) is None
        assert await addressing.by_reference(session, ctx.account, "my-model") is None
    assert (await deployments.get(other, theirs)).status == "queued"


async def test_writing_and_reading_need_their_scopes(ctx: Context) -> None:
    row = await make(ctx)
    reader, writer = (replace(ctx, scopes=frozenset({scope})) for scope in ("read", "write"))
    for attempt in (make(reader, name="x"), deployments.stop(reader, row.id), deployments.get(writer, row.id)):
        with pytest.raises(Forbidden):
            await attempt
    assert [found.status for found in await all_of(ctx)] == ["queued"]
