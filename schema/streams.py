"""Rows of a resource's streams as GraphQL gives them: events and metrics. Queries page, subscriptions follow."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, Self, TypeVar

import strawberry

from burnish.kit.stream import Row
from resolvers import cursors
from resolvers.context import Context
from resolvers.cursors import Cursor
from resolvers.metrics import Column
from schema.context import Info
from schema.nodes import MOST_ROWS, Connection, connect, within
from schema.scalars import JSON

N = TypeVar("N")
C = TypeVar("C", bound=Connection)  # type: ignore[type-arg]


@strawberry.interface(description="Something that happened to a resource.")
class Event:
    cursor: Cursor = strawberry.field(description="Its place among the resource's events.")
    at: datetime = strawberry.field(description="When it happened.")
    type: str = strawberry.field(
        description="What happened, in past tense, such as `created`, `checkpoint_saved` or `completed`."
    )
    attempt: int = strawberry.field(description="Which attempt at the work it belongs to; 0 before the first.")
    metadata: JSON = strawberry.field(description="More about it, such as the step.")

    @classmethod
    def of(cls, resource_id: str, row: Row) -> Self:
        return cls(
            cursor=cursors.position(resource_id, "events", row.seq),
            at=datetime.fromisoformat(row.data["at"]),
            type=row.data["type"],
            attempt=row.attempt,
            metadata=row.data["metadata"],
        )


@strawberry.type(description="Something that happened to a training job.")
class JobEvent(Event): ...


@strawberry.type(description="A page of a job's events, oldest first.")
class JobEventConnection(Connection[JobEvent]): ...


@strawberry.type(description="Something that happened to a deployment.")
class DeploymentEvent(Event): ...


@strawberry.type(description="A page of a deployment's events, oldest first.")
class DeploymentEventConnection(Connection[DeploymentEvent]): ...


@strawberry.type(description="Something that happened to a batch.")
class BatchEvent(Event): ...


@strawberry.type(description="A page of a batch's events, oldest first.")
class BatchEventConnection(Connection[BatchEvent]): ...


@strawberry.type(description="Something that happened to an eval run.")
class EvalRunEvent(Event): ...


@strawberry.type(description="A page of an eval run's events, oldest first.")
class EvalRunEventConnection(Connection[EvalRunEvent]): ...


@strawberry.type(
    description="One metric as columns. Where `sampled`, a point is the mean of a bucket of steps, at its last step, and "
    "`lower` and `upper` are the bucket's extremes, so that spikes survive; the first and the last point are exact."
)
class MetricSeries:
    key: str = strawberry.field(description="The metric, by the name that the trainer gives it.")
    steps: list[int] = strawberry.field(description="The steps, rising.")
    values: list[float] = strawberry.field(description="The value at each step.")
    lower: list[float] | None = strawberry.field(description="The least of each bucket; null where every point is exact.")
    upper: list[float] | None = strawberry.field(description="The greatest of each bucket; null where every point is exact.")
    sampled: bool = strawberry.field(description="Whether points stand for buckets of steps.")

    @classmethod
    def of(cls, found: Column) -> Self:
        return cls(
            key=found.key,
            steps=found.steps,
            values=found.values,
            lower=found.lower,
            upper=found.upper,
            sampled=found.sampled,
        )


@strawberry.enum(description="How the metrics of a run are written into a file.")
class ExportFormat(Enum):
    PARQUET = strawberry.enum_value("parquet", description="Apache Parquet, compressed.")
    CSV = strawberry.enum_value("csv", description="Comma-separated values.")


def series_of(rows: list[Row], keys: list[str] | None) -> list[MetricSeries]:
    """Return rows of one attempt's metrics as columns, without thinning."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    for row in rows:
        for key, value in row.data["values"].items():
            steps, values = columns.setdefault(key, ([], []))
            steps.append(row.data["step"])
            values.append(value)
    wanted = sorted(columns if keys is None else columns.keys() & keys)
    return [MetricSeries.of(Column(key, *columns[key])) for key in wanted]


class Reader(Protocol):
    """`rows` of `resolvers.jobs` or `resolvers.deployments`."""

    async def __call__(self, ctx: Context, resource_id: str, kind: str, /, *, after: int, limit: int) -> list[Row]: ...


async def page_of(
    info: Info,
    made: type[C],
    of: Callable[[str, Row], Any],
    read: Reader,
    resource_id: str,
    kind: str,
    first: int,
    after: Cursor | None,
) -> C:
    """Return a page of a stream's rows."""
    start = 0 if after is None else cursors.read_position(after, resource_id, kind)
    rows = await read(info.context.known, resource_id, kind, after=start, limit=within(first, MOST_ROWS) + 1)
    pairs = [(cursors.position(resource_id, kind, row.seq), of(resource_id, row)) for row in rows[:first]]
    return connect(made, pairs, after=after, has_more=len(rows) > first)
