"""What a host does: take the work there is room for, and look after it until it ends.

The database is asked every two seconds and whenever a message says that something changed; messages only make it faster. Runs
live on the event loop of the main thread, which spawns every child.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import delete
from sqlmodel import col, select

from burnish.kit import clock, idempotency, ids, outbox, stream
from burnish.kit.core import Core
from engines import orphans, reaping, retention
from engines.bulk.batch_run import BatchRun
from engines.bulk.feeding import Room
from engines.bulk.pool import Pool
from engines.compute import catalogue, hardware, hosts
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.evals.evaluation_run import EvaluationRun
from engines.jobs import JobRun
from engines.leased import LeasedRun
from engines.serving.reconcile import DeploymentRun
from engines.serving.replica_run import ReplicaRun
from models import billing, job, ledger, transitions
from models.host import Host

log = structlog.get_logger(__name__)
TICK_S = 2.0
TIDY_EVERY = 15
FORGOTTEN = timedelta(days=1)
RETURN = timedelta(minutes=10)
RUNS: tuple[type[LeasedRun], ...] = (JobRun, DeploymentRun, ReplicaRun, BatchRun, EvaluationRun)
# What a host that drains still takes up where there is no other.
CARE: tuple[type[LeasedRun], ...] = (DeploymentRun, BatchRun, EvaluationRun)
# Runs of evals that score at once, each with a process for every reward function.
GRADED_AT_ONCE = 2
NOWHERE = Placement(Shape("", 0), (), 0)


class Supervisor:
    """One a host. `wake` may be called from any thread."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.inventory = Inventory(core.settings)
        self.host_id = ids.new("host")
        self.pool = Pool(core)
        self._making: dict[type[LeasedRun], Callable[..., LeasedRun]] = {
            BatchRun: partial(BatchRun, pool=self.pool, room=Room()),
            EvaluationRun: partial(EvaluationRun, grading=asyncio.Semaphore(GRADED_AT_ONCE)),
        }
        self._began = clock.now()
        self.runs: dict[str, LeasedRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._draining = False

    def wake(self, resource_id: str) -> None:
        """Look at a resource now: a message named it."""
        self._loop.call_soon_threadsafe(self._look, resource_id)

    def _look(self, resource_id: str) -> None:
        if resource_id in self.runs:
            self.runs[resource_id].look()
        self._woken.set()

    async def run(self) -> None:
        """Supervise until `stop`; what fails is logged and tried again with the next tick."""
        ticks = 0
        beside = [
            asyncio.create_task(retention.sweep_forever(self.core)),
            asyncio.create_task(catalogue.refresh_forever(self.core)),
            asyncio.create_task(self.pool.run()),
        ]
        while not self._stopping:
            try:
                await self._tick(tidy=ticks % TIDY_EVERY == 0)
            except Exception as error:
                log.warning("tick_failed", error=str(error), exc_info=True)
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), TICK_S)
            self._woken.clear()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)

    async def stop(self) -> None:
        """Put all work down, so that it goes on elsewhere or after a restart at once."""
        self._stopping = True
        self._woken.set()
        for run in self.runs.values():
            run.halt()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.pool.close()
        async with self.core.db.transaction() as session:
            row = await session.get(Host, self.host_id)
            if row is not None:
                # Gone from now on, and known for a while: what ran here may wait for its return.
                row.seen_at = clock.now() - timedelta(seconds=self.core.settings.lease_s)
                session.add(row)

    async def _tick(self, *, tidy: bool) -> None:
        await self._announce()
        if tidy:
            await self._tidy()
        if self.core.sender is not None:
            await outbox.sweep(self.core.db, self.core.sender)
        # While nothing ran here, perhaps nobody could be told that a client is there: all have their time again.
        if clock.seconds_between(self._began, clock.now()) > self.core.settings.heartbeat_timeout_s:
            for job_id in await reaping.reap(self.core):
                self._look(job_id)
        await self._take_work()

    async def _announce(self) -> None:
        now = clock.now()
        async with self.core.db.transaction() as session:
            row = await session.get(Host, self.host_id)
            if row is None:
                name = socket.gethostname()
                row = Host(id=self.host_id, name=name, offers=self.inventory.offers(), started_at=now, seen_at=now)
            row.seen_at = now
            session.add(row)
            self._draining = row.draining_at is not None

    def _put_down(self, kinds: tuple[type[LeasedRun], ...]) -> None:
        """Have work go on elsewhere; replicas wait for the hosts of their deployments to replace them."""
        for run in self.runs.values():
            if isinstance(run, kinds) and not run.halted.is_set():
                run.halt(drained=True)

    async def _tidy(self) -> None:
        killed = await asyncio.to_thread(orphans.sweep)
        if killed:
            log.warning("orphans_killed", pids=killed)
        async with self.core.db.transaction() as session:
            await idempotency.purge(session)
            await session.exec(delete(Host).where(col(Host.seen_at) < clock.now() - FORGOTTEN))
        await self._clear_work()

    async def _clear_work(self) -> None:
        """Delete the scratch folders of children whose host died before it could: no live lease carries their token."""
        for folder in await asyncio.to_thread(lambda: list(self.core.settings.work.iterdir())):
            resource_id, _, rest = folder.name.partition("-")
            token = rest.rpartition("-")[2]
            if token.isdecimal() and not await self._is_held(resource_id, int(token)):
                await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _is_held(self, resource_id: str, token: int) -> bool:
        async with self.core.db.read() as session:
            rows = [await session.get(kind.table, resource_id) for kind in RUNS]
        return any(row is not None and row.is_leased and row.lease_token == token for row in rows)

    async def _take_work(self) -> None:
        taken = await self._taken()
        if self._draining:
            self._put_down((JobRun,) if BatchRun in taken else (JobRun, BatchRun, EvaluationRun))
        for kind in taken:
            for row in await self._waiting(kind):
                if row.id not in self.runs and not self._stopping:
                    await self._offer(kind, row)

    async def _taken(self) -> tuple[type[LeasedRun], ...]:
        """Return what this host takes up: one that drains only what takes no room, where nobody else can."""
        if not self._draining:
            return RUNS
        async with self.core.db.read() as session:
            found = await hosts.alive(session, self.core.settings)
        return () if any(not host.draining for host in found) else CARE

    async def _waiting(self, kind: type[LeasedRun]) -> list[Any]:
        """Return what nobody works on, oldest first."""
        async with self.core.db.read() as session:
            statement = select(kind.table).where(*kind.offered()).order_by(col(kind.table.created_at)).limit(200)
            return list((await session.exec(statement)).all())

    async def _offer(self, kind: type[LeasedRun], row: Any) -> None:
        """Start a run where there is room; fail what no host will ever have room for."""
        if not kind.takes_room:
            self._start(kind, row.id, NOWHERE)
            return
        shape = Shape(hardware.canonical(row.gpu_requested["type"]) or "", row.gpu_requested["count"])
        if row.status in kind.terminal:
            self._start(kind, row.id, Placement(shape, (), 0))
            return
        reasons = [] if kind is ReplicaRun else await self._refusals(row, shape)
        if reasons:
            await self._refuse(kind, row, reasons)
            return
        if row.provider_requested not in (None, "local"):
            return
        # A deployment is looked after by any host; its replicas take the room.
        placement = Placement(shape, (), 0) if kind is DeploymentRun else self.inventory.take(row.id, shape)
        if placement is not None:
            self._start(kind, row.id, placement)

    def _start(self, kind: type[LeasedRun], resource_id: str, placement: Placement) -> None:
        run = self._making.get(kind, kind)(self.core, self.inventory, resource_id, self.host_id, placement, self._look)
        self.runs[resource_id] = run
        task = asyncio.create_task(run.run(), name=resource_id)
        self._tasks[resource_id] = task
        task.add_done_callback(lambda done: self._ended(resource_id, done))

    def _ended(self, resource_id: str, task: "asyncio.Task[None]") -> None:
        self.runs.pop(resource_id, None)
        self._tasks.pop(resource_id, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("run_ended", resource=resource_id, error=str(task.exception()))
        self._woken.set()

    async def _refusals(self, row: Any, shape: Shape) -> list[str]:
        """Return why nobody can ever run this; empty where somebody can."""
        if row.provider_requested not in (None, "local"):
            return [f"{row.provider_requested}: this installation has no account there"]
        if self.inventory.could_ever(shape):
            return []
        async with self.core.db.read() as session:
            found = await hosts.alive(session, self.core.settings)
            # What has run before waits for a host that is being restarted.
            gone = await hosts.seen_since(session, clock.now() - RETURN) if row.attempt else []
        if any(host.offers_shape(shape) for host in found) or any(hosts.offers(host.offers, shape) for host in gone):
            return []
        return [f"{host.name}: has {_names(host.offers)}" for host in found]

    async def _refuse(self, kind: type[LeasedRun], row: Any, reasons: list[str]) -> None:
        asked = f"{row.gpu_requested['count']} x {row.gpu_requested['type']}"
        message = f"No host offers {asked}. " + "; ".join(reasons)
        async with self.core.db.transaction() as session:
            fresh = await session.get_one(kind.table, row.id, with_for_update=True)
            if fresh.status in kind.terminal or fresh.is_leased:
                return
            # It may have run on a host that is gone.
            what = f"{kind.noun} {row.id}"
            if kind is JobRun:
                await ledger.accrue(session, row.id, fresh.at_work_until, description=what, close=True)
                await ledger.refund(session, fresh.account_id, row.id, description=f"{what}: refunded")
                await ledger.release(session, row.id)
                cost = await ledger.charged(session, row.id)
            else:
                cost = await billing.settle(session, fresh)
            now = clock.now()
            line = f"Status: failed (CAPACITY_UNAVAILABLE): {message}"
            values: dict[str, Any]
            if kind is JobRun:
                error = {"code": "CAPACITY_UNAVAILABLE", "message": message, "attribution": "platform", "user_code_line": None}
                values = {"error": error, "completed_at": now, "cost_micros": cost}
            else:
                values = {"error": f"CAPACITY_UNAVAILABLE: {message}", "stopped_at": now, "cost_micros": cost}
            await transitions.move(session, fresh, job.FAILED, line=line, level="error", **values)
            await stream.end(session, row.id, kind.streams, job.FAILED)


def _names(offers: dict[str, Any]) -> str:
    return ", ".join(gpu["type"] for gpu in offers.get("gpus", [])) or "no GPU"
