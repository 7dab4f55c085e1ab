"""The routes of this dialect, and the answer to everything else under `/api/v2/external`."""

from starlette.routing import BaseRoute

from rest_compat.dedicated import deployments, machine_types, replicas
from rest_compat.dedicated.errors import DEDICATED
from rest_compat.operation import Unmatched, route

PREFIX = "/api/v2/external"
OPERATIONS = [*deployments.OPERATIONS, *replicas.OPERATIONS, *machine_types.OPERATIONS]


def routes() -> list[BaseRoute]:
    return [*(route(operation) for operation in OPERATIONS), Unmatched(PREFIX, DEDICATED)]
