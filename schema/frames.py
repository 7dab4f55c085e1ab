"""The frames that subscriptions send: batches of what a stream holds, heartbeats, gaps and the end."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from burnish.kit.stream import Row
from resolvers import cursors
from resolvers.cursors import Cursor
from schema.deployments import Deployment
from schema.logs import LogLine
from schema.rollouts import RolloutGroup
from schema.scalars import BigInt
from schema.serving import RequestBatch, StatsBatch
from schema.streams import DeploymentEvent, Event, JobEvent, MetricSeries


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


@strawberry.type(description="Something that happened in the account.")
class ActivityEvent(Event):
    resource_id: strawberry.ID = strawberry.field(description="What it happened to: `node` gives it.")

    @classmethod
    def of(cls, resource_id: str, row: Row) -> Self:
        return cls(
            cursor=cursors.position(resource_id, "activity", row.seq),
            at=datetime.fromisoformat(row.data["at"]),
            type=row.data["type"],
            attempt=row.data.get("attempt", 0),
            metadata=row.data["metadata"],
            resource_id=strawberry.ID(row.data["resource_id"]),
        )


@strawberry.type(description="Events of the account.")
class ActivityBatch:
    events: list[ActivityEvent] = strawberry.field(description="The events, in order.")
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
StatsFrame = Annotated[
    StatsBatch | StreamGap | Heartbeat | StreamEnd, strawberry.union("StatsFrame", description="A frame of a deployment's load.")
]
RequestFrame = Annotated[
    RequestBatch | StreamGap | Heartbeat | StreamEnd,
    strawberry.union("RequestFrame", description="A frame of a deployment's requests."),
]
ActivityFrame = Annotated[
    ActivityBatch | Heartbeat | StreamEnd, strawberry.union("ActivityFrame", description="A frame of the account's activity.")
]
