"""Which deployment a caller's words mean, who answers its requests, and how one that sleeps is woken."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import case, or_, update
from sqlmodel import col, select

from burnish.kit import clock, outbox
from burnish.kit.core import Core
from burnish.kit.db import Session
from engines.serving.router import Target
from engines.serving.upstream import Upstream
from models import deployment as dep
from models import replica
from models.account import Account
from models.deployment import Deployment
from models.replica import Replica

SERVE_MESSAGE = "serving.run"
BY_ID = "deploy_id:"
WAKE_EVERY_S = 5.0


def named(account: Account, reference: str) -> Any:
    """Return the condition that a chat call's `model` names a deployment: its id, `deploy_id:` and its id, or the name of an
    active one, which the account's own name may stand before.
    """
    if reference.startswith(BY_ID):
        return col(Deployment.id) == reference.removeprefix(BY_ID)
    own = reference.removeprefix(f"{account.slug}/")
    return or_(
        col(Deployment.id) == reference,
        col(Deployment.name).in_({reference, own}) & col(Deployment.status).in_(dep.ACTIVE),
    )


def is_named(account: Account, row: Deployment, reference: str) -> bool:
    """Say whether a chat call's `model` names this deployment, whatever its status."""
    return reference in (row.id, f"{BY_ID}{row.id}", row.name, f"{account.slug}/{row.name}")


async def by_reference(session: Session, account: Account, reference: str) -> Deployment | None:
    """Return the deployment that a chat call's `model` names; of several the one with just this name, then the newest."""
    mine = (Deployment.account_id == account.id, col(Deployment.deleted_at).is_(None))
    statement = select(Deployment).where(*mine, named(account, reference))
    first = case((col(Deployment.name) == reference, 0), else_=1)
    return (await session.exec(statement.order_by(first, col(Deployment.created_at).desc()))).first()


async def running(session: Session, deployment_ids: Sequence[str]) -> dict[str, list[Target]]:
    """Return the replicas that take requests, of each of the deployments."""
    statement = select(Replica).where(col(Replica.deployment_id).in_(deployment_ids), Replica.status == replica.RUNNING)
    found: dict[str, list[Target]] = {deployment_id: [] for deployment_id in deployment_ids}
    for row in (await session.exec(statement.order_by(col(Replica.created_at)))).all():
        if row.url is not None:
            found[row.deployment_id].append(Target(row.id, row.url, row.served_name))
    return found


def upstream_of(core: Core, row: Deployment) -> Upstream | None:
    """Return the server that answers an adopted deployment's requests, None for any other deployment."""
    if row.source != dep.ADOPTED or row.upstream_url is None:
        return None
    sealed = row.sealed_upstream_key
    return Upstream(row.upstream_url, None if sealed is None else core.secrets.decrypt(sealed, row.id))


async def wake(core: Core, deployment_id: str) -> None:
    """Tell the deployment's host that a request waits; once each few seconds, however many processes say so."""
    moment = clock.now()
    asked = col(Deployment.wake_requested_at)
    waits = (
        col(Deployment.id) == deployment_id,
        col(Deployment.status).in_(dep.ACTIVE),
        col(Deployment.paused_at).is_(None),
        or_(asked.is_(None), asked <= moment - timedelta(seconds=WAKE_EVERY_S)),
    )
    told = update(Deployment).where(*waits).values(wake_requested_at=moment).returning(col(Deployment.id))
    async with core.db.transaction() as session:
        if (await session.exec(told)).first() is not None:
            outbox.put(session, SERVE_MESSAGE, deployment_id)
