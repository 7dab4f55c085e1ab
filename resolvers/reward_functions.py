"""Reward functions: tried in a jail at the upload, run in one and nowhere else."""

import hashlib
import re
from typing import Any

from pydantic import Field, field_validator
from sqlalchemy import ColumnElement
from sqlmodel import col, or_, select

from burnish.kit import clock, idempotency, ids, paging
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid, NotFound, PayloadTooLarge
from burnish.kit.paging import ALWAYS, Span
from engines.rewards.answers import check_weights
from engines.rewards.shapes import RewardProblem, check
from engines.rewards.trial import Refused
from models import events, job
from models.job import Job
from models.reward_function import RewardFunction
from resolvers import eval_uses, reward_bench
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input
from resolvers.reward_bench import Samples

CREATE = "reward_functions.create"
FILE_NAME = "reward.py"


class RewardSource(Input):
    """A reward function as it is sent: `source` is the text of the Python file. It is tried on `samples` or made-up ones."""

    source: bytes
    file_name: str = Field(FILE_NAME, max_length=1024, description="What tracebacks call the file.")
    format: str = "trl"
    weights: dict[str, float] | None = Field(None, description="The factor of each named component in the reward; else 1.")
    samples: Samples | None = Field(None, description="Completions to try it on.")

    @field_validator("file_name")
    @classmethod
    def _just_a_name(cls, value: str) -> str:
        name = re.split(r"[/\\]", value)[-1][-MAX_NAME:]
        return name if name.isprintable() and name.strip(". ") else FILE_NAME


class RewardFunctionInput(RewardSource):
    """A reward function to store."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    allow_nondeterministic: bool = Field(False, description="Take a function that gives different answers for the same batch.")


async def create(ctx: Context, spec: RewardFunctionInput) -> RewardFunction:
    """Store a reward file that passes the contract test.

    Invalid (`invalid_reward_function`) with the line where it cannot be used, Unavailable where it cannot be tried here now.
    """
    ctx.require("write")
    check_size(ctx, spec.source)
    weights = spec.weights or {}
    try:
        check(spec.source, spec.format)
    except RewardProblem as problem:
        raise refusal("file", (problem.message, problem.line)) from None
    try:
        check_weights(weights)
    except RewardProblem as problem:
        raise refusal("weights", (problem.message, None)) from None
    sha256 = hashlib.sha256(spec.source).hexdigest()
    request: dict[str, Any] = {"name": spec.name, "format": spec.format, "sha256": sha256}
    request |= {"weights": weights} if weights else {}
    trial = None if await _is_replay(ctx, request) else await _tried(ctx, spec)

    async def make(session: Session) -> RewardFunction:
        row = RewardFunction(
            id=ids.new("rf"),
            account_id=ctx.account.id,
            name=spec.name,
            file_name=spec.file_name,
            format=spec.format,
            source=spec.source.decode(),
            sha256=sha256,
            weights=spec.weights,
            trial=trial,
            created_at=clock.now(),
        )
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    return await once(ctx, CREATE, request, RewardFunction, make)


def check_size(ctx: Context, source: bytes) -> None:
    """PayloadTooLarge for a file that is larger than the operator allows."""
    if len(source) > ctx.core.settings.max_reward_bytes:
        raise PayloadTooLarge(f"A reward function has at most {ctx.core.settings.max_reward_bytes} bytes.", param="file")


async def _is_replay(ctx: Context, request: dict[str, Any]) -> bool:
    """Tell whether this was made before under the same idempotency key: then it is not tried again."""
    async with ctx.db.read() as session:
        print_ = idempotency.fingerprint(request)
        return await idempotency.find(session, ctx.account.id, ctx.idempotency_key, CREATE, print_) is not None


async def _tried(ctx: Context, spec: RewardFunctionInput) -> dict[str, Any]:
    try:
        trial = await reward_bench.upload(
            ctx,
            spec.source,
            spec.format,
            name=spec.file_name,
            weights=spec.weights,
            samples=spec.samples,
            allow_nondeterministic=spec.allow_nondeterministic,
        )
    except Refused as refused:
        problems = [(problem.message, problem.line) for problem in refused.problems]
        raise refusal("file", *problems) from None
    return trial.record()


def refusal(param: str, *problems: tuple[str, int | None]) -> Invalid:
    """Return the refusal of a reward function for (message, line) of what is wrong."""
    details = [{"line": line, "message": message} for message, line in problems]
    message, line = problems[0]
    where = f"line {line}: " if line else ""
    return Invalid(f"{where}{message}", code="invalid_reward_function", param=param, details=details)


async def get(ctx: Context, reward_function_id: str) -> RewardFunction:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, reward_function_id)


async def find(session: Session, ctx: Context, reward_function_id: str, *, lock: bool = False) -> RewardFunction:
    row = await session.get(RewardFunction, reward_function_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise NotFound(f"No such reward function: {reward_function_id}", param="reward_function_id")
    return row


async def page(
    ctx: Context, *, search: str | None = None, created: Span = ALWAYS, limit: int = 20, after: str | None = None
) -> paging.Page[RewardFunction]:
    """Return the account's reward functions; `search` keeps those whose name contains it, and the one with this id."""
    ctx.require("read")
    table = RewardFunction
    where: list[ColumnElement[bool]] = [col(table.deleted_at).is_(None)]
    where += [or_(paging.contains(table.name, search), col(table.id) == search)] if search else []
    where += paging.within(table.created_at, created)
    async with ctx.db.read() as session:
        return await paging.page(session, table, table.account_id == ctx.account.id, where=where, limit=limit, after=after)


async def delete(ctx: Context, reward_function_id: str) -> RewardFunction:
    """Hide a reward function for good; Conflict while a job that has not ended uses it. Its past jobs keep what they ran."""
    ctx.require("write")
    request = {"reward_function_id": reward_function_id}

    async def act(session: Session) -> RewardFunction:
        row = await find(session, ctx, reward_function_id, lock=True)
        using = select(Job.id).where(Job.reward_function_id == row.id, col(Job.status).not_in(job.TERMINAL))
        live = (await session.exec(using.limit(1))).first()
        if live is not None:
            raise Conflict(f"The reward function is in use by {live}, which has not ended.", param="reward_function_id")
        run_id = await eval_uses.of_reward_function(session, ctx.account.id, row.id)
        if run_id is not None:
            raise Conflict(f"The reward function is in use by {run_id}, which has not ended.", param="reward_function_id")
        row.deleted_at = clock.now()
        session.add(row)
        await events.note(session, ctx.account.id, row.id, "deleted", {"name": row.name})
        return row

    return await once(ctx, "reward_functions.delete", request, RewardFunction, act)
