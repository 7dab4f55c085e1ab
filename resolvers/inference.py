"""Chat and text completions: from a caller's request to a replica, metered.

The gateway adds no meaning of its own: what the engine understands passes through. Request logs are written in batches, off the
path of the answer.
"""

import asyncio
import contextlib
from typing import Any

import orjson
import structlog
from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock, ids, stream
from burnish.kit.core import Core
from burnish.kit.errors import Invalid, NotFound
from engines.serving import http1
from engines.serving.proxy import Call, ReplicaUnreachable, Reply, Served, forward
from engines.serving.router import Table, Target
from models.deployment import Deployment, InferenceRequest
from resolvers import adopting, deployment_names, deployments, waking
from resolvers.context import Context
from resolvers.waking import Patience, Waking

log = structlog.get_logger(__name__)
FLUSH_S = 0.25


class Gateway:
    """The connections to replicas and the request log of one API process. `run()` writes the log; `close()` writes what is left
    of it.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._log: list[InferenceRequest] = []
        self.table = Table()
        self.waking = Waking(core)
        self.client = http1.Client()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception as error:
                log.warning("request_log_waits", error=str(error), waiting=len(self._log))

    async def close(self) -> None:
        await self.waking.close()
        with contextlib.suppress(Exception):
            await self.flush()
        await self.client.close()

    def record(self, row: InferenceRequest) -> None:
        if row.error_message is not None:
            # An engine quotes what it was asked: what no database can hold would keep the whole log waiting for ever.
            row.error_message = row.error_message.replace("\0", "\ufffd").encode(errors="replace").decode()
        self._log.append(row)

    async def flush(self) -> None:
        """Write the log so far, and with it the totals of its deployments and what the followers of their requests read.

        Also for a deployment that has ended, and whose stream may be marked so: who reads it later finds these rows too.
        """
        rows, self._log = self._log, []
        if not rows:
            return
        try:
            async with self._core.db.transaction() as session:
                session.add_all(rows)
                # In one order, and the deployment before its stream, as its host locks them.
                for deployment_id in sorted({row.deployment_id for row in rows}):
                    its = [row for row in rows if row.deployment_id == deployment_id]
                    await session.exec(_add_totals(its))
                    await stream.append(session, deployment_id, "requests", [row.as_row() for row in its])
        except Exception:
            self._log = rows + self._log
            raise


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
    started = clock.now()

    def on_done(served: Served) -> None:
        lease.release()
        gateway.record(
            InferenceRequest(
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
                created_at=started,
            )
        )

    try:
        return await forward(
            gateway.client,
            target.url,
            Call(path, orjson.dumps(body), body),
            model=target.served_name or deployment.name,
            on_done=on_done,
            shown_model=deployment.name,
            upstream=adopting.upstream_of(ctx.core, deployment),
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


def _add_totals(rows: list[InferenceRequest]) -> Any:
    table = Deployment
    return (
        update(table)
        .where(col(table.id) == rows[0].deployment_id)
        .values(
            total_requests=col(table.total_requests) + len(rows),
            total_prompt_tokens=col(table.total_prompt_tokens) + sum(row.prompt_tokens for row in rows),
            total_completion_tokens=col(table.total_completion_tokens) + sum(row.completion_tokens for row in rows),
        )
    )
