"""Chat and text completions: from a caller's request to a replica, metered.

The gateway adds no meaning of its own: what the engine understands passes through. Request logs are written in batches, off the
path of the answer.
"""

from typing import Any

import httpx2

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.errors import Invalid, NotFound
from engines.serving.proxy import ReplicaUnreachable, Reply, Served, forward
from engines.serving.router import Table, Target
from models.deployment import Deployment
from resolvers import adopting, deployment_names, deployments, waking
from resolvers.context import Context
from resolvers.request_log import Logged, RequestLog
from resolvers.waking import Patience, Waking

MAX_CONNECTIONS = 1000
TIMEOUT = httpx2.Timeout(600.0, connect=5.0)


class Gateway:
    """The connections to replicas and the request log of one API process. `run()` writes the log; `close()` writes what is left
    of it.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.request_log = RequestLog(core)
        self.table = Table()
        self.waking = Waking(core)
        limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS)
        self.client = httpx2.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False)

    async def run(self) -> None:
        await self.request_log.run()

    async def flush(self) -> None:
        await self.request_log.flush()

    async def close(self) -> None:
        await self.waking.close()
        await self.request_log.close()
        await self.client.aclose()


async def complete(ctx: Context, path: str, body: dict[str, Any], *, deployment_id: str | None = None) -> Reply:
    """Answer a completion request with a replica of the deployment that `model`, or the URL's `deployment_id`, names; held for a
    while where it has served before and no replica is ready.

    NotFound (`model_not_found`) for what names none of the caller's deployments, Invalid (`deployment_not_serving`) for one that
    has ended or is paused, Unavailable while none of its replicas is ready.
    """
    ctx.require("inference")
    deployment, targets = await _find(ctx, body.get("model"), deployment_id)
    waking.check(deployment)
    gateway = ctx.platform.gateway
    gateway.table.set(deployment.id, targets)
    patience = Patience(ctx.core.settings.hold_s)
    while True:
        target = gateway.table.pick(deployment.id, patience.failed())
        if target is None:
            targets = await gateway.waking.targets(deployment, patience)
            gateway.table.set(deployment.id, targets)
            continue
        try:
            return await _ask(ctx, deployment, target, path, body)
        except ReplicaUnreachable:
            patience.fail(target)


async def named(ctx: Context, model: Any, deployment_id: str | None) -> Deployment:
    """Return the deployment that `model`, or an id beside it, names; errors are those of `complete` as far as that goes."""
    ctx.require("inference")
    deployment, _ = await _find(ctx, model, deployment_id)
    waking.check(deployment)
    return deployment


async def _ask(ctx: Context, deployment: Deployment, target: Target, path: str, body: dict[str, Any]) -> Reply:
    gateway = ctx.platform.gateway
    lease = gateway.table.acquire(target)
    started = clock.now_micros()

    def on_done(served: Served) -> None:
        lease.release()
        gateway.request_log.add(
            Logged(
                id=ids.new("req"),
                account_id=ctx.account.id,
                deployment_id=deployment.id,
                replica_id=target.replica_id,
                prompt_tokens=served.prompt_tokens,
                completion_tokens=served.completion_tokens,
                latency_ms=served.latency_ms,
                ttft_ms=served.ttft_ms,
                status_code=served.status_code,
                streamed=served.streamed,
                finish_reason=served.finish_reason,
                client_cancelled=served.client_cancelled,
                error_message=served.error_message,
                created_micros=started,
            )
        )

    try:
        asked = {**body, "model": target.served_name or deployment.name}
        upstream = adopting.upstream_of(ctx.core, deployment)
        return await forward(
            gateway.client, target.url, path, asked, on_done=on_done, shown_model=deployment.name, upstream=upstream
        )
    except BaseException:
        lease.release()
        raise


async def _find(ctx: Context, model: Any, deployment_id: str | None) -> tuple[Deployment, list[Target]]:
    if model is not None and not isinstance(model, str):
        raise Invalid("'model' is a text.", param="model")
    async with ctx.db.read() as session:
        if deployment_id is not None:
            found = await session.get(Deployment, deployment_id)
            if found is None or found.account_id != ctx.account.id or found.deleted_at is not None:
                raise NotFound(f"No such deployment: {deployment_id}")
            if model is not None and model != found.model and not deployment_names.is_named(ctx, found, model):
                raise _unknown(model)
        elif model is None:
            raise Invalid("'model' is required: the id or the name of a deployment.", param="model")
        else:
            found = await deployments.by_reference(session, ctx, model)
            if found is None:
                raise _unknown(model)
        return found, await waking.running(session, found.id)


def _unknown(model: str) -> NotFound:
    return NotFound(f"The model '{model}' does not exist.", code="model_not_found", param="model")
