"""Hosts whose replicas are stand-ins: real processes that answer over real HTTP with the name of the model that they serve."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from burnish.kit import clock
from engines.serving import engine, reconcile, replica_run, stats, vllm
from engines.supervise import Supervisor
from models.deployment import Deployment, DeploymentVersion
from models.host import Host
from models.ledger import Meter
from models.replica import Replica
from resolvers import base_models, deployment_inputs, deployments
from resolvers.context import Context
from tests.conftest import Server

ROOT = Path(__file__).parents[3]
# Where a prompt says `hold`, the answer comes when the file `go` is beside the model.
ENGINE = """
import asyncio, json, pathlib, sys
from starlette.responses import JSONResponse
from tests.engines.serving.upstream import Upstream, usage

async def main():
    port, model, names = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    engine, running = Upstream(), 0

    def tell(change):
        nonlocal running
        running += change
        engine.metrics = f"vllm:num_requests_running {running}\\nvllm:num_requests_waiting 0\\nvllm:kv_cache_usage_perc 0.0\\n"

    async def answer(request):
        tell(1)
        try:
            held = "hold" in str(engine.bodies[-1]["prompt"])
            while held and not (model / "go").exists():
                await asyncio.sleep(0.01)
            return JSONResponse({"choices": [{"text": model.name, "finish_reason": "stop"}], "usage": usage(3, 2)})
        finally:
            tell(-1)

    if (model / "broken").exists():
        for number in range(30):
            print(f"line {number} of the engine's last words")
        sys.exit(3)
    tell(0)
    engine.models, engine.answer = names, answer
    await engine.start(port)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have replicas be stand-ins, and what is periodic come quickly."""

    def command(model: Path, names: list[str], port: int, device: str, **_: Any) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", ENGINE, str(port), str(model), *names], {"PYTHONPATH": str(ROOT)}

    monkeypatch.setattr(vllm, "command", command)
    monkeypatch.setattr(stats, "EVERY_S", 0.05)
    monkeypatch.setattr(stats, "LATE_S", 0.3)
    monkeypatch.setattr(reconcile, "COMPACT_EVERY_S", 0.05)
    monkeypatch.setattr(replica_run, "SETTLE_S", 0.2)


async def add_model(server: Server, folder: Path, name: str, *, broken: bool = False) -> Path:
    """Register a model for the stand-ins."""
    made = folder / name
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "qwen3"}')
    (made / "model.safetensors").write_bytes(b"")
    if broken:
        (made / "broken").touch()
    await base_models.add(server.platform.core, name, made)
    return made


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def hosted(server: Server) -> AsyncIterator[Supervisor]:
    """Run a host process."""
    supervisor = Supervisor(server.platform.core)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        await task


async def kill(server: Server, supervisor: Supervisor) -> None:
    """End a host at once, as the kernel would: it says nothing, and its leases lapse."""
    supervisor._stopping = True
    running = list(supervisor._tasks.values())
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    async with server.platform.db.transaction() as session:
        for table in (Deployment, Replica):
            held: Any = col(table.lease_holder) == supervisor.host_id
            await session.exec(update(table).where(held).values(lease_expires_at=clock.now()))
        row = await session.get(Host, supervisor.host_id)
        if row is not None:
            await session.delete(row)


async def create(ctx: Context, name: str = "sums", **changes: Any) -> Deployment:
    spec = {"model": "tiny", "source": "huggingface", "name": name, "gpu": {"type": "CPU", "count": 1}, **changes}
    return await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))


async def serving(ctx: Context, **changes: Any) -> Deployment:
    """Make a deployment and wait until all its replicas serve."""
    row = await create(ctx, **changes)
    await until(lambda: is_at(ctx, row, "serving", running=row.desired_replicas))
    return await deployments.get(ctx, row.id)


async def is_at(ctx: Context, row: Deployment, status: str, *, running: int, version: int | None = None) -> bool:
    """Say whether a deployment has so many replicas, all of which run, and its status."""
    found = await deployments.get(ctx, row.id)
    live = await live_replicas(ctx, row)
    states = [each.status for each in live if version is None or each.version == version]
    return found.status == status and states == ["running"] * running and len(live) == running


async def live_replicas(ctx: Context, row: Deployment) -> list[Replica]:
    return [each for each in await deployments.replicas(ctx, row.id) if each.ended_at is None]


async def want(server: Server, row: Deployment, count: int) -> None:
    """Say how many replicas are wanted, as the autoscaler does."""
    async with server.platform.db.transaction() as session:
        found = await session.get_one(Deployment, row.id)
        found.desired_replicas = count
        session.add(found)


async def ask(server: Server, row: Deployment, count: int = 1, prompt: str = "2 + 2 =") -> list[str]:
    """Ask a deployment so many times, one after another; return what it answered."""
    answers = []
    async with server.client() as client:
        for _ in range(count):
            answer = await client.post("/v1/completions", json={"model": row.id, "prompt": prompt})
            assert answer.status_code == 200, answer.text
            answers.append(answer.json()["choices"][0]["text"])
    return answers


@asynccontextmanager
async def under_load(server: Server, row: Deployment, clients: int = 3) -> AsyncIterator[list[tuple[int, str]]]:
    """Ask a deployment without a pause while the block runs; the list has each answer's status and text."""
    answers: list[tuple[int, str]] = []
    over = asyncio.Event()

    async def call() -> None:
        async with server.client() as client:
            while not over.is_set():
                answer = await client.post("/v1/completions", json={"model": row.id, "prompt": "2 + 2 ="})
                answers.append((answer.status_code, answer.text))

    tasks = [asyncio.create_task(call()) for _ in range(clients)]
    try:
        yield answers
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def asked_in_background(server: Server, row: Deployment) -> "asyncio.Task[httpx2.Response]":
    """Ask what is answered only when the model's file `go` is there; returns when the engine works on it."""

    async def call() -> httpx2.Response:
        async with server.client() as client:
            return await client.post("/v1/completions", json={"model": row.id, "prompt": "hold"})

    (replica,) = [each for each in await deployments.replicas(await server.context(), row.id) if each.status == "running"]
    task = asyncio.create_task(call())

    async def works() -> bool:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            return (await engine.metrics(client, str(replica.url))).outstanding == 1

    await until(works)
    return task


async def told(ctx: Context, row: Deployment, kind: str = "events") -> list[str]:
    """Return the types of a deployment's events, or the lines of its log."""
    rows = await deployments.rows(ctx, row.id, kind)
    return [each.data["type" if kind == "events" else "message"] for each in rows]


async def events_of(ctx: Context, row: Deployment, kind: str) -> list[dict[str, Any]]:
    return [each.data["metadata"] for each in await deployments.rows(ctx, row.id, "events") if each.data["type"] == kind]


async def versions(server: Server, row: Deployment) -> list[tuple[int, str]]:
    its = select(DeploymentVersion).where(DeploymentVersion.deployment_id == row.id).order_by(col(DeploymentVersion.number))
    async with server.platform.db.read() as session:
        return [(each.number, each.status) for each in (await session.exec(its)).all()]


async def meters(server: Server, row: Deployment) -> Sequence[Meter]:
    async with server.platform.db.read() as session:
        return (await session.exec(select(Meter).where(Meter.resource_id == row.id).order_by(col(Meter.attempt)))).all()
