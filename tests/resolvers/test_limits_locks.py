"""Starts that stand in their account's queue, beside what else the account does: none waits for the other in a circle."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from burnish.kit.errors import InvalidState
from resolvers import api_keys, deployment_inputs, deployments, jobs
from resolvers.jobs import JobInput
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_jobs import request

pytestmark = pytest.mark.anyio
AT_ONCE = 4
TIMES = 10


async def test_limited_starts_and_what_only_tells_the_audit_log(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both(credit_usd="1000")
    ctx.core.settings.concurrent_jobs = 1000
    spec = JobInput.model_validate(await request(ctx, jsonl))
    keys = [(await api_keys.create(ctx, api_keys.ApiKeyInput(name="key")))[0].id for _ in range(AT_ONCE * TIMES)]

    async def start() -> None:
        for _ in range(TIMES):
            await jobs.create(ctx, spec)

    async def revoke() -> None:
        for _ in range(TIMES):
            await api_keys.revoke(ctx, keys.pop())

    await asyncio.gather(*(start() for _ in range(AT_ONCE)), *(revoke() for _ in range(AT_ONCE)))


async def test_limited_deployments_of_jobs_that_end_meanwhile(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both(credit_usd="1000")
    ctx.core.settings.active_deployments = 1000
    spec = JobInput.model_validate(await request(ctx, jsonl))
    made = [(await jobs.create(ctx, spec)).id for _ in range(AT_ONCE * TIMES)]

    async def deploy(job_id: str) -> None:
        body = {"model": job_id, "name": job_id, "gpu": {"type": "H100", "count": 1}}
        with suppress(InvalidState):
            await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(body))

    for job_id in made:
        await asyncio.gather(jobs.cancel(ctx, job_id), *(deploy(job_id) for _ in range(AT_ONCE)))
