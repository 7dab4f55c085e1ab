"""Which replicas can take a new version over while they run: those with an adapter, where the new one is of the same base."""

from collections.abc import Sequence

from sqlmodel import col, select

from burnish.kit.db import Session
from models import replica
from models.deployment import DeploymentVersion
from models.job import Checkpoint, Job
from models.replica import Replica

# What an adapter goes on top of: a model's name and its commit.
Base = tuple[str, str | None]


async def ask(session: Session, version: DeploymentVersion, live: Sequence[Replica]) -> list[Replica]:
    """Ask every replica that can to take over the version that is wanted; return those whose rows have changed.

    What was asked of one for another version is asked no more.
    """
    stale = [row for row in live if row.swap_version not in (None, version.number)]
    for row in stale:
        row.swap_version = None
    able = [row for row in live if _is_able(row, version.number)]
    bases = await _bases(session, version, able) if able else {}
    wanted = bases.get(version.number)
    asked = [row for row in able if wanted is not None and bases.get(row.version) == wanted]
    for row in asked:
        row.swap_version, row.swap_error = version.number, None
    changed = {row.id: row for row in (*stale, *asked)}
    session.add_all(changed.values())
    return list(changed.values())


def refusal(version: DeploymentVersion, live: Sequence[Replica]) -> str | None:
    """Return why nobody should serve a version, where a replica that was asked to take it over has found out."""
    return next((row.swap_error for row in live if row.swap_refused == version.number and row.swap_error), None)


def _is_able(row: Replica, number: int) -> bool:
    serves = row.status == replica.RUNNING and row.stop_requested_at is None and row.served_name is not None
    return serves and row.version != number and number not in (row.swap_version, row.swap_refused)


async def _bases(session: Session, version: DeploymentVersion, rows: Sequence[Replica]) -> dict[int, Base]:
    """Return the base of each version that is wanted or served here, by its number; those without an adapter are left out."""
    numbers = {version.number, *(row.version for row in rows)}
    statement = (
        select(DeploymentVersion.number, Job.base_model, Job.base_revision)
        .join(Checkpoint, col(Checkpoint.id) == DeploymentVersion.checkpoint_id)
        .join(Job, col(Job.id) == Checkpoint.job_id)
        .where(DeploymentVersion.deployment_id == version.deployment_id, col(DeploymentVersion.number).in_(numbers))
        .where(col(Checkpoint.adapter_rank).is_not(None))
    )
    return {number: (name, revision) for number, name, revision in (await session.exec(statement)).all()}
