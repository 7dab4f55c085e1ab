"""The versions of a deployment, as one takes the place of another."""

from sqlalchemy import func
from sqlmodel import select

from burnish.kit import clock, ids
from burnish.kit.db import Session
from models import deployment as dep
from models.deployment import Deployment, DeploymentVersion


async def add(session: Session, row: Deployment) -> None:
    """Record the version that a deployment now wants; those that were not ready yet never will be."""
    now = clock.now()
    waiting = (DeploymentVersion.deployment_id == row.id, DeploymentVersion.status == dep.VERSION_PENDING)
    for earlier in (await session.exec(select(DeploymentVersion).where(*waiting))).all():
        earlier.status, earlier.ended_at = dep.VERSION_REPLACED, now
        session.add(earlier)
    session.add(
        DeploymentVersion(
            id=ids.new("dver"),
            account_id=row.account_id,
            deployment_id=row.id,
            number=row.version,
            model=row.model,
            source=row.source,
            checkpoint_id=row.checkpoint_id,
            revision=row.revision,
            created_at=now,
        )
    )
    await session.flush()


async def next_number(session: Session, deployment_id: str) -> int:
    """Return the number of a deployment's next version."""
    newest = select(func.max(DeploymentVersion.number)).where(DeploymentVersion.deployment_id == deployment_id)
    return int((await session.exec(newest)).one() or 0) + 1
