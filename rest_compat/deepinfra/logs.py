"""The log of a deployment, by instance and time."""

from collections import defaultdict
from datetime import datetime

from pydantic import Field, RootModel
from starlette.requests import Request

from burnish.kit import clock
from burnish.kit.paging import Span
from resolvers import deployment_logs
from resolvers.context import Context
from resolvers.inputs import Input, parse
from rest_compat.deepinfra.deployments import TAG
from rest_compat.deepinfra.errors import DEEPINFRA
from rest_compat.deepinfra.periods import UNIX, unix
from rest_compat.operation import Operation
from rest_compat.wire import Wire


class LogQuery(Input):
    """Which lines to return."""

    deploy_id: str = Field(min_length=1, max_length=200, description="The id of a deployment: `dep_…`.")
    pod_name: str | None = Field(None, max_length=200, description="Lines of this instance only, as `entries` names it.")
    start: str | None = Field(
        None,
        alias="from",
        pattern=UNIX,
        description="Lines from this moment on, in unix seconds: the first ones. Without it, the last ones.",
    )
    end: str | None = Field(None, alias="to", pattern=UNIX, description="Lines before this moment, in unix seconds.")
    limit: int = Field(100, ge=1, le=1000, description="How many lines to return at most.")

    @property
    def span(self) -> Span:
        return Span(*(None if text is None else unix(text) for text in (self.start, self.end)))


class LogEntry(RootModel[tuple[str, str]]):
    """When, in unix seconds with nine decimal places, and the line."""


class DeploymentLogQueryOut(Wire):
    """Lines of a log."""

    entries: dict[str, list[LogEntry]] = Field(
        description="The lines of each instance, oldest first; those of no instance are under `platform`."
    )


async def query(ctx: Context, request: Request) -> DeploymentLogQueryOut:
    """Get lines of a deployment's log, by instance."""
    wanted = parse(LogQuery, dict(request.query_params), at="query")
    lines = await deployment_logs.within(ctx, wanted.deploy_id, wanted.span, replica=wanted.pod_name, limit=wanted.limit)
    entries: dict[str, list[LogEntry]] = defaultdict(list)
    for line in lines:
        entries[line.replica].append(LogEntry((_unix(line.at), line.message)))
    return DeploymentLogQueryOut(entries=dict(entries))


def _unix(at: datetime) -> str:
    seconds, micros = divmod(clock.to_micros(at), 1_000_000)
    return f"{seconds}.{micros:06}000"


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/deployment_logs/query",
        handler=query,
        tag=TAG,
        answers=DeploymentLogQueryOut,
        query=LogQuery,
        errors=(404,),
        dialect=DEEPINFRA,
    ),
]
