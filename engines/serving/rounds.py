"""One look at a deployment's rows and what follows from it, all in one transaction of the host that has its lease.

Everything is decided from the rows alone, so that a round may be broken off, done twice, or done by another host than the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from burnish.kit import clock, ids, stream
from burnish.kit.db import Session
from engines.compute import hardware, hosts
from engines.compute.hardware import Shape
from engines.serving import adopted, swaps
from engines.serving.plan import Plan, Streak, Wanted, plan, streak
from models import billing, events, ledger, replica, rollout, transitions
from models import deployment as dep
from models.deployment import Deployment, DeploymentVersion
from models.replica import Replica

if TYPE_CHECKING:
    from engines.serving.reconcile import DeploymentRun

# Of the replicas that have ended, as many as failures in a row can be.
REMEMBERED = 100
# What no host takes for so long has no room, whatever the hosts announce.
PLACE_S = 30.0
ERROR_LINES = 20
LOOKED_AT_LINES = 500
# Where the platform itself failed, the next try may end otherwise.
RETRIED = (None, "worker_lost")


@dataclass
class Outcome:
    """What a round has found: how many replicas have not ended, which are to be looked at, why the deployment fails, and whether
    it was put aside because it is paused.
    """

    live: int = 0
    touched: list[str] = field(default_factory=list)
    error: str | None = None
    parked: bool = False


class Round:
    """`go` once, within `run.writing()`."""

    def __init__(self, run: "DeploymentRun", session: Session) -> None:
        self.run = run
        self.session = session
        self.now = clock.now()
        self.out = Outcome()
        self.waits = False

    async def go(self) -> Outcome:
        self.row = await self.session.get_one(Deployment, self.run.id, populate_existing=True)
        if self.row.source == dep.ADOPTED:
            await adopted.follow(self)
            await self.session.flush()
            return self.out
        await self._load()
        await self._bury()
        await self._bill()
        if self.row.status in dep.TERMINAL:
            await self._tell_all(replica.DEPLOYMENT_ENDED)
        elif self.row.paused_at is not None:
            await self._tell_all(replica.PAUSED)
            self.out.parked = not self.out.live
        else:
            await self._reconcile()
        await self.session.flush()
        self.run.known = {row.id for row in self.live}
        return self.out

    async def wind_down(self) -> Outcome:
        """Tell all replicas to end, whatever the deployment wants: a limit has ended it."""
        self.row = await self.session.get_one(Deployment, self.run.id, populate_existing=True)
        if self.row.source == dep.ADOPTED:
            return await self.go()
        await self._load()
        await self._bury()
        await self._tell_all(replica.DEPLOYMENT_ENDED)
        await self.session.flush()
        return self.out

    async def _load(self) -> None:
        its = select(Replica).where(Replica.deployment_id == self.run.id).execution_options(populate_existing=True)
        live = its.where(col(Replica.ended_at).is_(None)).order_by(col(Replica.created_at), col(Replica.id))
        self.live = list((await self.session.exec(live)).all())
        ended = its.where(col(Replica.ended_at).is_not(None)).order_by(col(Replica.ended_at).desc()).limit(REMEMBERED)
        self.ended = list((await self.session.exec(ended)).all())
        self.out.live = len(self.live)

    async def _bury(self) -> None:
        """End what no host answers for any more, with its bill as of when its host was last heard of."""
        for row in [row for row in self.live if row.status != replica.PENDING and not row.is_leased]:
            await billing.close(self.session, row)
            row.status, row.ended_at, row.fail_reason = replica.FAILED, self.now, replica.HOST_GONE
            row.lease_holder, row.lease_expires_at, row.lease_token = None, None, row.lease_token + 1
            self.session.add(row)
            await self._event("replica_failed", self._told(row, replica.HOST_GONE), _failed_line(row), level="warning")
            self.live.remove(row)
            self.ended.insert(0, row)
        self.out.live = len(self.live)

    async def _bill(self) -> None:
        """Show what the deployment has cost as soon as a replica has ended."""
        if self.run.known - {row.id for row in self.live}:
            self.row.cost_micros = await ledger.charged(self.session, self.run.id)
            self.session.add(self.row)

    async def _tell_all(self, reason: str) -> None:
        for row in [row for row in self.live if row.stop_requested_at is None]:
            await self._tell(row, reason)
        self.out.live = len(self.live)

    async def _tell(self, row: Replica, reason: str) -> None:
        """Tell a replica to end; one that nobody has taken up has ended with that."""
        row.stop_requested_at, row.stop_reason = self.now, reason
        if row.status == replica.PENDING:
            row.status, row.ended_at = replica.STOPPED, self.now
            self.live.remove(row)
        self.session.add(row)
        self.out.touched.append(row.id)

    # --- towards what is wanted ---

    async def _reconcile(self) -> None:
        version = await rollout.wanted(self.session, self.row)
        row = self.row
        since = row.started_at if row.status != dep.QUEUED and row.started_at is not None else self.run.began
        failures = streak([each for each in self.live + self.ended if each.version == row.version], since)
        if self._is_hopeless(version, failures):
            await self._give_up(version, await self._error(failures))
            return
        refusal = swaps.refusal(version, self.live) if version.status == dep.VERSION_PENDING else None
        if refusal is not None:
            await self._give_up(version, refusal)
            return
        self.out.touched += [each.id for each in await swaps.ask(self.session, version, self.live)]
        found = await hosts.alive(self.session, self.run.settings)
        count = min(max(row.desired_replicas, row.min_replicas), row.max_replicas)
        made = plan(
            Wanted(row.version, count, self._has_room(found), self._may_start(failures)),
            self.live,
            {host.id for host in found if host.draining},
            replica.SCALED_DOWN,
        )
        await self._carry_out(made)
        await self._set_status(count)
        await self._complete(version)

    def _is_hopeless(self, version: DeploymentVersion, failures: Streak) -> bool:
        if failures.last is None:
            return False
        is_new = version.status == dep.VERSION_PENDING
        if not is_new and any(row.status == replica.RUNNING for row in self.live):
            return False
        is_final = is_new and failures.last.fail_code not in RETRIED
        return is_final or failures.count >= self.run.settings.replica_attempts

    async def _give_up(self, version: DeploymentVersion, error: str) -> None:
        """Go back to the version that serves; without one the deployment fails."""
        if version.status != dep.VERSION_PENDING:
            self.out.error = error
            return
        back = await rollout.give_up(self.session, self.row, version, error)
        if back is None:
            self.out.error = error
            return
        told = {"version": version.number, "error": error, "back_to": back.number}
        line = f"Version {version.number} failed, version {back.number} goes on: {error}"
        await self._event("update_failed", told, line, level="error")

    async def _error(self, failures: Streak) -> str:
        last = failures.last
        assert last is not None
        if last.fail_code not in RETRIED:
            return last.fail_reason or ""
        lines = await stream.tail(self.session, self.run.id, "logs", LOOKED_AT_LINES)
        said = [line.data["message"] for line in lines if line.data.get("replica") == last.id and line.data["source"] == "engine"]
        why = f"Its replicas failed {failures.count} times in a row; the last time: {last.fail_reason}"
        return "\n".join([why, *said[-ERROR_LINES:]])

    def _has_room(self, found: Sequence[hosts.HostRoom]) -> bool:
        asked = self.row.gpu_requested
        shape = Shape(hardware.canonical(asked["type"]) or "", asked["count"])
        late = self.now - timedelta(seconds=PLACE_S)
        if any(row.status == replica.PENDING and row.created_at < late for row in self.live):
            return False
        return any(host.has_room(shape) for host in found)

    def _may_start(self, failures: Streak) -> bool:
        if failures.last is None or failures.last.ended_at is None:
            return True
        return clock.seconds_between(failures.last.ended_at, self.now) >= failures.pause_s

    async def _carry_out(self, made: Plan) -> None:
        for row, reason in made.stop:
            await self._tell(row, reason)
        if made.start:
            first = await billing.next_attempt(self.session, self.run.id)
            for number in range(made.start):
                self._start(first + number)
        if made.waits and not self.run.waits_for_room:
            line = f"No host has room for version {self.row.version} beside the replica that serves; the update waits for room"
            await stream.append(self.session, self.run.id, "logs", [events.log_line(line)], attempt=self.run.attempt)
        self.run.waits_for_room = made.waits
        self.out.live = len(self.live)

    def _start(self, attempt: int) -> None:
        row = Replica(
            id=ids.new("rep"),
            account_id=self.run.account_id,
            deployment_id=self.run.id,
            version=self.row.version,
            gpu_requested=self.row.gpu_requested,
            provider_requested=self.row.provider_requested,
            attempt=attempt,
            created_at=self.now,
        )
        self.session.add(row)
        self.live.append(row)
        self.out.touched.append(row.id)

    # --- what is said of it ---

    async def _set_status(self, count: int) -> None:
        row = self.row
        placed = [each for each in (*self.live, *self.ended) if each.gpu is not None and each.created_at >= self.run.began]
        if row.status == dep.QUEUED and placed:
            gpu = placed[0].gpu or {}
            line = f"Status: provisioning, on {gpu['count']} x {gpu['type']}"
            await self.move(dep.PROVISIONING, line, started_at=self.now)
        is_running = any(each.status == replica.RUNNING for each in self.live)
        if is_running and row.status in (dep.PROVISIONING, dep.UNHEALTHY):
            await self.move(dep.SERVING, "Status: serving", serving_since=row.serving_since or self.now)
        elif not is_running and row.status == dep.SERVING and count and not self._is_waking():
            why = self._why_none() or "no replica is running"
            await self.move(dep.UNHEALTHY, f"Status: unhealthy: {why}", level="warning")

    def _is_waking(self) -> bool:
        """Say whether there is no replica because none was wanted."""
        return self._why_none() == replica.SCALED_DOWN

    def _why_none(self) -> str | None:
        """Return why the last one went, which may still end what it has begun."""
        going = [row for row in self.live if row.stop_requested_at is not None]
        last = next(iter([*going, *self.ended]), None)
        return None if last is None else last.fail_reason or last.stop_reason

    async def _complete(self, version: DeploymentVersion) -> None:
        """Note that a new version has taken over: it serves, and what serves an older one has been told to end."""
        going = [row for row in self.live if row.stop_requested_at is None]
        ready = [row for row in going if row.status == replica.RUNNING and row.version == version.number]
        if version.status != dep.VERSION_PENDING or not ready or any(row.version != version.number for row in going):
            return
        await rollout.complete(self.session, self.row, version)
        if version.number > 1:
            told = {"version": version.number, "model": version.model, "checkpoint_id": version.checkpoint_id}
            await self._event("updated", told, f"Version {version.number} serves: {version.model}")

    async def move(self, status: str, line: str, *, level: str = "info", **values: Any) -> None:
        await self.session.flush()
        await transitions.move(self.session, self.row, status, token=self.run.token, line=line, level=level, **values)

    def _told(self, row: Replica, reason: str) -> dict[str, Any]:
        return {"replica_id": row.id, "version": row.version, "reason": reason}

    async def _event(self, kind: str, told: dict[str, Any], line: str, *, level: str = "info") -> None:
        await self.session.flush()
        account_id, attempt = self.row.account_id, self.run.attempt
        await events.record(self.session, account_id, self.run.id, kind, told, attempt=attempt, line=line, level=level)


def _failed_line(row: Replica) -> str:
    return f"Replica {row.id} failed: {row.fail_reason}"
