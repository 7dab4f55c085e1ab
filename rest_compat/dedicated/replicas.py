"""What a replica has said."""

from pydantic import Field
from starlette.requests import Request

from resolvers import replicas
from resolvers.context import Context
from rest_compat.dedicated.deployments import BASE, TAG
from rest_compat.dedicated.errors import DEDICATED
from rest_compat.operation import Operation
from rest_compat.wire import Wire


class ReplicaLogs(Wire):
    """The last lines of a replica's engine."""

    error_logs: str = Field(description="The lines, oldest first; the last one says why it failed, where it did.")


async def logs(ctx: Context, request: Request) -> ReplicaLogs:
    """Get the log of a replica: the last lines of its engine, and why it failed."""
    return ReplicaLogs(error_logs="\n".join(await replicas.log(ctx, request.path_params["replica_id"])))


OPERATIONS = [
    Operation(
        method="GET",
        path=f"{BASE}/replica/{{replica_id}}/logs",
        handler=logs,
        tag=TAG,
        answers=ReplicaLogs,
        errors=(404,),
        dialect=DEDICATED,
    )
]
