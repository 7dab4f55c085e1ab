"""Scaling a deployment that serves: each sample of its load is put to the rule, and what it decides is written with its reason.

All that it goes by is in the database, what was wanted before among it, so that another host goes on where this one was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit import clock, stream
from burnish.kit.db import Session
from burnish.kit.stream import Row
from engines.serving import stats
from engines.serving.autoscale import Autoscaler, Decision, Load, Rule
from engines.serving.demand import Demand
from models import deployment as dep
from models import events, replica
from models.deployment import Deployment
from models.replica import Replica

if TYPE_CHECKING:
    from engines.leased import LeasedRun


@dataclass(frozen=True)
class _Fleet:
    """How many replicas answer, when the newest of all became ready, and until when one answered."""

    ready: int
    ready_at: datetime | None
    answered_at: datetime | None


class Scaling:
    """The scaling of the deployment that `run` has the lease of. `asleep` says that it waits for a request to wake it."""

    def __init__(self, run: "LeasedRun") -> None:
        self._run = run
        self._rule: Autoscaler | None = None
        self._demand = Demand()
        self._seq = 0
        self.asleep = False

    async def consider(self, taken: stats.Taken) -> int | None:
        """Decide after a sample; return how many replicas its load wants, None while the deployment is not scaled."""
        run = self._run
        async with run.core.db.read() as session:
            row = await session.get_one(Deployment, run.id)
            fleet = await _fleet(session, run.id)
            if self._rule is None:
                self._rule = Autoscaler(await _wanted(session, row))
        self._add(taken)
        self.asleep = is_scaled(row) and row.desired_replicas == 0
        if not is_scaled(row):
            return None
        load = self._demand.load(
            since_s=fleet.ready_at.timestamp() if fleet.ready_at else 0.0,
            target_ms=row.target_latency_p95_ms,
            woken=_is_woken(row, fleet),
        )
        decision = self._rule.decide(taken.at.timestamp(), row.desired_replicas, fleet.ready, load, _rule(row))
        if decision.changes:
            await self._write(decision, load)
        return decision.wanted

    def _add(self, taken: stats.Taken) -> None:
        # A sample that could not be written is taken again, with the same requests.
        fresh = [row.data for row in taken.requests if row.seq > self._seq]
        self._seq = max([self._seq, *(row.seq for row in taken.requests)])
        self._demand.add(taken.at.timestamp(), fresh, _in_flight(taken), answers=taken.engines is None or bool(taken.engines))

    async def _write(self, decision: Decision, load: Load) -> None:
        run = self._run
        async with run.writing() as session:
            row = await session.get_one(Deployment, run.id, populate_existing=True)
            if not is_scaled(row) or row.desired_replicas != decision.current:
                # It was decided of what is no more; the next sample decides anew.
                return
            row.desired_replicas, row.updated_at = decision.desired, clock.now()
            session.add(row)
            await session.flush()
            line = f"Scaled {decision.reason}"
            told = _told(decision, load)
            await events.record(session, row.account_id, row.id, "scaled", told, attempt=run.attempt, line=line)
        self.asleep = decision.desired == 0
        run.look()


def is_scaled(row: Deployment) -> bool:
    """Say whether the rule has a say: only of replicas of ours, once one has proved that it can serve."""
    is_active = row.status in dep.ACTIVE and row.paused_at is None
    return is_active and row.serving_since is not None and row.source != dep.ADOPTED


def _rule(row: Deployment) -> Rule:
    return Rule(row.min_replicas, row.max_replicas, row.target_rps, row.target_latency_p95_ms, float(row.stabilisation_window_s))


def _told(decision: Decision, load: Load) -> dict[str, Any]:
    return {
        "from": decision.current,
        "to": decision.desired,
        "reason": decision.reason,
        "rps": round(load.rps, 3),
        "p95_ms": load.p95_ms,
        "requests": load.requests,
        "by_rps": decision.by_rps,
        "by_latency": decision.by_latency,
    }


def _is_woken(row: Deployment, fleet: _Fleet) -> bool:
    """Say whether a request has found no replica since one answered last; one that has answered since then is what it wanted."""
    if fleet.ready or row.wake_requested_at is None:
        return False
    return fleet.answered_at is None or row.wake_requested_at > fleet.answered_at


def _in_flight(taken: stats.Taken) -> int | None:
    """Return how many requests the engines have under way; None where one does not say."""
    if taken.engines is None or any(one.running is None for one in taken.engines):
        return None
    return sum(one.outstanding for one in taken.engines)


async def _fleet(session: Session, deployment_id: str) -> _Fleet:
    its = (col(Replica.deployment_id) == deployment_id, col(Replica.ready_at).is_not(None))
    answers = (col(Replica.status) == replica.RUNNING, col(Replica.stop_requested_at).is_(None))
    ready = (await session.exec(select(func.count(col(Replica.id))).where(*its, *answers))).one()
    until = func.max(func.coalesce(col(Replica.stop_requested_at), col(Replica.ended_at)))
    ready_at, answered_at = (await session.exec(select(func.max(col(Replica.ready_at)), until).where(*its))).one()
    return _Fleet(ready, ready_at, answered_at)


async def _wanted(session: Session, row: Deployment) -> Sequence[tuple[float, int]]:
    """Return what was wanted within the window, as the samples remember it."""
    count = math.ceil(row.stabilisation_window_s / stats.EVERY_S) + 1
    found: list[Row] = await stream.tail(session, row.id, "stats", count)
    told = [(datetime.fromisoformat(each.data["at"]).timestamp(), each.data.get("replicas_wanted")) for each in found]
    return [(at_s, wanted) for at_s, wanted in told if wanted is not None]
