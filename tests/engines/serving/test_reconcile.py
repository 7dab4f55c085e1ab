"""A deployment from its making to its stop over a stand-in engine: what its followers read of it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit.tables import StreamChunk
from engines.serving import reconcile, replica_run, stats, vllm
from engines.supervise import Supervisor
from models.deployment import Deployment
from resolvers import base_models, deployment_inputs, deployments
from resolvers.context import Context
from tests.conftest import Server

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
KINDS = ("requests", "stats")
ENGINE = """
import asyncio, sys
from tests.engines.serving.upstream import Upstream, usage

async def main():
    engine = Upstream()
    engine.models = sys.argv[2:]
    engine.metrics = "vllm:num_requests_running 0\\nvllm:num_requests_waiting 0\\nvllm:kv_cache_usage_perc 0.0\\n"
    engine.answer = engine.whole({"choices": [{"text": "4", "finish_reason": "stop"}], "usage": usage(3, 2)})
    await engine.start(int(sys.argv[1]))
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas are stand-ins, and what is periodic comes quickly."""

    def command(model: Path, names: list[str], port: int, device: str, **_: Any) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", ENGINE, str(port), *names], {"PYTHONPATH": str(ROOT)}

    monkeypatch.setattr(vllm, "command", command)
    monkeypatch.setattr(stats, "EVERY_S", 0.05)
    monkeypatch.setattr(replica_run, "SETTLE_S", 0.05)
    monkeypatch.setattr(reconcile, "COMPACT_EVERY_S", 0.05)


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def serving(ctx: Context, name: str = "sums") -> Deployment:
    """Make a deployment and wait until it serves."""
    spec = {"model": "tiny", "source": "huggingface", "name": name, "gpu": {"type": "CPU", "count": 1}}
    row = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))
    await serves(ctx, row, attempt=1)
    return row


async def serves(ctx: Context, row: Deployment, *, attempt: int) -> None:
    async def look() -> bool:
        found = await deployments.get(ctx, row.id)
        assert found.error is None
        return (found.status, found.attempt) == ("serving", attempt)

    await until(look)


async def ask(server: Server, row: Deployment, count: int) -> None:
    async with server.client() as client:
        for _ in range(count):
            answer = await client.post("/v1/completions", json={"model": row.id, "prompt": "2 + 2 ="})
            assert answer.status_code == 200


async def counted(ctx: Context, row: Deployment) -> int:
    return sum(sample.data["requests"] for sample in await deployments.rows(ctx, row.id, "stats"))


@asynccontextmanager
async def hosted(server: Server) -> AsyncIterator[None]:
    """Run a host process."""
    supervisor = Supervisor(server.platform.core)
    task = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        await supervisor.stop()
        await task


async def test_requests_and_samples_go_on_over_hosts_and_end_with_the_deployment(
    server: Server, tiny_model: Path, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)

    async def all_counted() -> bool:
        return await counted(ctx, row) == 3

    async with hosted(server):
        row = await serving(ctx)
        await ask(server, row, 3)
        await until(all_counted)
    # From here on there are the sample that a host begins with and its last one.
    monkeypatch.setattr(stats, "EVERY_S", 3600.0)
    async with hosted(server):
        await serves(ctx, row, attempt=2)
        await ask(server, row, 4)
        # At once: what the gateway has not logged yet is counted too.
        await deployments.stop(ctx, row.id)
        async with asyncio.timeout(60):
            followed = {kind: [batch async for batch in deployments.follow(ctx, row.id, kind)] for kind in KINDS}
    assert [batches[-1].end_reason for batches in followed.values()] == ["stopped", "stopped"]
    requests, samples = ([item.data for batch in followed[kind] for item in batch.rows] for kind in KINDS)
    assert [(item["completion_tokens"], item["status_code"]) for item in requests] == [(2, 200)] * 7
    assert (sum(sample["requests"] for sample in samples), samples[-1]["requests_seq"]) == (7, 7)
    assert sum(sample["completion_tokens"] for sample in samples) == 14
    ready = next(sample for sample in samples if sample["replicas_ready"])
    assert ready.items() >= {"running": 0, "waiting": 0, "kv_cache_usage": 0.0, "replicas_total": 1}.items()
    assert samples[-1].items() >= {"running": None, "replicas_ready": 0, "replicas_total": 0}.items()


async def test_the_streams_of_a_deployment_are_compact_while_it_serves(server: Server, tiny_model: Path, stand_in: None) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)

    async def compact() -> bool:
        its = (StreamChunk.resource_id == row.id, StreamChunk.kind == "requests")
        async with ctx.db.read() as session:
            return len((await session.exec(select(StreamChunk.first_seq).where(*its))).all()) == 1

    async with hosted(server):
        row = await serving(ctx)
        for _ in range(3):
            await ask(server, row, 1)
            await server.platform.gateway.flush()
        await until(compact)
        assert [item.seq for item in await deployments.rows(ctx, row.id, "requests")] == [1, 2, 3]
