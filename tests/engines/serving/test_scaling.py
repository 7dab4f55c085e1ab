"""The scaling of a deployment over its rows: what is decided, written, left alone, and remembered by the next host."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from burnish.kit import clock, ids, stream
from burnish.kit.core import Core
from burnish.kit.db import Database
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.serving.reconcile import DeploymentRun
from engines.serving.stats import Sampler
from models import leases
from models.deployment import Deployment, InferenceRequest
from models.replica import Replica
from tests.engines.serving.test_stats import Clock, load, time
from tests.engines.serving.upstream import Upstream
from tests.logged import row_of
from tests.models import rows

__all__ = ["time"]
pytestmark = pytest.mark.anyio
EVERY_S = 5.0


class Host:
    """A host that looks after a deployment, without its loop: it only samples, and writes what it samples."""

    def __init__(self, core: Core, client: httpx2.AsyncClient, deployment_id: str, time: Clock) -> None:
        self.core, self.client, self.id, self.time = core, client, deployment_id, time

    async def begin(self) -> None:
        """Take the deployment over."""
        placement = Placement(Shape("CPU", 1), (), 0)
        self.run = DeploymentRun(self.core, Inventory(self.core.settings), self.id, ids.new("host"), placement)
        async with self.core.db.transaction() as session:
            token = await leases.take(session, Deployment, self.id, self.run.holder, 3600)
            assert token is not None
            row = await session.get_one(Deployment, self.id)
            self.run.token, self.run.account_id, self.run.attempt = token, row.account_id, 1
        self.sampler = Sampler(self.core.db, self.client, self.id, self._put, self.run.scaling.consider)
        await self.sampler.sample()

    async def end(self) -> None:
        async with self.core.db.transaction() as session:
            await leases.release(session, Deployment, self.id, self.run.token)

    async def _put(self, row: stream.Data) -> None:
        async with self.core.db.transaction() as session:
            await stream.append(session, self.id, "stats", [row])

    async def after(self, seconds: float, asked: int = 0, **values: Any) -> int:
        """Let time pass with so many requests in its ticks; return what is desired then."""
        for _ in range(round(seconds / EVERY_S)):
            self.time.move(EVERY_S)
            await self.log(asked, **values)
            await self.sampler.sample()
        return (await self.row()).desired_replicas

    async def log(self, count: int, **values: Any) -> None:
        given: dict[str, Any] = {"latency_ms": 100.0, "status_code": 200, "created_at": clock.now() - timedelta(seconds=1)}
        made = [
            row_of(InferenceRequest(id=ids.new("req"), account_id="acct", deployment_id=self.id, **(given | values)))
            for _ in range(count)
        ]
        async with self.core.db.transaction() as session:
            await stream.append(session, self.id, "requests", made)

    async def row(self) -> Deployment:
        async with self.core.db.read() as session:
            return await session.get_one(Deployment, self.id)

    async def change(self, **values: Any) -> None:
        async with self.core.db.transaction() as session:
            row = await session.get_one(Deployment, self.id)
            for key, value in values.items():
                setattr(row, key, value)
            session.add(row)

    async def replica(self, url: str, **values: Any) -> str:
        now = clock.now()
        its: dict[str, Any] = {"account_id": "acct", "deployment_id": self.id, "gpu_requested": {"type": "CPU", "count": 1}}
        made = Replica(
            **(its | {"id": ids.new("rep"), "status": "running", "url": url, "created_at": now, "ready_at": now} | values)
        )
        async with self.core.db.transaction() as session:
            session.add(made)
        return made.id

    async def end_replica(self, replica_id: str) -> None:
        async with self.core.db.transaction() as session:
            row = await session.get_one(Replica, replica_id)
            row.status, row.stop_requested_at, row.ended_at = "stopped", clock.now(), clock.now() + timedelta(seconds=3)
            session.add(row)

    async def told(self) -> list[dict[str, Any]]:
        async with self.core.db.read() as session:
            found = await stream.read(session, self.id, "events")
        return [row.data["metadata"] for row in found if row.data["type"] == "scaled"]

    async def reasons(self) -> list[str]:
        return [told["reason"] for told in await self.told()]

    async def wanted(self) -> list[int | None]:
        async with self.core.db.read() as session:
            return [row.data["replicas_wanted"] for row in await stream.read(session, self.id, "stats")]


@pytest.fixture
async def host(core: Core, database: Database, client: httpx2.AsyncClient, upstream: Upstream, time: Clock) -> Host:
    """Return a host of a deployment with one replica, which has served and may have none to four."""
    upstream.metrics = load()
    core.db = database
    await rows.account(database)
    deployment_id = await rows.deployment(
        database, status="serving", serving_since=clock.now(), min_replicas=0, max_replicas=4, stabilisation_window_s=60
    )
    made = Host(core, client, deployment_id, time)
    await made.replica(upstream.url)
    await made.begin()
    return made


async def test_a_load_scales_with_its_reason_and_silence_after_the_window(host: Host) -> None:
    assert await host.after(5) == 1
    # Thirty a second in each tick, of which a tick is not a rate yet.
    assert await host.after(5, 150) == 1
    assert await host.after(5, 150) == 2
    assert await host.after(5, 150) == 3
    reasons = ["1→2: 20 rps > 10 rps", "2→3: 30 rps > 2 × 10 rps"]
    assert await host.reasons() == reasons
    assert (await host.told())[-1] == {
        "from": 2, "to": 3, "reason": reasons[1], "rps": 30.0, "p95_ms": 100.0, "requests": 450, "by_rps": 3, "by_latency": None,
    }  # fmt: skip
    async with host.core.db.read() as session:
        lines = [row.data["message"] for row in await stream.read(session, host.id, "logs")]
    assert lines == [f"Scaled {reason}" for reason in reasons]
    assert await host.wanted() == [1, 1, 2, 3]
    assert await host.after(60) == 3
    assert await host.after(20) == 0
    assert (await host.reasons())[2:] == [
        "3→2: at most 2 wanted for 60 s",
        "2→1: at most 1 wanted for 60 s",
        "1→0: no request for 60 s",
    ]


async def test_latencies_count_of_what_arrived_since_the_newest_replica_is_ready(host: Host, upstream: Upstream) -> None:
    upstream.metrics = load(8, 12)
    slow: dict[str, Any] = {"latency_ms": 8_000.0, "created_at": clock.now() - timedelta(seconds=1)}
    await host.after(5, 25, **slow)
    assert await host.reasons() == []
    await host.after(5, 25, latency_ms=8_000.0)
    assert await host.reasons() == ["1→2: p95 8 s > 5 s"]
    assert await host.after(10, 25, latency_ms=8_000.0) == 2
    await host.replica(upstream.url)
    assert await host.after(5, 10, latency_ms=8_000.0, created_at=clock.now()) == 2
    assert await host.after(10, 10, latency_ms=8_000.0) == 4
    assert (await host.reasons())[1:] == ["2→4: p95 8 s > 5 s"]


@pytest.mark.parametrize(
    "values",
    [{"serving_since": None}, {"paused_at": clock.from_micros(1)}, {"source": "adopted"}, {"status": "stopped"}],
    ids=["never served", "paused", "adopted", "stopped"],
)
async def test_what_is_not_scaled_is_left_alone(host: Host, values: dict[str, Any]) -> None:
    await host.change(**values)
    assert await host.after(60, 150) == 1
    assert (await host.reasons(), set(await host.wanted())) == ([], {None})


async def test_a_request_that_found_no_replica_wakes_one_until_it_has_answered(host: Host, upstream: Upstream) -> None:
    await host.change(desired_replicas=0, stabilisation_window_s=0)
    async with host.core.db.read() as session:
        [row] = await session.exec(select(Replica).where(Replica.deployment_id == host.id))
    host.time.move(5)
    await host.end_replica(row.id)
    # Asked before the last one was told to stop, it was answered; asked since, it was not.
    await host.change(wake_requested_at=clock.now() - timedelta(seconds=1))
    assert (await host.after(5), host.run.scaling.asleep) == (0, True)
    await host.change(wake_requested_at=clock.now() - timedelta(seconds=4))
    assert (await host.after(5), host.run.scaling.asleep) == (1, False)
    assert await host.reasons() == ["0→1: a request waits"]
    # However long it starts.
    assert await host.after(60) == 1
    await host.replica(upstream.url)
    assert await host.after(5) == 0
    assert (await host.reasons())[1:] == ["1→0: no request for 0 s"]


async def test_another_host_remembers_what_was_wanted(host: Host) -> None:
    assert await host.after(20, 150) == 3
    assert await host.after(30, 20) == 3
    await host.end()
    await host.begin()
    # The last time that three were wanted is 20 s after the load fell: the rate was of 15 s then.
    assert await host.after(35, 20) == 3
    assert await host.after(10, 20) == 1
    assert (await host.reasons())[2:] == ["3→2: at most 2 wanted for 60 s", "2→1: at most 1 wanted for 60 s"]


async def test_what_others_have_changed_meanwhile_is_decided_anew(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = host.run.writing

    def late() -> Any:
        monkeypatch.setattr(host.run, "writing", writing)
        return _Paused(host, writing)

    await host.after(10, 150)
    monkeypatch.setattr(host.run, "writing", late)
    assert await host.after(5, 150) == 1
    assert (await host.row()).paused_at is not None
    assert await host.reasons() == []


class _Paused:
    """A transaction that begins just after the user has paused the deployment."""

    def __init__(self, host: Host, writing: Any) -> None:
        self.host, self.writing = host, writing()

    async def __aenter__(self) -> Any:
        await self.host.change(paused_at=clock.now())
        return await self.writing.__aenter__()

    async def __aexit__(self, *why: Any) -> Any:
        return await self.writing.__aexit__(*why)


async def test_a_host_that_has_lost_its_lease_scales_nothing(host: Host) -> None:
    await host.after(10, 150)
    await host.change(lease_token=99)
    host.time.move(EVERY_S)
    await host.log(150)
    with pytest.raises(leases.LeaseLost):
        await host.sampler.sample()
    assert ((await host.row()).desired_replicas, await host.reasons()) == (1, [])


async def test_a_sample_that_is_taken_again_counts_its_requests_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(row: stream.Data) -> None:
        raise ConnectionError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(host.sampler, "_put", broken)
        for _ in range(4):
            host.time.move(EVERY_S)
            await host.log(30)
            await host.sampler.attempt()
    assert (await host.row()).desired_replicas == 1
    assert await host.after(10, 30) == 1
