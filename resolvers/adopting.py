"""Adopting a server that runs already: a deployment whose requests it answers, with our keys, metering and logs in front.

Only the operator may: the server is reached from inside of the installation's network, and its key is the installation's.
"""

import httpx2
from pydantic import Field

from burnish.kit import clock, ids, outbox
from burnish.kit.db import Session
from burnish.kit.errors import Forbidden, Invalid
from engines.serving import addressing, adopted, upstream
from engines.serving.upstream import BadUrl, Unanswered, Upstream
from models import deployment as dep
from models import events, rollout
from models.deployment import Deployment
from resolvers import deployments
from resolvers.context import Context
from resolvers.creating import once
from resolvers.deployment_inputs import NAME
from resolvers.inputs import MAX_NAME, Input

MAX_KEY = 1024
MAX_URL = 2048
SHOWN_MODELS = 10
PROVIDER = "external"


class AdoptInput(Input):
    """`url` is with or without `/v1`; `model` is what the server calls the model, found out where it serves only one; `api_key`
    is what it wants as a bearer token.
    """

    url: str = Field(min_length=1, max_length=MAX_URL, description="Where the server answers, with or without `/v1`.")
    name: str = Field(pattern=NAME, max_length=MAX_NAME)
    model: str | None = Field(
        None, min_length=1, max_length=200, description="What the server calls the model; found out where it has only one."
    )
    api_key: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY,
        pattern=r"^[\x21-\x7e]+$",
        repr=False,
        description="What the server wants as a bearer token. It is never shown again.",
    )


async def adopt(ctx: Context, spec: AdoptInput) -> Deployment:
    """Make a deployment of a server that speaks OpenAI's shapes. It costs nothing, and serves as soon as the server has answered.

    Forbidden for who is not the operator; Invalid where the server cannot be asked which models it has, or has not this one.
    """
    ctx.require("write")
    if not ctx.account.is_operator:
        raise Forbidden("Only the operator of this installation adopts servers.", code="operator_only")
    try:
        server = Upstream(upstream.address(spec.url), spec.api_key)
    except BadUrl as error:
        raise Invalid(f"url: {error}.", param="url") from None
    model = await _model(server, spec.model)

    async def make(session: Session) -> Deployment:
        await deployments.check_limit(session, ctx)
        await deployments.check_name(session, ctx, spec.name)
        row = _row(ctx, spec, server, model)
        session.add(row)
        await session.flush()
        await rollout.add(session, row)
        told = {"source": dep.ADOPTED, "upstream_url": server.url}
        await events.record(session, ctx.account.id, row.id, "created", told, line="Status: queued")
        outbox.put(session, addressing.SERVE_MESSAGE, row.id)
        return row

    key = None if spec.api_key is None else ctx.core.secrets.hash_key(spec.api_key)
    request = {**spec.model_dump(), "api_key": key}
    return await once(ctx, "deployments.adopt", request, Deployment, make, details={"upstream_url": server.url})


def _row(ctx: Context, spec: AdoptInput, server: Upstream, model: str) -> Deployment:
    now, deployment_id = clock.now(), ids.new("dep")
    nothing_of_ours = {"type": "CPU", "count": 1}
    return Deployment(
        id=deployment_id,
        account_id=ctx.account.id,
        name=spec.name,
        model=model,
        source=dep.ADOPTED,
        gpu_requested=nothing_of_ours,
        gpu=nothing_of_ours,
        provider=PROVIDER,
        rate_micros_per_hour=0,
        engine=adopted.ENGINE,
        engine_reason=f"adopted from {server.url}",
        upstream_url=server.url,
        upstream_model=model,
        sealed_upstream_key=None if server.key is None else ctx.core.secrets.encrypt(server.key, deployment_id),
        created_at=now,
        updated_at=now,
    )


async def _model(server: Upstream, wanted: str | None) -> str:
    """Return what the server calls the model; Invalid where it cannot be asked, has none of this name, or has several."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        try:
            known = await server.models(client)
        except Unanswered as error:
            param, code = ("api_key", "upstream_refused") if error.key_refused else ("url", "upstream_unreachable")
            raise Invalid(f"{server.url}: {error}.", code=code, param=param) from None
    if wanted is not None and (known is None or wanted in known):
        return wanted
    if wanted is None and known is not None and len(known) == 1:
        return known[0]
    raise Invalid(_which(server, wanted, known), param="model")


def _which(server: Upstream, wanted: str | None, known: list[str] | None) -> str:
    if not known:
        return f"{server.url} lists no models: say which one it serves."
    named = ", ".join(known[:SHOWN_MODELS]) + (", …" if len(known) > SHOWN_MODELS else "")
    if wanted is None:
        return f"{server.url} serves several models, say which one: {named}."
    return f"{server.url} does not serve {wanted}; it serves {named}."
