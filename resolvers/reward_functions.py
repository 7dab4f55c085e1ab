"""Reward functions: parsed at the upload, run only in a jail."""

import hashlib

from pydantic import Field
from sqlmodel import col, or_

from burnish.kit import clock, ids, paging
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound, PayloadTooLarge
from burnish.kit.paging import ALWAYS, Span
from engines.rewards.shapes import RewardProblem, check
from models import events
from models.reward_function import RewardFunction
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input


class RewardFunctionInput(Input):
    """`source` is the text of the Python file."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    source: bytes
    format: str = "trl"


async def create(ctx: Context, spec: RewardFunctionInput) -> RewardFunction:
    """Store a reward file; Invalid (`invalid_reward_function`) with the line where it cannot be used."""
    ctx.require("write")
    if len(spec.source) > ctx.core.settings.max_reward_bytes:
        raise PayloadTooLarge(f"A reward function has at most {ctx.core.settings.max_reward_bytes} bytes.", param="file")
    try:
        check(spec.source, spec.format)
    except RewardProblem as problem:
        details = [{"line": problem.line, "message": problem.message}]
        where = f"line {problem.line}: " if problem.line else ""
        raise Invalid(f"{where}{problem.message}", code="invalid_reward_function", param="file", details=details) from None
    sha256 = hashlib.sha256(spec.source).hexdigest()

    async def make(session: Session) -> RewardFunction:
        row = RewardFunction(
            id=ids.new("rf"),
            account_id=ctx.account.id,
            name=spec.name,
            format=spec.format,
            source=spec.source.decode(),
            sha256=sha256,
            created_at=clock.now(),
        )
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    request = {"name": spec.name, "format": spec.format, "sha256": sha256}
    return await once(ctx, "reward_functions.create", request, RewardFunction, make)


async def get(ctx: Context, reward_function_id: str) -> RewardFunction:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, reward_function_id)


async def find(session: Session, ctx: Context, reward_function_id: str) -> RewardFunction:
    row = await session.get(RewardFunction, reward_function_id)
    if row is None or row.account_id != ctx.account.id:
        raise NotFound(f"No such reward function: {reward_function_id}", param="reward_function_id")
    return row


async def page(
    ctx: Context, *, search: str | None = None, created: Span = ALWAYS, limit: int = 20, after: str | None = None
) -> paging.Page[RewardFunction]:
    """Return the account's reward functions; `search` keeps those whose name contains it, and the one with this id."""
    ctx.require("read")
    table = RewardFunction
    where = [or_(paging.contains(table.name, search), col(table.id) == search)] if search else []
    where += paging.within(table.created_at, created)
    async with ctx.db.read() as session:
        return await paging.page(session, table, table.account_id == ctx.account.id, where=where, limit=limit, after=after)
