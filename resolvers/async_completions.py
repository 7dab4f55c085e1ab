"""Completions that are asked for now and fetched later: the answer is worked on by the API process that was asked.

They go the way of any other completion: to a replica, metered and logged. The caller may leave. What a process that dies was
working on stays `pending` until its time is over, and then reads as failed. Answers are kept for a day.
"""

import asyncio
import contextlib
from datetime import timedelta

import orjson
import structlog
from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.errors import BurnishError, Invalid, NotFound
from engines.serving.proxy import Call, Reply
from models import async_completion as later
from models.async_completion import AsyncCompletion
from resolvers import inference
from resolvers.context import Context
from resolvers.rate_limits import InferenceAllowance

log = structlog.get_logger(__name__)
DEFAULT_S = 60
SHORTEST_S, LONGEST_S = 10, 60
# How long the process that works on it may take to write down what came of it.
WRITING = timedelta(seconds=10)
MAX_RESULT_BYTES = 4 * 2**20
TOO_LATE = "It was not answered in time."
CUT_OFF = "The process that worked on it was stopped."


async def ask(
    ctx: Context, call: Call, allowance: InferenceAllowance, *, deployment_id: str | None = None, timeout_s: int = DEFAULT_S
) -> AsyncCompletion:
    """Begin a completion and return at once what it can be fetched by.

    Errors are those of `inference.complete`, as far as they show at once; Invalid for a streamed one, RateLimited where too many
    are under way.
    """
    if call.body.get("stream"):
        raise Invalid("What is fetched later cannot be streamed.", param="stream")
    deployment = await inference.named(ctx, call.body.get("model"), deployment_id)
    now = clock.now()
    row = AsyncCompletion(
        id=ids.new("areq"),
        account_id=ctx.account.id,
        deployment_id=deployment.id,
        created_at=now,
        deadline_at=now + timedelta(seconds=timeout_s),
    )
    answering = ctx.platform.answering
    answering.take(ctx.account.id)
    try:
        async with ctx.db.transaction() as session:
            session.add(row)
    except BaseException:
        answering.give_back(ctx.account.id)
        raise
    answering.start(ctx.account.id, _answer(ctx, row, call, allowance, timeout_s))
    return row


async def get(ctx: Context, request_id: str) -> AsyncCompletion:
    """Return a completion as it stands; NotFound where the caller has asked for none with this id within a day."""
    ctx.require("inference")
    async with ctx.db.read() as session:
        row = await session.get(AsyncCompletion, request_id)
    if row is None or row.account_id != ctx.account.id or row.created_at <= clock.now() - later.KEPT:
        raise NotFound(f"No such request: {request_id}", hint="Answers are kept for 24 hours.")
    if row.status == later.PENDING and row.deadline_at + WRITING < clock.now():
        row.status, row.error = later.FAILED, TOO_LATE
    return row


async def _answer(ctx: Context, row: AsyncCompletion, call: Call, allowance: InferenceAllowance, timeout_s: int) -> None:
    core, request_id = ctx.core, row.id
    try:
        reply = await inference.complete(ctx, call, allowance, deployment_id=row.deployment_id, timeout_s=timeout_s)
        result, error = _read(reply)
    except BurnishError as refused:
        result, error = None, refused.message
    except asyncio.CancelledError:
        await _end(core, request_id, None, CUT_OFF)
        raise
    except Exception as bug:
        log.error("async_completion_failed", request_id=request_id, exc_info=bug)
        result, error = None, f"Something went wrong on our side. Request id: {request_id}"
    await _end(core, request_id, result, error)


def _read(reply: Reply) -> tuple[str | None, str | None]:
    """Return the answer or the error of a reply."""
    body = reply.body or b""
    if reply.status != 200:
        return None, str(orjson.loads(body)["error"]["message"])
    if len(body) > MAX_RESULT_BYTES:
        return None, f"The answer has more than {MAX_RESULT_BYTES} bytes."
    return body.decode(), None


async def _end(core: Core, request_id: str, result: str | None, error: str | None) -> None:
    status = later.COMPLETED if error is None else later.FAILED
    # An engine quotes what it was asked, and that may be what no database can hold.
    told = None if error is None else error.replace("\0", "\ufffd").encode(errors="replace").decode()
    values = {"status": status, "result": result, "error": told, "ended_at": clock.now()}
    of_it = (col(AsyncCompletion.id) == request_id, col(AsyncCompletion.status) == later.PENDING)
    # A database that is away leaves it pending, and it fails when its time is over.
    with contextlib.suppress(Exception):
        async with core.db.transaction() as session:
            await session.exec(update(AsyncCompletion).where(*of_it).values(**values))
