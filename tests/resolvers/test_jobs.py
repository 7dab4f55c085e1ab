import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel, select

from burnish.kit import clock, stream
from burnish.kit.errors import Conflict, Forbidden, InsufficientCredit, Invalid, InvalidState, NotFound, SchemaInvalid
from burnish.kit.tables import IdempotencyKey, Outbox, StreamChunk
from models import leases, ledger, transitions
from models.account import Account
from models.job import Job
from models.ledger import Hold, LedgerTransaction, Meter
from resolvers import jobs
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.jobs import JobInput
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio

HOUR = 100_000


async def request(ctx: Context, jsonl: Path, **changes: Any) -> dict[str, Any]:
    dataset, reward = await conftest.dataset(ctx, jsonl), await conftest.reward(ctx)
    return {
        "base_model": "Qwen/Qwen3-4B",
        "dataset_id": dataset.id,
        "reward_function_id": reward.id,
        "output_name": "out",
        "gpu": {"type": "h100", "count": 1},
        **changes,
    }


async def make(ctx: Context, body: dict[str, Any]) -> Job:
    return await jobs.create(ctx, parse(JobInput, body))


async def made(ctx: Context, jsonl: Path) -> Job:
    return await make(ctx, await request(ctx, jsonl))


async def all_of(ctx: Context, *tables: type[SQLModel]) -> list[Any]:
    async with ctx.db.read() as session:
        return [row for table in tables for row in (await session.exec(select(table))).all()]


async def held(ctx: Context) -> tuple[int, int]:
    async with ctx.db.read() as session:
        account = await session.get_one(Account, ctx.account.id)
    return account.balance_micros, account.held_micros


async def messages(ctx: Context, job_id: str, kind: str = "logs") -> list[str]:
    return [row.data.get("message") or row.data["type"] for row in await jobs.rows(ctx, job_id, kind)]


async def nothing_left(ctx: Context) -> None:
    assert await all_of(ctx, Job, Hold, Outbox) == []
    # What the account has heard of is the making of what the job was to use.
    assert {chunk.kind for chunk in await all_of(ctx, StreamChunk)} <= {"activity"}
    assert (await held(ctx))[1] == 0


async def test_a_job_is_queued_with_an_hour_set_aside_and_a_message_to_the_hosts(ctx: Context, jsonl: Path) -> None:
    row = await make(ctx, await request(ctx, jsonl, hyperparameters={"max_steps": 5}))
    assert (row.status, row.gpu, row.gpu_requested, row.account_id) == (
        "queued",
        None,
        {"type": "h100", "count": 1},
        ctx.account.id,
    )
    assert row.hyperparameters["max_steps"] == 5
    assert "max_steps" not in row.hyperparameters_defaulted
    assert "learning_rate" in row.hyperparameters_defaulted
    assert await held(ctx) == (100_000_000, HOUR)
    (message,) = await all_of(ctx, Outbox)
    assert (message.actor, message.resource_id) == ("training.run", row.id)
    assert await messages(ctx, row.id) == ["Status: queued"]
    assert await messages(ctx, row.id, "events") == ["created"]
    assert (await jobs.get(ctx, row.id)).id == row.id


@pytest.mark.parametrize("credit", ["0", "0.099999"])
async def test_a_start_that_the_credit_does_not_cover_is_402_and_leaves_nothing(
    tenants: Tenants, jsonl: Path, credit: str
) -> None:
    poor = await tenants(credit_usd=credit)
    body = await request(poor, jsonl)
    keyed = replace(poor, idempotency_key="once")
    with pytest.raises(InsufficientCredit) as caught:
        await make(keyed, body)
    assert (caught.value.status, caught.value.code, caught.value.needed_micros) == (402, "insufficient_credit", HOUR)
    await nothing_left(poor)
    assert await all_of(poor, IdempotencyKey) == []


async def test_credit_that_covers_one_start_is_not_spent_twice(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both(credit_usd="0.35")
    body = await request(ctx, jsonl)
    answers = await asyncio.gather(*(make(ctx, body) for _ in range(12)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["InsufficientCredit"] * 9 + ["Job"] * 3
    assert await held(ctx) == (350_000, 3 * HOUR)
    rows = await all_of(ctx, Job)
    assert len(rows) == 3
    async with ctx.db.read() as session:
        activity = await stream.read(session, ctx.account.id, "activity")
    # After the dataset and the reward function.
    assert {row.data["resource_id"] for row in activity[2:]} == {row.id for row in rows}
    assert [row.seq for row in activity] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("field", ["dataset_id", "reward_function_id"])
async def test_what_belongs_to_another_is_as_unknown_as_what_never_was(
    ctx: Context, tenants: Tenants, jsonl: Path, field: str
) -> None:
    other = await tenants("other")
    theirs = await request(other, jsonl)
    body = await request(ctx, jsonl)
    said = set()
    for wrong in (theirs[field], "ds_nonsense", "../../etc", "'"):
        with pytest.raises(NotFound) as caught:
            await make(ctx, {**body, field: wrong})
        assert caught.value.param == field
        said.add(caught.value.message.replace(wrong, "ID"))
    assert len(said) == 1
    await nothing_left(ctx)


@pytest.mark.parametrize("gpu", ["h1000", "V100", "", "x" * 65, "H100-8GB", "none", "H 1 0"])
async def test_an_unknown_gpu_is_named_beside_the_known_ones(ctx: Context, jsonl: Path, gpu: str) -> None:
    body = await request(ctx, jsonl, gpu={"type": gpu, "count": 1})
    with pytest.raises(Invalid) as caught:
        await make(ctx, body)
    if isinstance(caught.value, SchemaInvalid):
        assert caught.value.param == "gpu.type"
    else:
        assert (caught.value.code, caught.value.param) == ("INVALID_GPU_TYPE", "gpu.type")
        assert "H100-80GB" in caught.value.message
        assert "CPU" in caught.value.message
    await nothing_left(ctx)


@pytest.mark.parametrize(
    "name",
    [
        "../secret", "/etc/passwd", "a/../b", "..", ".", "./model", "a/b/c", "a//b", "/", "a/", "~/model", "C:\\model", "file:///x",
        "https://huggingface.co/a/b", "a/b c", "Qwen/Qwen3-4B\n", "Qwen/Qwen3-4B@main", "-rf", "a--b", "a.git", "ä/b",
        "x" * 97, "a/" + "x" * 97, "$(id)", "a;b", "%2e%2e/etc", "_private",
    ],
)  # fmt: skip
async def test_what_can_be_no_model_is_refused_at_once(ctx: Context, jsonl: Path, name: str) -> None:
    body = await request(ctx, jsonl)
    with pytest.raises(Invalid) as caught:
        await jobs.create(ctx, JobInput.model_construct(**{**dict(parse(JobInput, body)), "base_model": name}))
    assert (caught.value.status, caught.value.param) == (400, "base_model")
    await nothing_left(ctx)


@pytest.mark.parametrize("name", ["tiny", "Qwen/Qwen3-4B", "HuggingFaceTB/SmolLM2-135M-Instruct", "gpt2", "a", "0x/1_2.3-4"])
async def test_names_and_hub_ids_are_taken(ctx: Context, jsonl: Path, name: str) -> None:
    assert (await make(ctx, await request(ctx, jsonl, base_model=name))).base_model == name


@pytest.mark.parametrize(
    ("hyperparameters", "param"),
    [
        ({"learnin_rate": 1e-6}, "hyperparameters.learnin_rate"),
        ({"learning_rate": "1e-6"}, "hyperparameters.learning_rate"),
        ({"learning_rate": 0}, "hyperparameters.learning_rate"),
        ({"learning_rate": float("nan")}, "hyperparameters.learning_rate"),
        ({"max_steps": 0}, "hyperparameters.max_steps"),
        ({"max_steps": 2.5}, "hyperparameters.max_steps"),
        ({"max_steps": True}, "hyperparameters.max_steps"),
        ({"max_steps": 10**30}, "hyperparameters.max_steps"),
        ({"rollouts_per_prompt": 1}, "hyperparameters.rollouts_per_prompt"),
        ({"rollouts_per_prompt": 8, "global_batch_size": 12}, "hyperparameters.global_batch_size"),
        ({"kl_coef": -0.1}, "hyperparameters.kl_coef"),
        ({"kl_coef": float("inf")}, "hyperparameters.kl_coef"),
        ({"load_in_4bit": True}, "hyperparameters.load_in_4bit"),
        ({"": 1}, "hyperparameters."),
    ],
)
async def test_a_wrong_hyperparameter_is_named(ctx: Context, jsonl: Path, hyperparameters: dict[str, Any], param: str) -> None:
    body = await request(ctx, jsonl, hyperparameters=hyperparameters)
    with pytest.raises(SchemaInvalid) as caught:
        await make(ctx, body)
    assert (caught.value.status, caught.value.param) == (422, param)
    await nothing_left(ctx)


async def test_a_huge_but_legal_number_is_no_fault_of_ours(ctx: Context, jsonl: Path) -> None:
    row = await make(ctx, await request(ctx, jsonl, hyperparameters={"kl_coef": 10**30}))
    assert row.hyperparameters["kl_coef"] == 1e30


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"base_model": ""}, "base_model"),
        ({"output_name": "../x"}, "output_name"),
        ({"output_name": ""}, "output_name"),
        ({"output_name": "a\n"}, None),
        ({"gpu": {"type": "H100"}}, "gpu.count"),
        ({"gpu": {"type": "H100", "count": 0}}, "gpu.count"),
        ({"gpu": {"type": "H100", "count": 9}}, "gpu.count"),
        ({"gpu": {"type": "H100", "gpu_type": "A100", "count": 1}}, "gpu"),
        ({"gpu": "H100"}, "gpu"),
        ({"gpu": None}, "gpu"),
        ({"checkpoint_destination": {"type": "s3"}}, "checkpoint_destination.uri"),
        ({"account_id": "acct_other"}, "account_id"),
        ({"status": "completed"}, "status"),
        ({"hyperparameters": []}, "hyperparameters"),
    ],
)
async def test_a_wrong_field_is_named(ctx: Context, jsonl: Path, changes: dict[str, Any], param: str | None) -> None:
    body = await request(ctx, jsonl, **changes)
    if param is None:
        assert (await make(ctx, body)).output_name == "a"
        return
    with pytest.raises(SchemaInvalid) as caught:
        await make(ctx, body)
    assert caught.value.param == param
    await nothing_left(ctx)


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"method": "ppo"}, "method"), ({"provider": "aws"}, "provider"), ({"reward_function_id": None}, "reward_function_id")],
)
async def test_a_value_that_cannot_be_used_is_named(ctx: Context, jsonl: Path, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        await make(ctx, await request(ctx, jsonl, **changes))
    assert (caught.value.status, caught.value.param) == (400, param)
    await nothing_left(ctx)


async def test_both_spellings_of_the_gpu_are_read(ctx: Context, jsonl: Path) -> None:
    row = await make(ctx, await request(ctx, jsonl, gpu={"gpu_type": "a100", "gpu_count": 2}))
    assert row.gpu_requested == {"type": "a100", "count": 2}


async def test_parallel_creates_under_one_key_make_one_job(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both(key="once")
    body = await request(replace(ctx, idempotency_key=None), jsonl)
    rows = await asyncio.gather(*(make(ctx, body) for _ in range(1000)))
    assert [row.model_dump() for row in rows] == [rows[0].model_dump()] * 1000
    assert len(await all_of(ctx, Job)) == 1
    assert await held(ctx) == (100_000_000, HOUR)
    with pytest.raises(Conflict) as caught:
        await make(ctx, {**body, "output_name": "other"})
    assert caught.value.code == "idempotency_conflict"


async def test_the_first_jobs_of_an_account_can_be_made_at_once(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    body = await request(ctx, jsonl)
    rows = await asyncio.gather(*(make(ctx, body) for _ in range(10)))
    assert len({row.id for row in rows}) == 10


async def running(ctx: Context, jsonl: Path, *, lease_s: float = 3600) -> Job:
    """Make a job that a host has been running for ten seconds, at 1 USD a second."""
    row = await made(ctx, jsonl)
    started = clock.now() - timedelta(seconds=10)
    async with ctx.db.transaction() as session:
        await leases.take(session, Job, row.id, "host", lease_s)
        job = await session.get_one(Job, row.id)
        await ledger.start_meter(session, ctx.account.id, row.id, 1, 3_600_000_000, started)
        await transitions.move(session, job, "provisioning")
        await transitions.move(session, job, "running")
    return job


async def test_of_fifty_parallel_cancels_one_succeeds_and_bills_once(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    row = await running(ctx, jsonl)
    answers = await asyncio.gather(*(jobs.cancel(ctx, row.id) for _ in range(50)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["InvalidState"] * 49 + ["Job"]
    (cancelled,) = [answer for answer in answers if isinstance(answer, Job)]
    assert (cancelled.status, cancelled.phase) == ("cancelled", None)
    assert cancelled.completed_at is not None
    (meter,) = await all_of(ctx, Meter)
    assert meter.closed
    seconds = int((meter.billed_through - meter.started_at).total_seconds())
    assert 10 <= seconds <= 60
    assert cancelled.cost_micros == seconds * 1_000_000
    assert await held(ctx) == (100_000_000 - cancelled.cost_micros, 0)
    debits = [entry.amount_micros for entry in await all_of(ctx, LedgerTransaction) if entry.resource_id == row.id]
    assert debits == [-cancelled.cost_micros]
    assert (await messages(ctx, row.id, "events")).count("cancelled") == 1
    assert await all_of(ctx, Hold) == []


async def test_a_queued_job_is_cancelled_for_nothing_and_its_followers_leave(ctx: Context, jsonl: Path) -> None:
    row = await made(ctx, jsonl)
    cancelled = await jobs.cancel(ctx, row.id)
    assert (cancelled.status, cancelled.cost_micros) == ("cancelled", 0)
    assert await held(ctx) == (100_000_000, 0)
    async with asyncio.timeout(10):
        batches = [batch async for batch in jobs.follow(ctx, row.id, "logs")]
    assert [line.data["message"] for batch in batches for line in batch.rows] == [
        "Status: queued",
        "Status: cancelled, by the user",
    ]
    assert batches[-1].end_reason == "cancelled"


async def test_a_cancelled_job_may_say_its_last_words_while_its_host_is_there(ctx: Context, jsonl: Path) -> None:
    row = await running(ctx, jsonl)
    await jobs.cancel(ctx, row.id)
    async with ctx.db.read() as session:
        assert (await stream.head(session, row.id, "logs"))[1] is None
    assert {message.resource_id for message in await all_of(ctx, Outbox)} == {row.id}
    assert len(await all_of(ctx, Outbox)) == 2


async def test_a_job_whose_host_is_gone_is_billed_until_it_was_last_heard_of(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await running(ctx, jsonl, lease_s=15)
    later = clock.now_micros() + 600_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    cancelled = await jobs.cancel(ctx, row.id)
    assert 10_000_000 <= cancelled.cost_micros <= 60_000_000
    async with ctx.db.read() as session:
        assert (await stream.head(session, row.id, "logs"))[1] == "cancelled"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_a_job_that_has_ended_cannot_be_cancelled(ctx: Context, jsonl: Path, status: str) -> None:
    row = await running(ctx, jsonl)
    async with ctx.db.transaction() as session:
        await transitions.move(session, await session.get_one(Job, row.id), status)
    before = await all_of(ctx, Job, LedgerTransaction, Hold, Outbox)
    with pytest.raises(InvalidState) as caught:
        await jobs.cancel(ctx, row.id)
    assert (caught.value.status, caught.value.code) == (400, "invalid_state")
    assert await all_of(ctx, Job, LedgerTransaction, Hold, Outbox) == before


async def test_another_accounts_job_is_unknown_to_every_verb(ctx: Context, tenants: Tenants, jsonl: Path) -> None:
    other = await tenants("other")
    theirs = (await made(other, jsonl)).id
    before = await all_of(other, Job, Outbox)

    async def follow(job_id: str) -> None:
        async for _ in jobs.follow(ctx, job_id, "logs"):
            raise AssertionError("a line of another")

    for job_id in (theirs, "job_nonsense"):
        attempts = [
            jobs.get(ctx, job_id), jobs.cancel(ctx, job_id), jobs.checkpoints(ctx, job_id), jobs.final_checkpoint(ctx, job_id),
            jobs.rows(ctx, job_id, "logs"), jobs.last_rows(ctx, job_id, "logs", 5), follow(job_id),
        ]  # fmt: skip
        for attempt in attempts:
            with pytest.raises(NotFound) as caught:
                await attempt
            assert caught.value.message == f"No such training job: {job_id}"
    assert (await jobs.page(ctx)).items == []
    assert await all_of(other, Job, Outbox) == before


async def test_a_page_is_of_what_was_asked_for(ctx: Context, jsonl: Path) -> None:
    first, second = await made(ctx, jsonl), await made(ctx, jsonl)
    await jobs.cancel(ctx, first.id)
    assert [row.id for row in (await jobs.page(ctx, status=["queued", "running"])).items] == [second.id]
    assert [row.id for row in (await jobs.page(ctx, method="grpo")).items] == [second.id, first.id]
    for wrong in ({"status": ["done"]}, {"method": "ppo"}):
        with pytest.raises(Invalid):
            await jobs.page(ctx, **wrong)


async def test_only_a_completed_job_has_a_model(ctx: Context, jsonl: Path) -> None:
    row = await made(ctx, jsonl)
    with pytest.raises(Invalid) as caught:
        await jobs.final_checkpoint(ctx, row.id)
    assert caught.value.code == "job_not_completed"


async def test_writing_and_reading_need_their_scopes(ctx: Context, jsonl: Path) -> None:
    row = await made(ctx, jsonl)
    body = await request(ctx, jsonl)
    reader, writer = (replace(ctx, scopes=frozenset({scope})) for scope in ("read", "write"))
    for attempt in (make(reader, body), jobs.cancel(reader, row.id), jobs.get(writer, row.id), jobs.page(writer)):
        with pytest.raises(Forbidden):
            await attempt
    assert (await jobs.get(ctx, row.id)).status == "queued"
    assert len(await all_of(ctx, Job)) == 1
    assert (await make(writer, body)).status == "queued"
