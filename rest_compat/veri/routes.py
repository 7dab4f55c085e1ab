"""The routes of this dialect, and the answer to everything else under `/v1`."""

from starlette.routing import BaseRoute

from rest_compat import downloads, openapi
from rest_compat.errors import VERI
from rest_compat.operation import Unmatched, guarded, route
from rest_compat.veri import (
    api_keys,
    audit_log,
    billing,
    costs,
    datasets,
    deployment_changes,
    deployment_history,
    deployments,
    eval_runs,
    evals,
    integrations,
    job_history,
    job_logs,
    job_models,
    job_plans,
    jobs,
    me,
    payments,
    reward_functions,
    ssh_keys,
)

OPERATIONS = [
    *datasets.OPERATIONS,
    *reward_functions.OPERATIONS,
    *job_plans.OPERATIONS,
    *jobs.OPERATIONS,
    *job_history.OPERATIONS,
    *job_logs.OPERATIONS,
    *job_models.OPERATIONS,
    *deployments.OPERATIONS,
    *deployment_changes.OPERATIONS,
    *deployment_history.OPERATIONS,
    *evals.OPERATIONS,
    *eval_runs.OPERATIONS,
    *costs.OPERATIONS,
    *billing.OPERATIONS,
    *api_keys.OPERATIONS,
    *ssh_keys.OPERATIONS,
    *integrations.OPERATIONS,
    *audit_log.OPERATIONS,
    *me.OPERATIONS,
]


def routes() -> list[BaseRoute]:
    return [
        *(route(operation) for operation in OPERATIONS),
        *(guarded("GET", path, downloads.get) for path in downloads.PATHS),
        guarded("POST", payments.PATH, payments.receive),
        guarded("GET", "/v1/openapi.json", openapi.get),
        Unmatched("/v1", VERI),
    ]
