"""Running one replica: its place on this host, its engine from the first file to the last answer, and its meter.

A replica runs once. What its host cannot go on with ends here, and the deployment's host wants another. It is told to stop by its
own row, and looks itself whether its deployment has ended or is paused: nobody may have been left to tell it.
"""

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import structlog
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from burnish.kit import clock, stream
from burnish.kit.db import Session
from engines import protocol
from engines.compute import hardware
from engines.leased import LeasedRun, first
from engines.serving import engine, starting, weights
from engines.serving.adapters import Refused
from engines.serving.engine_choice import Choice
from engines.serving.served import Served
from engines.serving.weights import Files
from engines.spawn import Child
from models import billing, events, leases, ledger, replica
from models import deployment as dep
from models.deployment import Deployment, DeploymentVersion
from models.replica import Replica

log = structlog.get_logger(__name__)
READY_EVERY_S = 0.25
HEALTH_EVERY_S = 1.0
HEALTH_MISSES = 5
# A gateway may have chosen the replica just before it left the routing.
SETTLE_S = 1.0
TERMINATE_S = 5.0
LAST_WORDS_S = 1.0
LEAVE_AGAIN_S = 1.0
LAST_LINES = 50


class ReplicaRun(LeasedRun):
    """One host's work on one replica. It writes to the logs of its deployment."""

    table = Replica
    noun = "Replica"
    streams = ()
    terminal = replica.TERMINAL
    last_words = ""
    pays = False

    deployment_id: str
    deployment_attempt = 0
    url: str | None = None
    healthy_at: Any = None
    exit_code: int | None = None
    served: Served | None = None
    # Whether the engine that ended does not take the adapter that it was started for.
    refused = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)

    @classmethod
    def offered(cls) -> tuple[Any, ...]:
        return (
            col(Replica.status) == replica.PENDING,
            col(Replica.lease_holder).is_(None),
            col(Replica.stop_requested_at).is_(None),
        )

    # --- its beginning ---

    async def before_claim(self, session: Session) -> None:
        # The deployment first, as its host locks it; then nothing of it changes while the replica is placed.
        self.deployment_id = (await session.get_one(Replica, self.id)).deployment_id
        await session.get_one(Deployment, self.deployment_id, with_for_update=True)

    async def on_claim(self, session: Session, row: Replica) -> bool:
        deployment = await session.get_one(Deployment, self.deployment_id)
        self.deployment_attempt = deployment.attempt
        if _is_told(row, deployment):
            row.status, row.ended_at = replica.STOPPED, clock.now()
            row.stop_reason = row.stop_reason or await self._stopped_by(session)
            session.add(row)
            await session.flush()
            await leases.release(session, Replica, self.id, self.token)
            return False
        shape = self.placement.shape
        row.status, row.host_id = replica.PULLING, self.holder
        row.gpu, row.rate_micros_per_hour = hardware.as_json(shape), self.placement.rate_micros_per_hour
        deployment.gpu, deployment.provider = row.gpu, "local"
        deployment.rate_micros_per_hour = row.rate_micros_per_hour
        session.add_all([row, deployment])
        await session.flush()
        await self.start_meter(session, row)
        told = {"replica_id": self.id, "version": row.version, "host_id": self.holder, "gpu": row.gpu}
        line = f"Replica {self.id} starts on {shape.count} x {shape.type}"
        await self.record(session, "replica_started", told, line)
        return True

    async def start_meter(self, session: Session, row: Any) -> None:
        shape = self.placement.shape
        await ledger.start_meter(
            session,
            self.account_id,
            self.deployment_id,
            self.attempt,
            self.placement.rate_micros_per_hour,
            clock.now(),
            provider="local",
            gpu_type=shape.type,
            gpu_count=shape.count,
            beside=True,
        )

    # --- what it does ---

    async def work(self) -> None:
        self.wake(self.deployment_id)
        folder = self.settings.work / f"{self.id}-{self.attempt}-{self.token}"
        try:
            folder.mkdir(mode=0o700, parents=True)
            why = await self._serve(folder)
        except protocol.ChildFailure as failure:
            # A fetch that was broken off says so too, and that is nobody's failure.
            return await self._finish(None) if self.is_told else await self.fail(failure)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)
        await self._finish(why)

    async def _serve(self, folder: Path) -> str | None:
        """Serve until told to end; return what is wrong where the engine ends before."""
        version = await self.version()
        files = await weights.fetched(self, version, folder)
        choice = await starting.chosen(self, files.model)
        while True:
            hindrance = await starting.hindrance(self, choice, files)
            why = hindrance or await self._run(choice, files, folder, version.number)
            if why is None or self.healthy_at is not None:
                return why
            if hindrance or self.refused:
                files = await weights.merged(self, version, folder, hindrance or why)
            elif (other := await starting.instead(self, choice, files.model)) is not None:
                choice = other
            else:
                return why

    async def _run(self, choice: Choice, files: Files, folder: Path, version: int) -> str | None:
        """Run an engine until told to end; return what is wrong where it ends before, or does not take the adapter."""
        if self.is_told:
            return None
        self.url = f"http://{engine.LOOPBACK}:{(port := engine.free_port())}"
        deployment = await self.deployment()
        served = Served(self, choice, files, folder, deployment, starting.arguments(deployment), version)
        self.served = served
        argv, env = starting.command(self, choice, files.model, served, port)
        child = await Child.command(argv, cwd=folder, env=env)
        await self._move(replica.LOADING, url=self.url, pid=child.pid)
        reading = asyncio.create_task(self._read_log(child))
        gone = asyncio.create_task(child.wait())
        ending = asyncio.create_task(self.told_to_end())
        watching = asyncio.create_task(self._watch_engine(served))
        tasks = (reading, gone, ending, watching)
        try:
            await asyncio.wait([gone, ending, watching], return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                await self._drain(child)
                return None
            why = await self._why(gone, watching, reading)
            self.refused = files.adapter is not None and starting.has_no_adapters(self.last_lines)
            return why
        except Refused as refusal:
            self.refused = True
            return str(refusal)
        finally:
            child.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def version(self) -> DeploymentVersion:
        """Return what this replica serves, which need not be what its deployment wants by now."""
        async with self.core.db.read() as session:
            row = await session.get_one(Replica, self.id)
            its = (DeploymentVersion.deployment_id == self.deployment_id, DeploymentVersion.number == row.version)
            return (await session.exec(select(DeploymentVersion).where(*its))).one()

    async def deployment(self) -> Deployment:
        async with self.core.db.read() as session:
            return await session.get_one(Deployment, self.deployment_id)

    async def _watch_engine(self, served: Served) -> str:
        """Wait until the engine is ready, let it take traffic, then look after its health; return what is wrong with it."""
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            try:
                async with asyncio.timeout(self.settings.replica_start_s):
                    await self.before_traffic(client, served)
            except TimeoutError:
                return f"the engine was not ready after {self.settings.replica_start_s:g} s"
            await self._ready()
            following = asyncio.create_task(served.follow(client))
            try:
                return await self._stay_healthy(client)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def before_traffic(self, client: httpx2.AsyncClient, served: Served) -> None:
        """Return once the replica may be asked: its engine has answered, and as the trained model did. ChildFailure where it
        answers and must not be asked.
        """
        assert self.url is not None
        while not await engine.health(client, self.url):
            await asyncio.sleep(READY_EVERY_S)
        await self._move(replica.WARMING)
        await served.prove(client)

    async def _stay_healthy(self, client: httpx2.AsyncClient) -> str:
        assert self.url is not None
        misses = 0
        while misses < HEALTH_MISSES:
            await asyncio.sleep(HEALTH_EVERY_S)
            if await engine.health(client, self.url):
                misses, self.healthy_at = 0, clock.now()
            else:
                misses += 1
        return f"the engine failed {HEALTH_MISSES} health checks in a row"

    async def _why(self, gone: "asyncio.Task[int]", watching: "asyncio.Task[str]", reading: "asyncio.Task[None]") -> str:
        if watching.done():
            return watching.result()
        # What it said last may still be in the pipe, and that may be held open by what it left behind.
        await asyncio.wait([reading], timeout=LAST_WORDS_S)
        self.exit_code = gone.result()
        tail = f": {self.last_lines[-1]}" if self.last_lines else ""
        return f"the engine ended with exit code {self.exit_code}{tail}"

    async def _drain(self, child: Child) -> None:
        """Take the replica out of routing, let what runs finish, then end it."""
        while True:
            try:
                if not await self._leave_routing():
                    return
                break
            except DBAPIError as error:
                # Ended now it would cut what it has begun, and be asked on; the heartbeat says when to give up.
                log.warning("database_unreachable", resource=self.id, error=str(error.orig))
                await asyncio.sleep(LEAVE_AGAIN_S)
        assert self.url is not None
        self.wake(self.deployment_id)
        await asyncio.sleep(SETTLE_S)
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
            await engine.drain(client, self.url, self.settings.drain_s)
        child.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), TERMINATE_S)

    # --- being told ---

    @property
    def is_told(self) -> bool:
        return self.ended.is_set() or self.halted.is_set()

    async def told_to_end(self) -> None:
        """Return once the deployment wants the replica no more, or the host is stopping."""
        await first(self.ended, self.halted)

    async def _watch(self) -> None:
        async with self.core.db.read() as session:
            row = await session.get_one(Replica, self.id)
            deployment = await session.get_one(Deployment, self.deployment_id)
        self.deployment_attempt = deployment.attempt
        if self.served is not None:
            self.served.ask(row.swap_version)
        if row.status in self.terminal or _is_told(row, deployment):
            self.ended.set()

    async def _renew(self) -> None:
        async with self.core.db.transaction() as session:
            await leases.renew(session, Replica, self.id, self.token, self.settings.lease_s)
            if self.healthy_at is not None:
                await session.exec(update(Replica).where(col(Replica.id) == self.id).values(last_health_at=self.healthy_at))

    # --- what it writes ---

    @property
    def stream_id(self) -> str:
        return self.deployment_id

    @property
    def stream_attempt(self) -> int:
        return self.deployment_attempt

    async def put(self, kind: str, row: stream.Data) -> None:
        await super().put(kind, {**row, "replica": self.id})

    async def record(
        self, session: Session, kind: str, told: dict[str, Any], line: str | None = None, *, level: str = "info"
    ) -> None:
        """Record an event of the deployment."""
        attempt = self.deployment_attempt
        await events.record(session, self.account_id, self.deployment_id, kind, told, attempt=attempt, line=line, level=level)

    @asynccontextmanager
    async def row(self) -> AsyncIterator[tuple[Session, Replica]]:
        """Open a transaction in which the replica's row is this host's to change."""
        async with self.writing() as session:
            found = await session.get_one(Replica, self.id, populate_existing=True)
            yield session, found
            session.add(found)

    async def _read_log(self, child: Child) -> None:
        async for line in child.log():
            if line:
                self.last_lines.append(line)
                await self.say(line, source="engine")

    async def _move(self, status: str, **values: Any) -> None:
        async with self.row() as (session, row):
            row.status = status
            for key, value in values.items():
                setattr(row, key, value)
            told = {"replica_id": self.id, "version": row.version, "phase": status}
            await self.record(session, "replica_phase", told)
        self.wake(self.deployment_id)

    async def _ready(self) -> None:
        async with self.row() as (session, row):
            if row.stop_requested_at is not None:
                return
            row.status, row.last_health_at, row.ready_at = replica.RUNNING, clock.now(), clock.now()
            took_s = round(clock.seconds_between(row.created_at, row.ready_at), 3)
            told = {"replica_id": self.id, "version": row.version, "seconds": took_s}
            await self.record(session, "replica_ready", told, f"Replica {self.id} is ready")
        self.healthy_at = clock.now()
        self.wake(self.deployment_id)

    async def _leave_routing(self) -> bool:
        """Say that the replica takes nothing new; False where it never took anything."""
        async with self.row() as (_, row):
            if row.status != replica.RUNNING:
                return False
            row.status = replica.DRAINING
        return True

    async def fail(self, failure: protocol.ChildFailure) -> None:
        await self._finish(f"{failure.code}: {failure.message}", failure.code)

    async def _finish(self, why: str | None, code: str | None = None) -> None:
        """End the replica with its billing, and give the lease back; `why` is what went wrong."""
        await self.flush()
        async with self.row() as (session, row):
            await billing.close(session, row)
            row.status = replica.STOPPED if why is None else replica.FAILED
            row.ended_at, row.fail_reason, row.fail_code = clock.now(), why, code
            if why is None and row.stop_reason is None:
                row.stop_reason = await self._stopped_by(session)
            reason = why or row.stop_reason or ""
            told = {"replica_id": self.id, "version": row.version, "reason": reason}
            kind, level = ("replica_stopped", "info") if why is None else ("replica_failed", "warning")
            line = f"Replica {self.id} {'has stopped' if why is None else 'failed'}: {reason}"
            await self.record(session, kind, told, line, level=level)
            session.add(row)
            await session.flush()
            await leases.release(session, Replica, self.id, self.token)
        self.closed = True
        self.wake(self.deployment_id)

    async def _stopped_by(self, session: Session) -> str:
        deployment = await session.get_one(Deployment, self.deployment_id)
        if deployment.status in dep.TERMINAL:
            return replica.DEPLOYMENT_ENDED
        return replica.PAUSED if deployment.paused_at is not None else replica.HOST_STOPS


def _is_told(row: Replica, deployment: Deployment) -> bool:
    return row.stop_requested_at is not None or deployment.paused_at is not None or deployment.status in dep.TERMINAL
