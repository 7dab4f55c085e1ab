"""The routes of this dialect, and the answer to everything else under `/deploy`."""

from starlette.routing import BaseRoute

from rest_compat.deepinfra import deployments, gpus, legacy, logs, names, stats
from rest_compat.deepinfra.errors import DEEPINFRA
from rest_compat.operation import Unmatched, route

# What has a name of its own stands before what looks like an id.
OPERATIONS = [
    *gpus.OPERATIONS,
    *names.OPERATIONS,
    *legacy.OPERATIONS,
    *stats.OPERATIONS,
    *deployments.OPERATIONS,
    *logs.OPERATIONS,
]


def routes() -> list[BaseRoute]:
    return [*(route(operation) for operation in OPERATIONS), Unmatched("/deploy", DEEPINFRA)]
