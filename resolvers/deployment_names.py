"""What deployments are called: in chat calls, and when one is looked for a name."""

import itertools
import re

from sqlmodel import col, select

from models import deployment as dep
from models.deployment import Deployment
from resolvers.context import Context

BY_ID = "deploy_id:"
UNNAMED = "model"
# What is left of a long name has room for the account's, and for a number.
LONGEST = 64


async def suggest(ctx: Context, model: str) -> str:
    """Return a name, `account/model`, that no active deployment of the account has."""
    ctx.require("read")
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", model.strip().rstrip("/").rpartition("/")[2])
    plain = f"{ctx.account.slug}/{last.strip('._-')[:LONGEST] or UNNAMED}"
    active = col(Deployment.status).in_(dep.ACTIVE)
    async with ctx.db.read() as session:
        statement = select(Deployment.name).where(Deployment.account_id == ctx.account.id, active)
        taken = set((await session.exec(statement)).all())
    names = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)
