"""Replicas: what each has said of itself."""

from typing import Any

from burnish.kit.errors import NotFound
from models.replica import Replica
from resolvers import deployments
from resolvers.context import Context

# How far back a replica's lines are looked for among those of its deployment, and how many are told.
LOOKED_AT = 5000
TOLD = 500


async def log(ctx: Context, replica_id: str) -> list[str]:
    """Return the last lines that a replica left in its deployment's log, oldest first, and why it failed; NotFound where the
    caller has no such replica.
    """
    ctx.require("read")
    async with ctx.db.read() as session:
        row = await session.get(Replica, replica_id)
    if row is None or row.account_id != ctx.account.id:
        raise NotFound(f"No such replica: {replica_id}")
    rows = await deployments.last_rows(ctx, row.deployment_id, "logs", LOOKED_AT)
    lines = [str(one.data["message"]) for one in rows if _is_of(one.data, replica_id)][-TOLD:]
    return lines if row.fail_reason is None else [*lines, row.fail_reason]


def _is_of(line: dict[str, Any], replica_id: str) -> bool:
    return line.get("replica") == replica_id
