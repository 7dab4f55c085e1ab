"""Rows of a resource's streams as GraphQL gives them: events, log lines, metrics. Queries page, subscriptions follow."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Protocol, Self, TypeVar

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
MOST_LOOKED_AT = 10_000
LOOKED_AT_ONCE = 2_000


@strawberry.enum(description="How much a log line matters.")
class LogLevel(Enum):
    DEBUG = strawberry.enum_value("debug", description="Detail.")
    INFO = strawberry.enum_value("info", description="What happens.")
    WARNING = strawberry.enum_value("warning", description="Something to look at.")
    ERROR = strawberry.enum_value("error", description="Something failed.")


LEVELS = {level.value: level for level in LogLevel} | {"warn": LogLevel.WARNING, "critical": LogLevel.ERROR}


@strawberry.input(description="Which lines of a log to give: those that all of what is set allows.")
class LogFilter:
    levels: list[LogLevel] | None = strawberry.field(default=None, description="Only these levels.")
    sources: list[str] | None = strawberry.field(default=None, description="Only these sources, such as `trainer`.")
    attempt: int | None = strawberry.field(default=None, description="Only this attempt.")
    search: str | None = strawberry.field(default=None, description="Only lines that contain this, whatever its case.")

    def matches(self, row: Row) -> bool:
        return (
            (self.levels is None or LEVELS.get(row.data["level"], LogLevel.INFO) in self.levels)
            and (self.sources is None or row.data["source"] in self.sources)
            and (self.attempt is None or row.attempt == self.attempt)
            and (self.search is None or self.search.casefold() in row.data["message"].casefold())
        )


Wanted = Annotated[
    LogFilter | None,
    strawberry.argument(
        description=f"Which lines to give; all by default. A request looks at {MOST_LOOKED_AT:,} lines at most: a page may be "
        "short, or empty, and still say `hasNextPage`; its `endCursor` is then the last line looked at, and the next page goes "
        "on from there."
    ),
]


@strawberry.type(description="A line of a log. What the user's own code prints is here too, by its source.")
class LogLine:
    cursor: Cursor = strawberry.field(description="Its place in the log.")
    at: datetime = strawberry.field(description="When it was written.")
    level: LogLevel = strawberry.field(description="How much it matters.")
    source: str = strawberry.field(description="Who wrote it, such as `platform`, `trainer`, `stdout` or `stderr`.")
    attempt: int = strawberry.field(description="Which attempt at the work wrote it; 0 before the first.")
    message: str = strawberry.field(description="The line.")

    @classmethod
    def of(cls, resource_id: str, row: Row) -> Self:
        data = row.data
        return cls(
            cursor=cursors.position(resource_id, "logs", row.seq),
            at=datetime.fromisoformat(data["at"]),
            level=LEVELS.get(data["level"], LogLevel.INFO),
            source=data["source"],
            attempt=row.attempt,
            message=data["message"],
        )


@strawberry.type(description="A page of log lines, oldest first.")
class LogConnection(Connection[LogLine]): ...


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


async def logs_of(
    info: Info, read: Reader, resource_id: str, first: int, after: Cursor | None, wanted: LogFilter | None
) -> LogConnection:
    """Return a page of a log's lines, those that are wanted.

    One request looks at no more than `MOST_LOOKED_AT` lines. Where it ends before it has found `first` of them, the page is
    short, or empty, its end cursor stands at the last line looked at, and it says that more follows: the next page goes on from
    there.
    """
    if wanted is None:
        return await page_of(info, LogConnection, LogLine.of, read, resource_id, "logs", first, after)
    within(first, MOST_ROWS)
    seen = 0 if after is None else cursors.read_position(after, resource_id, "logs")
    found: list[Row] = []
    has_more = True
    for _ in range(MOST_LOOKED_AT // LOOKED_AT_ONCE):
        rows = await read(info.context.known, resource_id, "logs", after=seen, limit=LOOKED_AT_ONCE + 1)
        for row in rows[:LOOKED_AT_ONCE]:
            seen = row.seq
            if wanted.matches(row):
                found.append(row)
                if len(found) == first:
                    break
        has_more = bool(rows) and rows[-1].seq > seen
        if len(found) == first or not has_more:
            break
    pairs = [(cursors.position(resource_id, "logs", row.seq), LogLine.of(resource_id, row)) for row in found]
    end = cursors.position(resource_id, "logs", seen) if seen else None
    return connect(LogConnection, pairs, after=after, has_more=has_more, end=end)
