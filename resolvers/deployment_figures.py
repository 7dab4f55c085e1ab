"""What deployments have served in a period, exactly: from the log of requests and from the ledger."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func
from sqlalchemy import select as sa_select
from sqlmodel import col

from burnish.kit import paging
from burnish.kit.db import Session
from burnish.kit.paging import Span
from models.deployment import FAILED_FROM, Deployment, InferenceRequest
from models.ledger import LedgerTransaction
from resolvers import deployments
from resolvers.context import Context


@dataclass(frozen=True)
class Spread:
    """Of times in milliseconds: their sum, their mean, and the least that nineteen in twenty do not exceed. 0 where there are
    none.
    """

    total: float
    mean: float
    p95: float


@dataclass(frozen=True)
class Figures:
    """What a deployment has served of the requests that arrived in a period, and what was charged for it in that period.

    `latency_ms` is of whole answers, `ttft_ms` of streamed ones; `token_ms` is the latency of each answer by its tokens. Requests
    that no replica took are counted, and are errors; they have no latency.
    """

    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    latency_ms: Spread
    ttft_ms: Spread
    token_ms: Spread
    cost_micros: int


async def within(ctx: Context, deployment_id: str, span: Span) -> Figures:
    """Return the figures of a deployment in a period."""
    ctx.require("read")
    row = InferenceRequest
    where = [col(row.deployment_id) == deployment_id, *paging.within(row.created_at, span)]
    columns = (
        func.count(col(row.id)),
        func.coalesce(func.sum(case((col(row.status_code) >= FAILED_FROM, 1), else_=0)), 0),
        func.coalesce(func.sum(col(row.prompt_tokens)), 0),
        func.coalesce(func.sum(col(row.completion_tokens)), 0),
    )
    per_token = col(row.latency_ms) / func.nullif(col(row.completion_tokens), 0)
    async with ctx.db.read() as session:
        await deployments.find(session, ctx, deployment_id)
        connection = await session.connection()
        counts = (await connection.execute(sa_select(*columns).where(*where))).one()
        requests, errors, prompt_tokens, completion_tokens = map(int, counts)
        return Figures(
            requests=requests,
            errors=errors,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            latency_ms=await _spread(session, col(row.latency_ms), [*where, row.was_taken()]),
            ttft_ms=await _spread(session, col(row.ttft_ms), where),
            token_ms=await _spread(session, per_token, where),
            cost_micros=await _charged(session, deployment_id, span),
        )


async def requests_by_name(ctx: Context, span: Span) -> dict[str, int]:
    """Return how many requests deployments of each name were asked in a period, by name; those without any are left out."""
    ctx.require("read")
    mine = (col(Deployment.account_id) == ctx.account.id, col(Deployment.deleted_at).is_(None))
    statement = (
        sa_select(col(Deployment.name), func.count(col(InferenceRequest.id)))
        .join(InferenceRequest, col(InferenceRequest.deployment_id) == col(Deployment.id))
        .where(*mine, *paging.within(InferenceRequest.created_at, span))
        .group_by(col(Deployment.name))
        .order_by(col(Deployment.name))
    )
    async with ctx.db.read() as session:
        found = (await (await session.connection()).execute(statement)).all()
    return {name: int(count) for name, count in found}


async def _spread(session: Session, times: Any, where: list[ColumnElement[bool]]) -> Spread:
    connection = await session.connection()
    known = (*where, times.is_not(None))
    of_all = sa_select(func.count(times), func.coalesce(func.sum(times), 0.0)).where(*known)
    count, total = (await connection.execute(of_all)).one()
    if not count:
        return Spread(0.0, 0.0, 0.0)
    # The nearest rank: of twenty the nineteenth.
    rank = -(-95 * count // 100)
    p95 = (await connection.execute(sa_select(times).where(*known).order_by(times).offset(rank - 1).limit(1))).scalar_one()
    return Spread(float(total), round(float(total) / count, 3), round(float(p95), 3))


async def _charged(session: Session, deployment_id: str, span: Span) -> int:
    entry = LedgerTransaction
    where = (col(entry.resource_id) == deployment_id, *paging.within(entry.created_at, span))
    total = sa_select(func.coalesce(func.sum(col(entry.amount_micros)), 0)).where(*where)
    return -int((await (await session.connection()).execute(total)).scalar_one())
