"""The meters of a deployment's replicas: each is billed from its placement to its end, and no further than its host is known to
have worked.
"""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit.db import Session
from models import ledger
from models.books import Meter
from models.deployment import Deployment
from models.replica import Replica


async def post(session: Session, deployment_id: str) -> None:
    """Post what the running replicas have used up to when each was last heard of: what a host that is gone then did no more
    must not have been billed. The caller holds the deployment's row lock.
    """
    for row in await _metered(session, deployment_id):
        if row.lease_renewed_at is not None:
            await ledger.accrue(
                session, deployment_id, row.lease_renewed_at, description=words(deployment_id), attempt=row.attempt
            )


async def settle(session: Session, deployment: Deployment) -> int:
    """End the billing of all replicas and release what is held for them; return what the deployment has cost. The caller holds
    its row lock.
    """
    for row in await _metered(session, deployment.id):
        until = row.at_work_until
        await ledger.accrue(session, deployment.id, until, description=words(deployment.id), attempt=row.attempt, close=True)
    # What has no live replica: the host of both is gone.
    await ledger.accrue(session, deployment.id, deployment.at_work_until, description=words(deployment.id), close=True)
    await ledger.release(session, deployment.id)
    return await ledger.charged(session, deployment.id)


async def close(session: Session, row: Replica) -> None:
    """End the billing of one replica where its holder is known to have worked last."""
    what = words(row.deployment_id)
    await ledger.accrue(session, row.deployment_id, row.at_work_until, description=what, attempt=row.attempt, close=True)


async def close_strays(session: Session, deployment_id: str, until: datetime) -> None:
    """End, at a moment, the meters that belong to no live replica."""
    known = {row.attempt for row in await _metered(session, deployment_id)}
    open_ones = select(Meter.attempt).where(Meter.resource_id == deployment_id, col(Meter.closed).is_(False))
    for attempt in (await session.exec(open_ones)).all():
        if attempt not in known:
            await ledger.accrue(session, deployment_id, until, description=words(deployment_id), attempt=attempt, close=True)


async def next_attempt(session: Session, deployment_id: str) -> int:
    """Return the number of the next meter of a deployment."""
    metered = select(func.max(Meter.attempt)).where(Meter.resource_id == deployment_id)
    made = select(func.max(Replica.attempt)).where(Replica.deployment_id == deployment_id)
    return 1 + max([(await session.exec(most)).one() or 0 for most in (metered, made)])


def words(deployment_id: str) -> str:
    """Return what the ledger calls the charges of a deployment."""
    return f"Deployment {deployment_id}"


async def _metered(session: Session, deployment_id: str) -> list[Replica]:
    live = (Replica.deployment_id == deployment_id, col(Replica.ended_at).is_(None), col(Replica.lease_holder).is_not(None))
    statement = select(Replica).where(*live).order_by(col(Replica.attempt)).execution_options(populate_existing=True)
    return list((await session.exec(statement)).all())
