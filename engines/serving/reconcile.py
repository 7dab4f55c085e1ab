"""Keeping a deployment true: one replica running and healthy, until the user stops it.

Started from the desired state in the database and nothing else, so that it can begin at any point: after its making, after the
death of an engine, or after the death of the host that served it before.
"""

import asyncio
import contextlib
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import structlog
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from burnish.kit import clock, ids, stream
from burnish.kit.db import Session
from engines import protocol
from engines.compute import hardware
from engines.leased import LeasedRun, first
from engines.serving import stats, vllm
from engines.sources import source_of
from engines.spawn import Child
from models import deployment as dep
from models import events, replica, transitions
from models.deployment import Deployment
from models.job import Checkpoint
from models.replica import Replica

log = structlog.get_logger(__name__)
HEALTH_EVERY_S = 1.0
HEALTH_MISSES = 5
BACKOFF_S = (0.0, 1.0, 5.0, 15.0)
STARTING, RUNNING, ENDED, LOST = replica.LOADING, replica.RUNNING, replica.STOPPED, replica.FAILED
# Rows come each quarter of a second while a deployment is asked, for as long as it serves.
COMPACT_EVERY_S = 60.0


class DeploymentRun(LeasedRun):
    """One host's work on one deployment."""

    table = Deployment
    noun = "Deployment"
    streams = dep.STREAMS
    terminal = dep.TERMINAL
    last_words = "It is stopped."

    async def on_claim(self, session: Session, row: Deployment) -> bool:
        row.attempt += 1
        self.attempt = row.attempt
        row.gpu = hardware.as_json(self.placement.shape)
        row.provider = "local"
        row.rate_micros_per_hour = self.placement.rate_micros_per_hour
        session.add(row)
        await session.flush()
        await self.start_meter(session, row)
        await _end_replicas(session, row.id, LOST, "its host is gone")
        if row.status == dep.QUEUED:
            line = f"Status: provisioning, on {self.placement.shape.count} x {self.placement.shape.type}"
            await transitions.move(session, row, dep.PROVISIONING, token=self.token, line=line, started_at=clock.now())
        elif row.status == dep.SERVING:
            line = "Status: unhealthy, the host that served it is gone"
            await transitions.move(session, row, dep.UNHEALTHY, token=self.token, line=line, level="warning")
        return True

    async def work(self) -> None:
        folder = self.settings.work / f"{self.id}-{self.attempt}-{self.token}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            await self._serve(folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _serve(self, folder: Path) -> None:
        error = None
        try:
            path = await self._weights(folder)
            error = await self._measured(folder, path)
        except protocol.ChildFailure as failure:
            # A fetch that was broken off says so too, and that is nobody's failure.
            if not self._told_to_end():
                return await self.fail(failure)
        if error is not None:
            return await self._fail(error)
        if self._hands_over():
            return await self.hand_over("The host is stopping; the deployment goes on when it is back")
        if self.purse.limit is not None and not self.ended.is_set():
            return await self._stop(f"QUOTA_EXCEEDED: {self.purse.limit.message}")
        await self.close(dep.STOPPED)

    async def _measured(self, folder: Path, path: Path) -> str | None:
        """Keep serving, with samples of the load and small streams; return what is wrong where the engine fails for good."""
        compacting = asyncio.create_task(self._compact_forever())
        try:
            async with stats.sampling(self.core.db, self.id, partial(self.put, "stats")) as sampler:
                error = await self._keep_serving(folder, path)
                if error is not None or not self._hands_over():
                    await sampler.finish()
                return error
        finally:
            compacting.cancel()
            await asyncio.gather(compacting, return_exceptions=True)

    async def _keep_serving(self, folder: Path, path: Path) -> str | None:
        """Start an engine, and another when it ends, until told to end; return what is wrong where it fails again and again."""
        failures, error = 0, ""
        while not self._told_to_end():
            if failures >= self.settings.replica_attempts:
                return f"The engine failed {failures} times in a row; the last time: {error}"
            await self._pause(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            if self._told_to_end():
                break
            served, error = await _Session(self, folder, path).run()
            failures = 1 if served else failures + 1
        return None

    def _told_to_end(self) -> bool:
        return self.ended.is_set() or self.halted.is_set() or self.limited.is_set()

    def _hands_over(self) -> bool:
        return self.halted.is_set() and not self.ended.is_set()

    async def told_to_end(self) -> None:
        """Return once the user, a limit or the host has ended the work."""
        await first(self.ended, self.halted, self.limited)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.told_to_end(), seconds)

    async def _weights(self, folder: Path) -> Path:
        """Return the folder of the model's files on this machine; ChildFailure (`model_unavailable`) where it cannot be had."""
        async with self.core.db.read() as session:
            row = await session.get_one(Deployment, self.id)
            checkpoint = await session.get(Checkpoint, row.checkpoint_id) if row.checkpoint_id else None
            source = await source_of(session, self.settings, row.model, row.revision)
        if checkpoint is not None:
            await self.core.storage.fetch_folder(checkpoint.storage_prefix, folder / "model")
            return folder / "model"
        if "path" in source:
            return Path(source["path"])
        return await self._fetch(folder, source)

    async def _fetch(self, folder: Path, source: dict[str, Any]) -> Path:
        child = await Child.task("serving.fetch", source, cwd=folder)
        reading = asyncio.create_task(self._pass_on(child))
        ending = asyncio.create_task(self.told_to_end())
        ending.add_done_callback(lambda _: child.kill())
        result: dict[str, Any] = {}
        try:
            async for message in child.messages():
                if message["type"] == "log":
                    await self.say(message["message"], level=message["level"], source=message["source"])
                elif message["type"] == "failed":
                    raise protocol.ChildFailure(message["code"], message["message"], message["attribution"])
                elif message["type"] == "done":
                    result = message["result"]
        finally:
            child.kill()
            for task in (reading, ending):
                task.cancel()
            await asyncio.gather(reading, ending, return_exceptions=True)
        if not result:
            raise protocol.ChildFailure("model_unavailable", "The model could not be fetched.", "platform")
        async with self.writing() as session:
            row = await session.get_one(Deployment, self.id)
            row.revision = result["revision"]
            session.add(row)
        return Path(result["path"])

    async def _pass_on(self, child: Child) -> None:
        """Read what a fetch prints: a pipe that nobody empties would stop it."""
        async for line in child.log():
            if line:
                await self.say(line)

    async def fail(self, failure: protocol.ChildFailure) -> None:
        await self._fail(f"{failure.code}: {failure.message}")

    async def _fail(self, error: str) -> None:
        await self._finish(dep.FAILED, error, "error")

    async def _stop(self, error: str) -> None:
        """End what a limit ends, as its user would have."""
        await self._finish(dep.STOPPED, error, "warning")

    async def _finish(self, status: str, error: str, level: str) -> None:
        await self.flush()
        async with self.writing() as session:
            row = await session.get_one(Deployment, self.id, with_for_update=True)
            if row.status not in self.terminal:
                cost = await self.settle(session, refund=False)
                values: dict[str, Any] = {"error": error, "stopped_at": clock.now(), "cost_micros": cost}
                line = f"Status: {status}: {error}"
                await transitions.move(session, row, status, token=self.token, line=line, level=level, **values)
            await self._close(session, row.status)

    async def _compact_forever(self) -> None:
        """Merge the small chunks of the streams while they grow, those that the gateways write among them."""
        while True:
            await asyncio.sleep(COMPACT_EVERY_S)
            try:
                for kind in self.streams:
                    await stream.pack(self.core.db, self.id, kind)
            except DBAPIError as error:
                log.warning("database_unreachable", resource=self.id, error=str(error.orig))

    async def set_status(self, status: str, line: str, *, level: str = "info") -> None:
        """Move the deployment where it is not there already and has not ended."""
        async with self.writing() as session:
            row = await session.get_one(Deployment, self.id, with_for_update=True)
            if row.status in self.terminal or row.status == status:
                return
            serving_since = row.serving_since or (clock.now() if status == dep.SERVING else None)
            await transitions.move(session, row, status, token=self.token, line=line, level=level, serving_since=serving_since)


class _Session:
    """One engine process, from its start to its end."""

    def __init__(self, run: DeploymentRun, folder: Path, model: Path) -> None:
        self.run_of = run
        self.folder = folder
        self.model = model
        self.replica_id = ids.new("rep")
        self.served = False
        self.last_line = ""

    async def run(self) -> tuple[bool, str]:
        """Serve until the engine ends or is told to; return whether it ever served, and why it ended."""
        run = self.run_of
        port = vllm.free_port()
        self.url = f"http://127.0.0.1:{port}"
        async with run.core.db.read() as session:
            name = (await session.get_one(Deployment, run.id)).name
        argv, env = vllm.command(self.model, [name, run.id], port, run.placement.device)
        if run.placement.gpu_indices:
            env |= {"CUDA_VISIBLE_DEVICES": ",".join(map(str, run.placement.gpu_indices))}
        child = await Child.command(argv, cwd=self.folder, env=env)
        reading = asyncio.create_task(self._read_log(child))
        gone = asyncio.create_task(child.wait())
        ending = asyncio.create_task(run.told_to_end())
        watching = asyncio.create_task(self._watch(child.pid))
        why = None
        try:
            await asyncio.wait([gone, ending, watching], return_when=asyncio.FIRST_COMPLETED)
            why = await self._why(gone, watching)
            if ending.done():
                await self._drain(child)
            elif self.served:
                await run.set_status(dep.UNHEALTHY, f"Status: unhealthy: {why}", level="warning")
            return self.served, why
        finally:
            child.kill()
            for task in (reading, gone, ending, watching):
                task.cancel()
            await asyncio.gather(reading, gone, ending, watching, return_exceptions=True)
            with contextlib.suppress(Exception):
                await self._end_replica(ENDED if run.ended.is_set() else LOST, why)

    async def _why(self, gone: "asyncio.Task[int]", watching: "asyncio.Task[str]") -> str:
        if gone.done():
            await asyncio.sleep(0)
            tail = f": {self.last_line}" if self.last_line else ""
            return f"the engine ended with exit code {gone.result()}{tail}"
        if watching.done():
            return watching.result()
        return "it was told to stop"

    async def _watch(self, pid: int) -> str:
        """Record the replica, wait until it is ready, then look after its health; return what is wrong with it."""
        run = self.run_of
        await self._insert(pid)
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            deadline = asyncio.get_running_loop().time() + run.settings.replica_start_s
            while not await vllm.ready(client, self.url, run.id):
                if asyncio.get_running_loop().time() > deadline:
                    return f"the engine was not ready after {run.settings.replica_start_s:g} s"
                await asyncio.sleep(0.25)
            await self._ready()
            misses = 0
            while misses < HEALTH_MISSES:
                await asyncio.sleep(HEALTH_EVERY_S)
                misses = 0 if await vllm.health(client, self.url) else misses + 1
        return f"the engine failed {HEALTH_MISSES} health checks in a row"

    async def _ready(self) -> None:
        self.served = True
        async with self.run_of.writing() as session:
            row = await session.get_one(Replica, self.replica_id)
            row.status, row.last_health_at, row.ready_at = RUNNING, clock.now(), clock.now()
            session.add(row)
        await self.run_of.set_status(dep.SERVING, "Status: serving")

    async def _drain(self, child: Child) -> None:
        """Take the replica out of routing, let what runs finish, then end it."""
        await self._end_replica(ENDED, None)
        if self.run_of.halted.is_set():
            return
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
            await vllm.drain(client, self.url, self.run_of.settings.drain_s)
        child.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), 5)

    async def _insert(self, pid: int) -> None:
        run = self.run_of
        async with run.writing() as session:
            session.add(
                Replica(
                    id=self.replica_id,
                    account_id=run.account_id,
                    gpu_requested=hardware.as_json(run.placement.shape),
                    deployment_id=run.id,
                    host_id=run.holder,
                    status=STARTING,
                    url=self.url,
                    pid=pid,
                    created_at=clock.now(),
                )
            )
            line = events.log_line(f"Replica {self.replica_id} is starting")
        await run.put("logs", line)

    async def _end_replica(self, status: str, reason: str | None) -> None:
        async with self.run_of.core.db.transaction() as session:
            await _end_replicas(session, self.run_of.id, status, reason, only=self.replica_id)

    async def _read_log(self, child: Child) -> None:
        async for line in child.log():
            if line:
                self.last_line = line
                await self.run_of.say(line, source="engine")


async def _end_replicas(
    session: Session, deployment_id: str, status: str, reason: str | None, *, only: str | None = None
) -> None:
    conditions = [col(Replica.deployment_id) == deployment_id, col(Replica.ended_at).is_(None)]
    if only is not None:
        conditions.append(col(Replica.id) == only)
    values = {"status": status, "fail_reason": reason, "ended_at": clock.now()}
    await session.exec(update(Replica).where(*conditions).values(**values))
