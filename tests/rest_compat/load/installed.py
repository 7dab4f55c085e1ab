"""What a load needs in an installation: deployments that engines serve, as their hosts leave them behind."""

from collections.abc import Sequence
from typing import Any

from burnish.kit import clock, ids
from burnish.kit.core import Core
from models import deployment as dep
from models import transitions
from models.deployment import Deployment
from models.replica import Replica
from resolvers import deployments
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from tests.rest_compat.load.fleet import Engine


async def deployed(ctx: Context, engines: Sequence[Engine], name: str = "sums") -> str:
    """Return the id of a deployment that each of the engines serves."""
    wanted = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": name, "gpu": {"type": "CPU", "count": 1}}
    made = await deployments.create(ctx, DeploymentInput.model_validate(wanted))
    now = clock.now()
    its: dict[str, Any] = {"account_id": made.account_id, "deployment_id": made.id, "gpu_requested": made.gpu_requested}
    at: dict[str, Any] = {"host_id": "host", "status": "running", "created_at": now, "last_health_at": now}
    async with ctx.core.db.transaction() as session:
        session.add_all([Replica(id=ids.new("rep"), url=engine.url, **at, **its) for engine in engines])
        row = await session.get_one(Deployment, made.id)
        placed: dict[str, Any] = {"gpu": {"type": "CPU", "count": 1}, "provider": "local", "rate_micros_per_hour": 100_000}
        assert await transitions.move(session, row, dep.PROVISIONING, started_at=now, **placed)
        assert await transitions.move(session, row, dep.SERVING, serving_since=now)
    return made.id


async def used_up(core: Core, deployment_id: str) -> None:
    """End a deployment as its host does when its account's credit is exhausted."""
    async with core.db.transaction() as session:
        row = await session.get_one(Deployment, deployment_id)
        assert await transitions.move(session, row, dep.STOPPED, error="QUOTA_EXCEEDED: The account's credit is used up.")
