"""The versions of a deployment, as one takes the place of another."""

from sqlalchemy import func
from sqlmodel import col, select

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


async def wanted(session: Session, row: Deployment) -> DeploymentVersion:
    """Return the version that a deployment wants."""
    its = (DeploymentVersion.deployment_id == row.id, DeploymentVersion.number == row.version)
    return (await session.exec(select(DeploymentVersion).where(*its))).one()


async def complete(session: Session, row: Deployment, version: DeploymentVersion) -> None:
    """Note that a version serves, and that it has taken the place of the one before."""
    now = clock.now()
    before = (DeploymentVersion.deployment_id == row.id, DeploymentVersion.status == dep.VERSION_SERVING)
    for earlier in (await session.exec(select(DeploymentVersion).where(*before))).all():
        earlier.status, earlier.ended_at = dep.VERSION_REPLACED, now
        session.add(earlier)
    version.status, version.serving_at = dep.VERSION_SERVING, now
    session.add(version)
    await session.flush()


async def give_up(session: Session, row: Deployment, version: DeploymentVersion, error: str) -> DeploymentVersion | None:
    """Note that a version did not get ready and return to the one that serves; None, with the deployment's own columns as they
    are, where none does.
    """
    version.status, version.error, version.ended_at = dep.VERSION_FAILED, error, clock.now()
    session.add(version)
    before = (DeploymentVersion.deployment_id == row.id, DeploymentVersion.status == dep.VERSION_SERVING)
    newest = select(DeploymentVersion).where(*before).order_by(col(DeploymentVersion.number).desc())
    found = (await session.exec(newest)).first()
    if found is not None:
        row.model, row.source, row.checkpoint_id = found.model, found.source, found.checkpoint_id
        row.revision, row.version = found.revision, found.number
        session.add(row)
    await session.flush()
    return found
