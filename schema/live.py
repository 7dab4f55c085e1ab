"""Subscriptions: what a stream holds after a cursor, then what comes, in batches, until it ends.

Every frame that carries rows carries the cursor after them, so that whoever comes back with it misses nothing and sees nothing
twice. A reader that cannot keep up holds up only itself: the socket stops taking frames, and what it has not read waits in the
database.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from itertools import groupby
from typing import Annotated, TypeVar

import strawberry

from burnish.kit import clock
from burnish.kit.errors import Invalid
from burnish.kit.live import Batch
from burnish.kit.stream import Row
from resolvers import cursors, deployments, jobs
from resolvers import rollouts as groups
from resolvers.context import Context
from resolvers.cursors import Cursor
from schema.context import Info, RequestContext
from schema.deployments import Deployment
from schema.rollouts import RolloutGroup
from schema.scalars import BigInt
from schema.streams import DeploymentEvent, JobEvent, LogLine, MetricSeries, series_of

HEARTBEAT_S = 15.0
MAX_TAIL = 10_000

F = TypeVar("F")

JobId = Annotated[strawberry.ID, strawberry.argument(description="The id of the job, `job_…`.")]
DeploymentId = Annotated[strawberry.ID, strawberry.argument(description="The id of the deployment, `dep_…`.")]
Resume = Annotated[
    Cursor | None,
    strawberry.argument(description="Go on after this cursor of an earlier frame or page; from the start by default."),
]
Tail = Annotated[int, strawberry.argument(description="Without a cursor, begin with this many of the last lines: 0 to 10,000.")]


@strawberry.type(description="Sent when a stream has been silent for 15 seconds.")
class Heartbeat:
    at: datetime = strawberry.field(description="The time here.")
    cursor: Cursor = strawberry.field(description="Where the stream stands for this reader.")


@strawberry.type(description="The last frame of a stream: nothing more will come.")
class StreamEnd:
    reason: str = strawberry.field(description="How the work ended: `completed`, `failed`, `cancelled` or `stopped`.")
    cursor: Cursor = strawberry.field(description="The end of the stream.")


@strawberry.type(description="Rows that this reader did not get, because it was too slow; fetch them by a query.")
class StreamGap:
    dropped: BigInt = strawberry.field(description="How many rows.")
    start: Cursor = strawberry.field(name="from", description="They follow this cursor.")
    end: Cursor = strawberry.field(name="to", description="The last of them is here.")


@strawberry.type(description="Lines of a log.")
class LogBatch:
    lines: list[LogLine] = strawberry.field(description="The lines, in order.")
    cursor: Cursor = strawberry.field(description="The place after them.")


@strawberry.type(description="Metrics of one or more steps, as columns.")
class MetricBatch:
    series: list[MetricSeries] = strawberry.field(description="The metrics, every point as it was reported.")
    attempt: int = strawberry.field(
        description="Which attempt reported them. A later one resumes from a checkpoint: for a step that comes again, it counts."
    )
    latest_step: int = strawberry.field(description="The greatest step among them.")
    cursor: Cursor = strawberry.field(description="The place after them.")


@strawberry.type(description="Events of a job.")
class JobEventBatch:
    events: list[JobEvent] = strawberry.field(description="The events, in order.")
    cursor: Cursor = strawberry.field(description="The place after them.")


@strawberry.type(description="Rollouts of a step.")
class RolloutBatch:
    groups: list[RolloutGroup] = strawberry.field(description="Groups of the step, as many as were asked for.")
    cursor: Cursor = strawberry.field(description="The place after them.")


@strawberry.type(description="A deployment whose status has moved.")
class DeploymentUpdate:
    deployment: Deployment = strawberry.field(description="The deployment as it is now.")
    events: list[DeploymentEvent] = strawberry.field(description="What has happened to it, in order.")
    cursor: Cursor = strawberry.field(description="The place after them.")


LogFrame = Annotated[LogBatch | StreamGap | Heartbeat | StreamEnd, strawberry.union("LogFrame", description="A frame of a log.")]
MetricFrame = Annotated[
    MetricBatch | StreamGap | Heartbeat | StreamEnd, strawberry.union("MetricFrame", description="A frame of a job's metrics.")
]
JobEventFrame = Annotated[
    JobEventBatch | Heartbeat | StreamEnd, strawberry.union("JobEventFrame", description="A frame of a job's events.")
]
RolloutFrame = Annotated[
    RolloutBatch | StreamGap | Heartbeat | StreamEnd, strawberry.union("RolloutFrame", description="A frame of a job's rollouts.")
]
DeploymentFrame = Annotated[
    DeploymentUpdate | Heartbeat | StreamEnd, strawberry.union("DeploymentFrame", description="A frame of a deployment's status.")
]


@strawberry.type(
    description="What can be followed, over `graphql-transport-ws`. Every stream replays from its cursor and goes on live; its "
    "frames come in batches, with a heartbeat in silences, and the last one is `StreamEnd`."
)
class Subscription:
    @strawberry.subscription(description="What happens to a job.")
    async def job_events(self, info: Info, job_id: JobId, after: Resume = None) -> AsyncGenerator[JobEventFrame, None]:
        ctx = await info.context.caller()
        start = await _job_start(ctx, job_id, "events", after)

        async def frames(rows: list[Row]) -> Sequence[JobEventBatch]:
            events = [JobEvent.of(job_id, row) for row in rows]
            return [JobEventBatch(events=events, cursor=events[-1].cursor)]

        batches = jobs.follow(ctx, job_id, "events", after=start)
        return _frames(info.context, batches, frames, job_id, "events", start)

    @strawberry.subscription(description="A job's log.")
    async def job_logs(self, info: Info, job_id: JobId, after: Resume = None, tail: Tail = 200) -> AsyncGenerator[LogFrame, None]:
        ctx = await info.context.caller()
        start = await _job_start(ctx, job_id, "logs", after, _tail(tail))
        batches = jobs.follow(ctx, job_id, "logs", after=start)
        return _frames(info.context, batches, _log_frames(job_id), job_id, "logs", start)

    @strawberry.subscription(description="A job's metrics, step by step.")
    async def job_metrics(
        self,
        info: Info,
        job_id: JobId,
        keys: Annotated[list[str] | None, strawberry.argument(description="Only these metrics.")] = None,
        after: Resume = None,
    ) -> AsyncGenerator[MetricFrame, None]:
        ctx = await info.context.caller()
        start = await _job_start(ctx, job_id, "metrics", after)

        async def frames(rows: list[Row]) -> Sequence[MetricBatch]:
            return [_metric_batch(job_id, list(part), keys) for _, part in groupby(rows, lambda row: row.attempt)]

        batches = jobs.follow(ctx, job_id, "metrics", after=start)
        return _frames(info.context, batches, frames, job_id, "metrics", start)

    @strawberry.subscription(description="A job's rollouts, step by step.")
    async def job_rollouts(
        self,
        info: Info,
        job_id: JobId,
        after: Resume = None,
        sample_groups: Annotated[int, strawberry.argument(description="The most groups to give of a step, from 1.")] = 4,
    ) -> AsyncGenerator[RolloutFrame, None]:
        ctx = await info.context.caller()
        start = await _job_start(ctx, job_id, "rollouts", after)
        if sample_groups < 1:
            raise Invalid("sampleGroups is 1 or more.", param="sample_groups")

        async def frames(rows: list[Row]) -> Sequence[RolloutBatch]:
            return [_rollout_batch(job_id, row, sample_groups) for row in rows]

        batches = jobs.follow(ctx, job_id, "rollouts", after=start)
        return _frames(info.context, batches, frames, job_id, "rollouts", start)

    @strawberry.subscription(
        description="A deployment each time something happens to it: first as it is, with all that has happened."
    )
    async def deployment_status(
        self, info: Info, id: DeploymentId, after: Resume = None
    ) -> AsyncGenerator[DeploymentFrame, None]:
        ctx = await info.context.caller()
        start = await _deployment_start(ctx, id, "events", after)

        async def frames(rows: list[Row]) -> Sequence[DeploymentUpdate]:
            row = await deployments.get(info.context.known, id)
            events = [DeploymentEvent.of(id, item) for item in rows]
            return [DeploymentUpdate(deployment=Deployment.of(row), events=events, cursor=events[-1].cursor)]

        batches = deployments.follow(ctx, id, "events", after=start)
        return _frames(info.context, batches, frames, id, "events", start)

    @strawberry.subscription(description="A deployment's log.")
    async def deployment_logs(
        self, info: Info, id: DeploymentId, after: Resume = None, tail: Tail = 200
    ) -> AsyncGenerator[LogFrame, None]:
        ctx = await info.context.caller()
        start = await _deployment_start(ctx, id, "logs", after, _tail(tail))
        batches = deployments.follow(ctx, id, "logs", after=start)
        return _frames(info.context, batches, _log_frames(id), id, "logs", start)


async def _frames(
    context: RequestContext,
    batches: AsyncGenerator[Batch, None],
    make: Callable[[list[Row]], Awaitable[Sequence[F]]],
    resource_id: str,
    kind: str,
    seq: int,
) -> AsyncGenerator[F | Heartbeat | StreamEnd, None]:
    """Yield the frames of a stream, a heartbeat in each silence, and its end."""
    async with aclosing(_with_silences(batches)) as found:
        async for batch in found:
            await context.recheck()
            if batch is None:
                yield Heartbeat(at=clock.now(), cursor=cursors.position(resource_id, kind, seq))
                continue
            for frame in await make(batch.rows) if batch.rows else ():
                yield frame
            seq = batch.cursor
            if batch.end_reason is not None:
                yield StreamEnd(reason=batch.end_reason, cursor=cursors.position(resource_id, kind, seq))


async def _with_silences(batches: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch | None, None]:
    """Yield the batches, and None whenever none has come for a while."""
    async with aclosing(batches):
        pending: asyncio.Task[Batch | None] | None = None
        try:
            while True:
                pending = pending or asyncio.create_task(_next(batches))
                if not (await asyncio.wait({pending}, timeout=HEARTBEAT_S))[0]:
                    yield None
                    continue
                batch, pending = pending.result(), None
                if batch is None:
                    return
                yield batch
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.wait({pending})


async def _next(batches: AsyncIterator[Batch]) -> Batch | None:
    return await anext(batches, None)


def _log_frames(resource_id: str) -> Callable[[list[Row]], Awaitable[Sequence[LogBatch]]]:
    async def frames(rows: list[Row]) -> Sequence[LogBatch]:
        lines = [LogLine.of(resource_id, row) for row in rows]
        return [LogBatch(lines=lines, cursor=lines[-1].cursor)]

    return frames


def _metric_batch(job_id: str, rows: list[Row], keys: list[str] | None) -> MetricBatch:
    return MetricBatch(
        series=series_of(rows, keys),
        attempt=rows[0].attempt,
        latest_step=max(row.data["step"] for row in rows),
        cursor=cursors.position(job_id, "metrics", rows[-1].seq),
    )


def _rollout_batch(job_id: str, row: Row, most: int) -> RolloutBatch:
    found = [RolloutGroup.of(job_id, group) for group in groups.groups_of(row)[:most]]
    return RolloutBatch(groups=found, cursor=cursors.position(job_id, "rollouts", row.seq))


async def _job_start(ctx: Context, job_id: str, kind: str, after: Cursor | None, tail: int | None = None) -> int:
    """Return where to begin; NotFound here, before the first frame, for a job of nobody or of another."""
    tailed = await jobs.before_last(ctx, job_id, kind, sys.maxsize if tail is None else tail)
    return tailed if after is None else cursors.read_position(after, job_id, kind)


async def _deployment_start(ctx: Context, deployment_id: str, kind: str, after: Cursor | None, tail: int | None = None) -> int:
    tailed = await deployments.before_last(ctx, deployment_id, kind, sys.maxsize if tail is None else tail)
    return tailed if after is None else cursors.read_position(after, deployment_id, kind)


def _tail(tail: int) -> int:
    if not 0 <= tail <= MAX_TAIL:
        raise Invalid(f"tail is 0 to {MAX_TAIL}.", param="tail")
    return tail
