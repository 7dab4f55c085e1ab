"""A training job's log: live as server-sent events, or whole as text."""

import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import Invalid
from burnish.kit.stream import Row
from models import job
from resolvers import jobs
from resolvers.context import Context
from resolvers.inputs import Input
from rest_compat import http, sse
from rest_compat.errors import VERI, public
from rest_compat.operation import Operation, Stream
from rest_compat.veri.jobs import JOB, TAG

CURSOR = re.compile(r"[0-9]{1,18}")
PAGE = 1000


class LogQuery(Input):
    """How to read the log."""

    follow: bool = Field(True, description="Stay for the lines to come, until the job ends.")


async def stream(ctx: Context, request: Request) -> Stream:
    """Stream the log of a training job.

    Server-sent events, one a line: `id` is a cursor, sent back as `Last-Event-ID` to go on after it. The last event of a job
    that has ended reads `[Job completed]`, `[Job failed]` or `[Job cancelled]`. A comment every 15 seconds keeps a quiet
    stream open. A failure after the start is an event named `error` with the usual error body.
    """
    query = http.query(request, LogQuery)
    after = _cursor(request)
    job_id = request.path_params["job_id"]
    await jobs.get(ctx, job_id)
    source = _live(ctx, job_id, after) if query.follow else _stored(ctx, job_id, after)
    return Stream(sse.kept_alive(_guarded(source, request)), headers=sse.HEADERS, media_type=sse.MEDIA_TYPE)


async def full(ctx: Context, request: Request) -> Stream:
    """Get the whole log of a training job as text."""
    job_id = request.path_params["job_id"]
    await jobs.get(ctx, job_id)
    return Stream(_text(ctx, job_id), media_type="text/plain")


async def _live(ctx: Context, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    async with aclosing(jobs.follow(ctx, job_id, "logs", after=after)) as batches:
        async for batch in batches:
            if batch.rows:
                yield _events(batch.rows)
            if batch.end_reason:
                yield _end(batch.end_reason, batch.cursor)


async def _stored(ctx: Context, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    # The status is read first: a line that comes with the end is shown at the latest by whoever asks again.
    status = (await jobs.get(ctx, job_id)).status
    async for rows in _pages(ctx, job_id, after):
        after = rows[-1].seq
        yield _events(rows)
    if status in job.TERMINAL:
        yield _end(status, after)


async def _text(ctx: Context, job_id: str) -> AsyncGenerator[bytes, None]:
    async for rows in _pages(ctx, job_id, 0):
        yield "".join(row.data["message"] + "\n" for row in rows).encode("utf-8", "replace")


async def _pages(ctx: Context, job_id: str, after: int) -> AsyncGenerator[list[Row], None]:
    while rows := await jobs.rows(ctx, job_id, "logs", after=after, limit=PAGE):
        yield rows
        after = rows[-1].seq


async def _guarded(source: AsyncGenerator[bytes, None], request: Request) -> AsyncGenerator[bytes, None]:
    """Tell of a failure in the stream itself: its status is long sent."""
    try:
        async with aclosing(source):
            async for chunk in source:
                yield chunk
    except Exception as error:
        yield sse.event(VERI.body(public(error, request)).model_dump_json(exclude_unset=True), name="error")


def _events(rows: Iterable[Row]) -> bytes:
    return b"".join(sse.event(row.data["message"], cursor=row.seq) for row in rows)


def _end(reason: str, cursor: int) -> bytes:
    return sse.event(f"[Job {reason}]", cursor=cursor)


def _cursor(request: Request) -> int:
    given = request.headers.get("last-event-id", "")
    if given and not CURSOR.fullmatch(given):
        raise Invalid("Last-Event-ID is the id of an event of this log.", param="Last-Event-ID")
    return int(given or 0)


OPERATIONS = [
    Operation(
        method="GET",
        path=f"{JOB}/logs",
        handler=stream,
        tag=TAG,
        answers=sse.MEDIA_TYPE,
        query=LogQuery,
        headers={"Last-Event-ID": "The `id` of the last event that was read; the stream goes on after it."},
        errors=(400, 404),
    ),
    Operation(method="GET", path=f"{JOB}/logs/full", handler=full, tag=TAG, answers="text/plain", errors=(404,)),
]
