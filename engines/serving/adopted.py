"""Looking after an adopted deployment: a server that runs elsewhere and that we neither start nor stop.

It has one row among the replicas, which no host runs: its status follows what the server answers, so that the gateway routes to
it as to any other. It is `running` while it answers, `warming` while it does not, and costs nothing.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import structlog
from sqlmodel import col, select

from burnish.kit import clock, ids
from engines.serving.upstream import Unanswered, Upstream
from models import deployment as dep
from models import replica, rollout
from models.deployment import Deployment
from models.replica import Replica

if TYPE_CHECKING:
    from engines.serving.reconcile import DeploymentRun
    from engines.serving.rounds import Round

log = structlog.get_logger(__name__)
ENGINE = "external"
LOOK_EVERY_S = 2.0
# In between it is enough that it lists its models: each proof makes a token, which its owner may pay for.
PROVE_EVERY_S = 60.0
MISSES = 2


@dataclass(frozen=True)
class Seen:
    """How the server was when it was asked last; `wrong` is null where it answered."""

    wrong: str | None


async def upstream_of(run: "DeploymentRun") -> tuple[Upstream, str] | None:
    """Return the server of an adopted deployment and the model's name there; None for any other deployment."""
    async with run.core.db.read() as session:
        row = await session.get_one(Deployment, run.id)
    if row.source != dep.ADOPTED:
        return None
    sealed = row.sealed_upstream_key
    key = None if sealed is None else run.core.secrets.decrypt(sealed, row.id)
    return Upstream(row.upstream_url or "", key), row.upstream_model or row.model


async def watch(run: "DeploymentRun") -> None:
    """Ask the server of an adopted deployment for ever, and have what it answers looked at; return at once for any other."""
    try:
        found = await upstream_of(run)
    except ValueError:
        # Sealed by a key that is gone.
        run.upstream = Seen("its API key cannot be opened any more")
        return run.look()
    if found is None:
        return
    upstream, model = found
    proved_at, misses = 0.0, 0
    async with httpx2.AsyncClient(trust_env=False) as client:
        while True:
            now = asyncio.get_running_loop().time()
            healthy = run.upstream is not None and run.upstream.wrong is None
            try:
                if not healthy or now - proved_at >= PROVE_EVERY_S:
                    await upstream.prove(client, model)
                    proved_at = now
                else:
                    await upstream.models(client)
                misses, run.upstream = 0, Seen(None)
            except Unanswered as error:
                misses += 1
                if not healthy or misses >= MISSES:
                    run.upstream = Seen(str(error))
            run.look()
            await asyncio.sleep(LOOK_EVERY_S)


async def follow(turn: "Round") -> None:
    """Make the rows say what the server answered last; part of a round, whose transaction it is in."""
    row, session = turn.row, turn.session
    its = select(Replica).where(Replica.deployment_id == row.id, col(Replica.ended_at).is_(None))
    server = (await session.exec(its.execution_options(populate_existing=True))).first()
    if row.status in dep.TERMINAL or row.paused_at is not None:
        if server is not None:
            _end(server, replica.PAUSED if row.paused_at is not None else replica.DEPLOYMENT_ENDED)
            session.add(server)
        turn.out.parked = row.paused_at is not None and row.status not in dep.TERMINAL
        return
    server = server or _begin(turn)
    seen = turn.run.upstream
    if seen is not None:
        _mark(server, seen, turn)
    session.add(server)
    await _move(turn, server, seen)


def _begin(turn: "Round") -> Replica:
    row = turn.row
    return Replica(
        id=ids.new("rep"),
        account_id=row.account_id,
        deployment_id=row.id,
        version=row.version,
        status=replica.WARMING,
        gpu_requested=row.gpu_requested,
        rate_micros_per_hour=0,
        engine=ENGINE,
        url=row.upstream_url,
        served_name=row.upstream_model,
        created_at=turn.now,
    )


def _end(server: Replica, reason: str) -> None:
    now = clock.now()
    server.status, server.stop_reason, server.ended_at = replica.STOPPED, reason, now
    server.stop_requested_at = server.stop_requested_at or now


def _mark(server: Replica, seen: Seen, turn: "Round") -> None:
    server.fail_reason = seen.wrong
    if seen.wrong is None:
        server.status, server.last_health_at = replica.RUNNING, turn.now
        server.ready_at = server.ready_at or turn.now
    else:
        server.status = replica.WARMING


async def _move(turn: "Round", server: Replica, seen: Seen | None) -> None:
    row = turn.row
    if row.status == dep.QUEUED:
        await turn.move(dep.PROVISIONING, f"Status: provisioning, {row.upstream_url} is asked", started_at=turn.now)
    if server.status == replica.RUNNING and row.status in (dep.PROVISIONING, dep.UNHEALTHY):
        await turn.move(dep.SERVING, "Status: serving", serving_since=row.serving_since or turn.now)
        version = await rollout.wanted(turn.session, row)
        if version.status == dep.VERSION_PENDING:
            await rollout.complete(turn.session, row, version)
    elif seen is not None and seen.wrong is not None and row.status == dep.SERVING:
        await turn.move(dep.UNHEALTHY, f"Status: unhealthy: {seen.wrong}", level="warning")
