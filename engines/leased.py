"""What every piece of leased work does: hold its lease, buffer its output, pay its way, notice that the user has ended it.

Subclasses are `engines.jobs.JobRun`, `engines.serving.reconcile.DeploymentRun`, `engines.serving.replica_run.ReplicaRun`,
`engines.bulk.batch_run.BatchRun` and `engines.evals.evaluation_run.EvaluationRun`.
Every write begins with the lease, so that a host that was paused past its lease writes nothing when it wakes: `LeaseLost` ends
the run and its child.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar

import structlog
from sqlalchemy import or_
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from burnish.kit import clock, stream
from burnish.kit.core import Core
from burnish.kit.db import Session
from engines import protocol
from engines.compute.local import Inventory, Placement
from engines.spending import Purse
from models import events, leases, ledger
from models.leases import LeaseLost

log = structlog.get_logger(__name__)
FLUSH_S = 0.05
WATCH_S = 1.0
MAX_BUFFERED = 500


class LeasedRun:
    """One resource that this host works on. `run()` returns when the host has nothing more to do for it.

    `wake` has the host look at another resource now, where this run has changed what is to be done there.
    """

    table: ClassVar[type[Any]]
    noun: ClassVar[str]
    streams: ClassVar[tuple[str, ...]]
    terminal: ClassVar[tuple[str, ...]]
    # What follows in the log when a limit ends the work.
    last_words: ClassVar[str]
    # Whether it looks after the money of its resource.
    pays: ClassVar[bool] = True
    # Whether there is work left when the resource has ended.
    lingers: ClassVar[bool] = False
    # Whether it needs hardware of the host, or only looks after what runs elsewhere.
    takes_room: ClassVar[bool] = True

    def __init__(
        self,
        core: Core,
        inventory: Inventory,
        resource_id: str,
        holder: str,
        placement: Placement,
        wake: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.core = core
        self.settings = core.settings
        self.inventory = inventory
        self.id = resource_id
        self.holder = holder
        self.placement = placement
        self.wake = wake
        self.token = 0
        self.attempt = 0
        self.account_id = ""
        self.heard_of: datetime | None = None
        self.ended = asyncio.Event()
        self.limited = asyncio.Event()
        self.halted = asyncio.Event()
        self.closed = False
        self.drained = False
        self.purse = Purse(self)
        self._looked = asyncio.Event()
        self._buffers: dict[str, list[stream.Data]] = {}
        self._waiting = 0
        self._unpacked: dict[str, tuple[int, int]] = {}
        self._buffered = asyncio.Event()
        self._room = asyncio.Condition()
        self._flush_lock = asyncio.Lock()

    # --- the life of a run ---

    @classmethod
    def offered(cls) -> tuple[Any, ...]:
        """Return what holds of the rows that a host may take up: open ones without a live lease, and ended ones whose holder died
        before it had said all.
        """
        free = or_(col(cls.table.lease_expires_at).is_(None), col(cls.table.lease_expires_at) <= clock.now())
        return free, or_(col(cls.table.status).not_in(cls.terminal), col(cls.table.lease_holder).is_not(None))

    async def run(self) -> None:
        """Take the lease, work, and give it back; a lease that another has is left alone."""
        try:
            if await self._claim():
                await self._hold()
        except LeaseLost:
            log.warning("lease_lost", resource=self.id, token=self.token)
        finally:
            self.inventory.give_back(self.id)
        if self.closed:
            await self.pack()

    def look(self) -> None:
        """Look at the resource's status now rather than at the next beat."""
        self._looked.set()

    def halt(self, *, drained: bool = False) -> None:
        """Put the work down because the host is stopping or, with time to save what there is, because it is being drained."""
        self.drained = self.drained or drained
        self.halted.set()

    @property
    def saving_s(self) -> float:
        """How long the work may save what it has before it is ended."""
        if self.halted.is_set():
            return self.settings.save_grace_s if self.drained else 0.0
        return 0.0 if self.purse.limit is None else self.purse.limit.seconds

    @property
    def why_halted(self) -> str:
        return "The host is being drained" if self.drained else "The host is stopping"

    async def work(self) -> None:
        """Do the work itself; runs beside the heartbeat, and is cancelled when the lease is lost."""
        raise NotImplementedError

    async def fail(self, failure: protocol.ChildFailure) -> None:
        """End the resource as failed, with its final billing, and give the lease back."""
        raise NotImplementedError

    async def on_claim(self, session: Session, row: Any) -> bool:
        """Record that this host begins, in the transaction that took the lease; False where there is nothing to do."""
        raise NotImplementedError

    async def before_claim(self, session: Session) -> None:
        """Lock what has to be locked before the row itself."""

    async def _claim(self) -> bool:
        async with self.core.db.transaction() as session:
            await self.before_claim(session)
            before = await session.get_one(self.table, self.id)
            self.heard_of = before.lease_renewed_at
            token = await leases.take(session, self.table, self.id, self.holder, self.settings.lease_s)
            if token is None:
                return False
            row = await session.get_one(self.table, self.id, populate_existing=True)
            self.token, self.account_id, self.attempt = token, row.account_id, row.attempt
            if row.status in self.terminal and not self.lingers:
                await self._close(session, row.status)
                return False
            return await self.on_claim(session, row)

    async def _hold(self) -> None:
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._flush_forever())]
        worker = asyncio.create_task(self.work())
        try:
            await asyncio.wait([worker, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (worker, *tasks):
                task.cancel()
            results = await asyncio.gather(worker, *tasks, return_exceptions=True)
        failed = [result for result in results if isinstance(result, Exception)]
        if self.closed:
            # The beat may have found the lease given back already.
            failed = [error for error in failed if not isinstance(error, LeaseLost)]
        if any(isinstance(error, LeaseLost) for error in failed):
            raise LeaseLost(self.id)
        if failed:
            log.error("run_failed", resource=self.id, exc_info=failed[0])
            if any(isinstance(error, DBAPIError) for error in failed):
                raise failed[0]
            # Left alone it would be taken up again for ever, and billed each time.
            await self.fail(ours(failed[0]))

    # --- writing ---

    @property
    def stream_id(self) -> str:
        """Whose streams it writes."""
        return self.id

    @property
    def stream_attempt(self) -> int:
        """The attempt of the resource whose streams it writes."""
        return self.attempt

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Session]:
        """Open a transaction that holds the row's lock and proves the lease."""
        async with self.core.db.transaction() as session:
            await leases.guard(session, self.table, self.id, self.token)
            yield session

    async def put(self, kind: str, row: stream.Data) -> None:
        """Buffer a row of one of the resource's streams; blocks while the database is behind, and so, in the end, the child."""
        if self._waiting >= MAX_BUFFERED:
            async with self._room:
                await self._room.wait_for(lambda: self._waiting < MAX_BUFFERED)
        self._waiting += 1
        self._buffers.setdefault(kind, []).append(row)
        self._buffered.set()

    async def say(self, message: str, *, level: str = "info", source: str = "platform") -> None:
        await self.put("logs", events.log_line(message, level=level, source=source))

    async def flush(self) -> None:
        """Write what is buffered, in one transaction, to its end: what was committed while its writer was cancelled would be
        written twice.
        """
        writing = asyncio.create_task(self._flush())
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.gather(writing, return_exceptions=True)
            raise

    async def _flush(self) -> None:
        async with self._flush_lock:
            buffers, self._buffers, self._waiting = self._buffers, {}, 0
            try:
                await self._write(buffers)
            except BaseException:
                later, self._buffers = self._buffers, buffers
                for kind, rows in later.items():
                    self._buffers.setdefault(kind, []).extend(rows)
                self._waiting = sum(map(len, self._buffers.values()))
                raise
        async with self._room:
            self._room.notify_all()

    async def _write(self, buffers: dict[str, list[stream.Data]]) -> None:
        if not buffers:
            return
        async with self.writing() as session:
            await self.on_flush(session, buffers)
            for kind, rows in buffers.items():
                await stream.append(session, self.stream_id, kind, rows, attempt=self.stream_attempt)
        for kind, rows in buffers.items():
            if kind not in self.streams:
                continue
            count, chunks = self._unpacked.get(kind, (0, 0))
            self._unpacked[kind] = count + len(rows), chunks + 1

    async def on_flush(self, session: Session, buffers: dict[str, list[stream.Data]]) -> None:
        """Bring the resource's own columns up to date with what is about to be written."""

    async def pack(self) -> None:
        """Pack all streams of a resource that has ended, now that nothing waits for it."""
        for kind in self.streams:
            await stream.pack(self.core.db, self.id, kind, ended=True)

    async def _pack_long(self) -> None:
        """Pack the streams that have grown by enough small chunks, while the run goes on."""
        for kind, (count, chunks) in list(self._unpacked.items()):
            if count >= stream.COMPACT_ROWS or chunks >= stream.MERGE_CHUNKS:
                await stream.pack(self.core.db, self.id, kind)
                self._unpacked[kind] = (0, 0)

    async def _flush_forever(self) -> None:
        while True:
            await self._buffered.wait()
            self._buffered.clear()
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
                await self._pack_long()
            except DBAPIError as error:
                log.warning("database_unreachable", resource=self.id, error=str(error.orig))
                await asyncio.sleep(WATCH_S)
                self._buffered.set()

    # --- the heartbeat ---

    async def _beat(self) -> None:
        """Renew the lease, post what was used, and look whether the user has ended the resource."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        if self.pays:
            self.purse.begin(renewed)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._looked.wait(), WATCH_S)
            self._looked.clear()
            try:
                if loop.time() - renewed >= self.settings.lease_s / 3 - WATCH_S:
                    await self._renew()
                    renewed = loop.time()
                await self._watch()
                if self.pays and not self.ended.is_set():
                    await self.purse.tick(loop.time())
                if self.purse.limit is not None:
                    self.limited.set()
            except DBAPIError as error:
                # A database that is away for a moment costs nothing; away for longer than the lease, it may have given the work
                # away.
                log.warning("database_unreachable", resource=self.id, error=str(error.orig))
                if loop.time() - renewed >= self.settings.lease_s:
                    raise LeaseLost(self.id) from error

    async def _renew(self) -> None:
        async with self.core.db.transaction() as session:
            await leases.renew(session, self.table, self.id, self.token, self.settings.lease_s)

    async def _watch(self) -> None:
        if self.ended.is_set():
            return
        async with self.core.db.read() as session:
            row = await session.get_one(self.table, self.id)
        if row.status in self.terminal:
            self.ended.set()

    # --- ends ---

    @property
    def description(self) -> str:
        return f"{self.noun} {self.id}"

    async def start_meter(self, session: Session, row: Any) -> None:
        """Close the meter of a former holder at the moment it was last heard of, and begin this attempt's."""
        await ledger.accrue(session, self.id, self.heard_of or clock.now(), description=self.description, close=True)
        shape = self.placement.shape
        await ledger.start_meter(
            session,
            self.account_id,
            self.id,
            self.attempt,
            self.placement.rate_micros_per_hour,
            clock.now(),
            provider=row.provider,
            gpu_type=shape.type,
            gpu_count=shape.count,
        )

    async def accrue(self, session: Session) -> None:
        """Post what was used until now; the caller holds the account's lock."""
        await ledger.accrue(session, self.id, clock.now(), description=self.description)

    async def settle(self, session: Session, *, refund: bool) -> int:
        """End the billing and release the hold; return what the resource has cost. A failure of ours costs nothing."""
        await ledger.accrue(session, self.id, clock.now(), description=self.description, close=True)
        if refund:
            await ledger.refund(session, self.account_id, self.id, description=f"{self.description}: refunded")
        await ledger.release(session, self.id)
        return await ledger.charged(session, self.id)

    async def close(self, reason: str) -> None:
        """End the streams and give the lease back, once everything has been said."""
        await self.flush()
        async with self.writing() as session:
            await self._close(session, reason)

    async def _close(self, session: Session, reason: str) -> None:
        await stream.end(session, self.id, self.streams, reason)
        await leases.release(session, self.table, self.id, self.token)
        self.closed = True

    async def hand_over(self, line: str) -> None:
        """Give the lease back with the work undone: another host, or this one after its restart, goes on at once."""
        await self.say(line)
        await self.flush()
        async with self.writing() as session:
            await self.stop_meter(session)
            await leases.release(session, self.table, self.id, self.token)

    async def stop_meter(self, session: Session) -> None:
        """End this host's part of the billing."""
        await ledger.accrue(session, self.id, clock.now(), description=self.description, close=True)


def ours(error: Exception) -> protocol.ChildFailure:
    """Return what a caller is told of an error that is not theirs; the log has the rest."""
    message = f"The platform failed while it worked on this ({type(error).__name__}); its log says more."
    return protocol.ChildFailure("worker_lost", message, "platform")


async def first(*happened: asyncio.Event) -> None:
    """Return once any of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in happened]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
