"""Keeping a deployment true: as many replicas as are wanted, of the version that is wanted, until the user stops it.

One host looks after a deployment; its replicas run wherever there is room. It needs no hardware itself, and everything that it
does follows from the rows (`engines.serving.rounds`), so that another host can go on at any point.
"""

import asyncio
import contextlib
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, or_

from burnish.kit import clock, stream
from burnish.kit.db import Session
from engines import protocol
from engines.leased import LeasedRun, first
from engines.serving import adopted, replica_run, stats
from engines.serving.rounds import Outcome, Round
from engines.serving.scaling import Scaling
from models import billing, leases, transitions
from models import deployment as dep
from models.deployment import Deployment

log = structlog.get_logger(__name__)
ROUND_S = 1.0
# Rows come each quarter of a second while a deployment is asked, for as long as it serves.
COMPACT_EVERY_S = 60.0
# What a replica needs beside its deadline until it has gone.
LEAVE_S = 15.0


class DeploymentRun(LeasedRun):
    """One host's work on one deployment: `known` are the replicas that the last round left, `began` is when this host began."""

    table = Deployment
    noun = "Deployment"
    streams = dep.STREAMS
    terminal = dep.TERMINAL
    last_words = "It is stopped."
    # Its replicas end what they have begun, and say so.
    lingers = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known: set[str] = set()
        self.began = clock.now()
        self.waits_for_room = False
        self.upstream: adopted.Seen | None = None
        self.touched: list[str] = []
        self.found = Outcome(live=1)
        self.scaling = Scaling(self)
        self._sampler: stats.Sampler | None = None
        self._due = asyncio.Event()

    @classmethod
    def offered(cls) -> tuple[Any, ...]:
        # One that is paused is left alone, unless its host died before it had put it aside.
        at_rest = or_(col(Deployment.paused_at).is_(None), col(Deployment.lease_holder).is_not(None))
        return (*super().offered(), at_rest)

    async def on_claim(self, session: Session, row: Deployment) -> bool:
        if row.status in dep.TERMINAL:
            self.ended.set()
            return True
        row.attempt += 1
        self.attempt = row.attempt
        session.add(row)
        await session.flush()
        await billing.close_strays(session, row.id, self.heard_of or clock.now())
        # At once: what is left of its replicas is known before anybody reads that this host has it.
        self.touched = (await Round(self, session).go()).touched
        return True

    def look(self) -> None:
        super().look()
        self._due.set()
        if self._sampler is not None and self.scaling.asleep:
            self._sampler.hurry()

    # --- the loop ---

    async def work(self) -> None:
        compacting = asyncio.create_task(self._compact_forever())
        watching = asyncio.create_task(adopted.watch(self))
        try:
            async with stats.sampling(self.core.db, self.id, partial(self.put, "stats"), self.scaling.consider) as sampler:
                self._sampler = sampler
                found = await self._keep_true()
                if found.parked:
                    return
                if self._hands_over() and found.error is None:
                    return await self.hand_over("The host is stopping; the deployment goes on when it is back")
                await self._conclude(found.error)
                await sampler.finish()
            await self.close(await self._status())
        finally:
            for task in (compacting, watching):
                task.cancel()
            await asyncio.gather(compacting, watching, return_exceptions=True)

    async def _keep_true(self) -> Outcome:
        """Do rounds until the deployment has ended, fails, is put aside, or the host stops."""
        found = Outcome()
        self._wake(self.touched)
        while not self._told_to_end():
            self._due.clear()
            found = await self._try_round()
            if found.parked or found.error is not None:
                break
            await self._pause()
        return found

    async def _try_round(self, *, wind_down: bool = False) -> Outcome:
        """Do a round; one that the database did not let through has found what the last did, and the next does it again."""
        try:
            self.found = await self._round(wind_down=wind_down)
        except DBAPIError as error:
            # The heartbeat says when it was away for so long that another host may have the deployment.
            log.warning("database_unreachable", resource=self.id, error=str(error.orig))
        return self.found

    async def _round(self, *, wind_down: bool = False) -> Outcome:
        async with self.writing() as session:
            turn = Round(self, session)
            found = await (turn.wind_down() if wind_down else turn.go())
            if found.parked:
                # In the same transaction: whoever resumes it finds nobody at work.
                await leases.release(session, Deployment, self.id, self.token)
        self._wake(found.touched)
        return found

    def _wake(self, replica_ids: list[str]) -> None:
        for replica_id in replica_ids:
            self.wake(replica_id)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first(self._due, self.ended, self.halted, self.limited), ROUND_S)

    def _told_to_end(self) -> bool:
        return self.ended.is_set() or self.halted.is_set() or self.limited.is_set()

    def _hands_over(self) -> bool:
        return self.halted.is_set() and not self.ended.is_set()

    # --- ends ---

    async def _conclude(self, error: str | None) -> None:
        """End the deployment and wait for its replicas to end what they have begun."""
        if error is not None:
            await self._end(dep.FAILED, error, "error")
        await self._wind_down()
        if self.purse.limit is not None and error is None:
            await self._end(dep.STOPPED, f"QUOTA_EXCEEDED: {self.purse.limit.message}", "warning")

    async def _wind_down(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + replica_run.SETTLE_S + self.settings.drain_s + LEAVE_S
        while loop.time() < deadline:
            self._due.clear()
            if not (await self._try_round(wind_down=True)).live:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), ROUND_S)

    async def _status(self) -> str:
        async with self.core.db.read() as session:
            return (await session.get_one(Deployment, self.id)).status

    async def fail(self, failure: protocol.ChildFailure) -> None:
        await self._end(dep.FAILED, f"{failure.code}: {failure.message}", "error")
        await self.close(await self._status())

    async def _end(self, status: str, error: str, level: str) -> None:
        """Move the deployment to its end with its final billing; one that the user has ended keeps its end."""
        await self.flush()
        async with self.writing() as session:
            row = await session.get_one(Deployment, self.id, with_for_update=True, populate_existing=True)
            if row.status in self.terminal:
                return
            cost = await self.settle(session, refund=False)
            values: dict[str, Any] = {"error": error, "stopped_at": clock.now(), "cost_micros": cost}
            line = f"Status: {status}: {error}"
            await transitions.move(session, row, status, token=self.token, line=line, level=level, **values)

    # --- its money and its streams ---

    async def accrue(self, session: Session) -> None:
        await billing.post(session, self.id)

    async def settle(self, session: Session, *, refund: bool) -> int:
        return await billing.settle(session, await session.get_one(Deployment, self.id))

    async def stop_meter(self, session: Session) -> None:
        """Its replicas end their own."""

    async def _compact_forever(self) -> None:
        """Merge the small chunks of the streams while they grow, those that the gateways write among them."""
        while True:
            await asyncio.sleep(COMPACT_EVERY_S)
            try:
                for kind in self.streams:
                    await stream.pack(self.core.db, self.id, kind)
            except DBAPIError as error:
                log.warning("database_unreachable", resource=self.id, error=str(error.orig))
