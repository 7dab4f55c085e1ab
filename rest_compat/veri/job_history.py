"""What a training job has reported: its events and its metrics."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from starlette.requests import Request

from resolvers import exports, jobs, metrics
from resolvers.context import Context
from resolvers.inputs import Input
from rest_compat import http
from rest_compat.downloads import attachment
from rest_compat.operation import Operation, Stream
from rest_compat.veri.jobs import JOB, TAG
from rest_compat.wire import Items, Wire

MAX_STEP = 2**53
Step = Annotated[int, Field(ge=0, le=MAX_STEP)]


class EventObject(Wire):
    """Something that happened to a job."""

    event_type: str
    timestamp: datetime
    metadata: dict[str, Any]


class EventQuery(Input):
    """Which events to return."""

    limit: int = Field(50, ge=1, le=100, description="How many events to return, from the first on.")


class PointObject(Wire):
    """What a step reported."""

    step: int
    values: dict[str, float]


class MetricsObject(Wire):
    """Points of a job. `available_keys` and `latest_step` speak of the whole job, whatever was asked for."""

    metrics: list[PointObject]
    available_keys: list[str]
    latest_step: int | None


def _split(text: Any) -> Any:
    return [key.strip() for key in text.split(",") if key.strip()] if isinstance(text, str) else text


class MetricsQuery(Input):
    """Which points to return."""

    keys: Annotated[list[str] | None, BeforeValidator(_split, json_schema_input_type=str | None)] = Field(
        None, description="Metric names, separated by commas; all of them by default."
    )
    from_step: Step | None = Field(None, description="The first step; `latest_step + 1` of the last answer asks for what is new.")
    to_step: Step | None = Field(None, description="The last step.")
    max_points: int = Field(
        500,
        ge=1,
        le=metrics.MAX_POINTS,
        description="Longer series are thinned evenly to so many points; first and last are kept.",
    )


class ExportQuery(Input):
    """What kind of file to return."""

    format: exports.Format = Field("parquet", description="The format of the file.")


async def events(ctx: Context, request: Request) -> Items[EventObject]:
    """List the events of a training job, oldest first."""
    query = http.query(request, EventQuery)
    rows = await jobs.rows(ctx, request.path_params["job_id"], "events", limit=query.limit)
    found = [EventObject(event_type=row.data["type"], timestamp=row.data["at"], metadata=row.data["metadata"]) for row in rows]
    return Items[EventObject](items=found)


async def points(ctx: Context, request: Request) -> MetricsObject:
    """Get the metrics of a training job."""
    query = http.query(request, MetricsQuery)
    found = await metrics.read(ctx, request.path_params["job_id"], **query.model_dump())
    shown = [PointObject(step=point.step, values=point.values) for point in found.points]
    return MetricsObject(metrics=shown, available_keys=found.available_keys, latest_step=found.latest_step)


async def export(ctx: Context, request: Request) -> Stream:
    """Get the metrics of a training job as one file, Parquet or CSV.

    A row for each step, with the attempt that reported it and a column for each metric. Every value is exact.
    """
    query = http.query(request, ExportQuery)
    return attachment(await exports.metrics(ctx, request.path_params["job_id"], query.format))


OPERATIONS = [
    Operation(
        method="GET",
        path=f"{JOB}/events",
        handler=events,
        tag=TAG,
        answers=Items[EventObject],
        query=EventQuery,
        errors=(404,),
    ),
    Operation(
        method="GET",
        path=f"{JOB}/metrics",
        handler=points,
        tag=TAG,
        answers=MetricsObject,
        query=MetricsQuery,
        errors=(404,),
    ),
    Operation(
        method="GET",
        path=f"{JOB}/metrics/export",
        handler=export,
        tag=TAG,
        answers=tuple(media_type.partition(";")[0] for media_type in exports.MEDIA_TYPES.values()),
        query=ExportQuery,
        errors=(404,),
    ),
]
