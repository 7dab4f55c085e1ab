"""Requests as a gateway logs them, for tests of who writes or reads the log."""

from typing import Any

from burnish.kit import clock, ids
from engines.serving.request_log import Logged
from models.deployment import InferenceRequest


def logged(account_id: str = "acct", deployment_id: str = "dep", **values: Any) -> Logged:
    """Return a call that a replica answered well, but for the values given."""
    given: dict[str, Any] = {
        "id": ids.new("req"),
        "account_id": account_id,
        "deployment_id": deployment_id,
        "replica_id": None,
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "latency_ms": 12.5,
        "ttft_ms": None,
        "status_code": 200,
        "streamed": False,
        "finish_reason": None,
        "client_cancelled": False,
        "error_message": None,
        "created_micros": clock.now_micros(),
    }
    return Logged(**(given | values))


def row_of(request: InferenceRequest) -> dict[str, Any]:
    """Return a logged call as its deployment's stream `requests` has it."""
    values = request.model_dump(exclude={"created_at"})
    return Logged(**values, created_micros=clock.to_micros(request.created_at)).as_row()
