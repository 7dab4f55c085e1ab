"""Subscriptions: what a stream holds after a cursor, then what comes, in batches, until it ends.

A reader that cannot keep up holds up only itself: what it has not read waits in the database.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from itertools import groupby
from typing import Annotated

import strawberry

from burnish.kit.errors import Invalid
from burnish.kit.stream import Row
from resolvers import activity, cursors, deployments, jobs
from resolvers import rollouts as groups
from resolvers.cursors import Cursor
from schema.batch_streams import BatchSubscriptions
from schema.context import Info
from schema.deployments import Deployment
from schema.eval_streams import EvalSubscriptions
from schema.feeds import Feed, Resume, start_of
from schema.frames import (
    ActivityBatch,
    ActivityEvent,
    ActivityFrame,
    DeploymentFrame,
    DeploymentUpdate,
    JobEventBatch,
    JobEventFrame,
    LogBatch,
    LogFrame,
    MetricBatch,
    MetricFrame,
    RequestFrame,
    RolloutBatch,
    RolloutFrame,
    StatsFrame,
)
from schema.logs import LogFilter, LogLine
from schema.rollouts import RolloutGroup
from schema.serving import RequestBatch, StatsBatch
from schema.streams import DeploymentEvent, JobEvent, series_of

# The arguments that only say where a reader begins: readers who differ in nothing else share one execution.
BEGIN = frozenset({"after", "tail"})

JobId = Annotated[strawberry.ID, strawberry.argument(description="The id of the job, `job_…`.")]
DeploymentId = Annotated[strawberry.ID, strawberry.argument(description="The id of the deployment, `dep_…`.")]
ResumeTail = Annotated[
    Cursor | None,
    strawberry.argument(description="Go on after this cursor of an earlier frame or page; from `tail` by default."),
]
Tail = Annotated[int, strawberry.argument(description="Without a cursor, begin with this many of the last lines: 0 to 10,000.")]
TailRows = Annotated[int, strawberry.argument(description="Without a cursor, begin with this many of the last: 0 to 10,000.")]
Which = Annotated[LogFilter | None, strawberry.argument(description="Which lines to give; all by default.")]


@strawberry.type(
    description="What can be followed, over `graphql-transport-ws`. Every stream replays from its cursor and goes on live; its "
    "frames come in batches, with a heartbeat in silences, and the last one is `StreamEnd`."
)
class Subscription(BatchSubscriptions, EvalSubscriptions):
    @strawberry.subscription(description="What happens to a job.")
    async def job_events(self, info: Info, job_id: JobId, after: Resume = None) -> AsyncGenerator[JobEventFrame, None]:
        async def make(rows: list[Row]) -> Sequence[tuple[JobEventBatch, int]]:
            events = [JobEvent.of(job_id, row) for row in rows]
            return [(JobEventBatch(events=events, cursor=events[-1].cursor), rows[-1].seq)]

        ctx = info.context.known
        start = await start_of(ctx, jobs.streams, job_id, "events", after)
        return Feed(jobs.streams, ctx, job_id, "events", start, make, lossy=False).frames(info.context)

    @strawberry.subscription(description="A job's log.")
    async def job_logs(
        self, info: Info, job_id: JobId, after: ResumeTail = None, tail: Tail = 200, filter: Which = None
    ) -> AsyncGenerator[LogFrame, None]:
        ctx = info.context.known
        start = await start_of(ctx, jobs.streams, job_id, "logs", after, tail)
        return Feed(jobs.streams, ctx, job_id, "logs", start, _lines(job_id, filter)).frames(info.context)

    @strawberry.subscription(description="A job's metrics, step by step.")
    async def job_metrics(
        self,
        info: Info,
        job_id: JobId,
        keys: Annotated[list[str] | None, strawberry.argument(description="Only these metrics.")] = None,
        after: Resume = None,
    ) -> AsyncGenerator[MetricFrame, None]:
        async def make(rows: list[Row]) -> Sequence[tuple[MetricBatch, int]]:
            parts = [list(part) for _, part in groupby(rows, lambda row: row.attempt)]
            return [(_metric_batch(job_id, part, keys), part[-1].seq) for part in parts]

        ctx = info.context.known
        start = await start_of(ctx, jobs.streams, job_id, "metrics", after)
        return Feed(jobs.streams, ctx, job_id, "metrics", start, make).frames(info.context)

    @strawberry.subscription(description="A job's rollouts, step by step.")
    async def job_rollouts(
        self,
        info: Info,
        job_id: JobId,
        after: Resume = None,
        sample_groups: Annotated[int, strawberry.argument(description="The most groups to give of a step, from 1.")] = 4,
    ) -> AsyncGenerator[RolloutFrame, None]:
        if sample_groups < 1:
            raise Invalid("sampleGroups is 1 or more.", param="sample_groups")

        async def make(rows: list[Row]) -> Sequence[tuple[RolloutBatch, int]]:
            return [(_rollout_batch(job_id, row, sample_groups), row.seq) for row in rows]

        ctx = info.context.known
        start = await start_of(ctx, jobs.streams, job_id, "rollouts", after)
        return Feed(jobs.streams, ctx, job_id, "rollouts", start, make).frames(info.context)

    @strawberry.subscription(
        description="A deployment each time something happens to it: first as it is, with all that has happened."
    )
    async def deployment_status(
        self, info: Info, id: DeploymentId, after: Resume = None
    ) -> AsyncGenerator[DeploymentFrame, None]:
        ctx = info.context.known

        async def make(rows: list[Row]) -> Sequence[tuple[DeploymentUpdate, int]]:
            row = await deployments.get(ctx, id)
            events = [DeploymentEvent.of(id, item) for item in rows]
            return [(DeploymentUpdate(deployment=Deployment.of(row), events=events, cursor=events[-1].cursor), rows[-1].seq)]

        start = await start_of(ctx, deployments.streams, id, "events", after)
        return Feed(deployments.streams, ctx, id, "events", start, make, lossy=False).frames(info.context)

    @strawberry.subscription(description="A deployment's load, sampled every few seconds while it serves.")
    async def deployment_stats(
        self, info: Info, id: DeploymentId, after: ResumeTail = None, tail: TailRows = 200
    ) -> AsyncGenerator[StatsFrame, None]:
        async def make(rows: list[Row]) -> Sequence[tuple[StatsBatch, int]]:
            return [(StatsBatch.of(id, rows), rows[-1].seq)]

        ctx = info.context.known
        start = await start_of(ctx, deployments.streams, id, "stats", after, tail)
        return Feed(deployments.streams, ctx, id, "stats", start, make).frames(info.context)

    @strawberry.subscription(description="A deployment's log.")
    async def deployment_logs(
        self, info: Info, id: DeploymentId, after: ResumeTail = None, tail: Tail = 200, filter: Which = None
    ) -> AsyncGenerator[LogFrame, None]:
        ctx = info.context.known
        start = await start_of(ctx, deployments.streams, id, "logs", after, tail)
        return Feed(deployments.streams, ctx, id, "logs", start, _lines(id, filter)).frames(info.context)

    @strawberry.subscription(description="What a deployment is asked, as its calls are logged.")
    async def deployment_requests(
        self, info: Info, id: DeploymentId, after: ResumeTail = None, tail: TailRows = 200
    ) -> AsyncGenerator[RequestFrame, None]:
        async def make(rows: list[Row]) -> Sequence[tuple[RequestBatch, int]]:
            return [(RequestBatch.of(id, rows), rows[-1].seq)]

        ctx = info.context.known
        start = await start_of(ctx, deployments.streams, id, "requests", after, tail)
        return Feed(deployments.streams, ctx, id, "requests", start, make).frames(info.context)

    @strawberry.subscription(description="What happens to anything of the account; it never ends.")
    async def activity(self, info: Info, after: ResumeTail = None, tail: TailRows = 50) -> AsyncGenerator[ActivityFrame, None]:
        ctx = info.context.known
        account_id = ctx.account.id

        async def make(rows: list[Row]) -> Sequence[tuple[ActivityBatch, int]]:
            events = [ActivityEvent.of(account_id, row) for row in rows]
            return [(ActivityBatch(events=events, cursor=events[-1].cursor), rows[-1].seq)]

        start = await start_of(ctx, activity.streams, account_id, activity.KIND, after, tail)
        return Feed(activity.streams, ctx, account_id, activity.KIND, start, make, lossy=False).frames(info.context)


def _lines(resource_id: str, which: LogFilter | None) -> Callable[[list[Row]], Awaitable[Sequence[tuple[LogBatch, int]]]]:
    async def make(rows: list[Row]) -> Sequence[tuple[LogBatch, int]]:
        wanted = rows if which is None else [row for row in rows if which.matches(row)]
        if not wanted:
            return []
        cursor = cursors.position(resource_id, "logs", rows[-1].seq)
        return [(LogBatch(lines=[LogLine.of(resource_id, row) for row in wanted], cursor=cursor), rows[-1].seq)]

    return make


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
