"""What a serving deployment is asked and how it copes, as its followers get it: requests one by one, samples of the load.

Rows come as the gateways and the deployment's host wrote them; a figure that nobody could measure is null.
"""

from datetime import datetime
from typing import Any, Self

import strawberry

from burnish.kit.stream import Row
from resolvers import cursors
from resolvers.cursors import Cursor
from schema.inference_requests import InferenceRequest


@strawberry.type(description="Requests that a deployment has answered.")
class RequestBatch:
    requests: list[InferenceRequest] = strawberry.field(description="The requests, in the order they were logged.")
    cursor: Cursor = strawberry.field(description="The place after them.")

    @classmethod
    def of(cls, deployment_id: str, rows: list[Row]) -> Self:
        """Make a batch of one row or more."""
        cursor = cursors.position(deployment_id, "requests", rows[-1].seq)
        return cls(requests=[_request(row.data) for row in rows], cursor=cursor)


@strawberry.type(
    description="A deployment's load over a window of some seconds, and its engines at the window's end. Windows follow each "
    "other, and each request is counted in exactly one; where nothing changes there is one sample a minute, and in the time that "
    "no window covers nothing was asked."
)
class ServingSample:
    at: datetime = strawberry.field(description="The end of the window.")
    window_seconds: float = strawberry.field(description="The length of the window.")
    requests: int = strawberry.field(description="The requests that ended and were logged in the window.")
    errors: int = strawberry.field(
        description="Those among them that were answered with a status of 400 or more, the refused ones included."
    )
    error_rate: float | None = strawberry.field(description="Their share, 0 to 1; null without requests.")
    prompt_tokens: int = strawberry.field(description="The tokens of the prompts.")
    completion_tokens: int = strawberry.field(description="The tokens of the answers.")
    requests_per_second: float = strawberry.field(description="Requests by the length of the window.")
    tokens_per_second: float = strawberry.field(description="Tokens of the answers by the length of the window.")
    ttft_p50_ms: float | None = strawberry.field(
        description="The median time to the first token of streamed answers; null where none was streamed."
    )
    ttft_p95_ms: float | None = strawberry.field(
        description="The time to the first token that 95 % of the streamed answers kept within."
    )
    latency_p50_ms: float | None = strawberry.field(
        description="The median time from a request's arrival to its whole answer; null where no replica took one."
    )
    latency_p95_ms: float | None = strawberry.field(
        description="The time to the whole answer that 95 % of the requests that a replica took kept within."
    )
    running: int | None = strawberry.field(
        description="The sequences that the engines work on; null where a ready engine could not be asked, or none is ready."
    )
    waiting: int | None = strawberry.field(description="The sequences that wait for room in an engine; null likewise.")
    kv_cache_usage: float | None = strawberry.field(
        description="How full the KV cache of the fullest engine is, 0 to 1; null likewise."
    )
    replicas_ready: int = strawberry.field(description="The replicas that answer.")
    replicas_total: int = strawberry.field(description="Those and the ones that start.")

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """Make a sample of the data of a row."""
        return cls(
            at=datetime.fromisoformat(data["at"]),
            window_seconds=data["window_s"],
            requests=data["requests"],
            errors=data["errors"],
            error_rate=data["error_rate"],
            prompt_tokens=data["prompt_tokens"],
            completion_tokens=data["completion_tokens"],
            requests_per_second=data["requests_per_second"],
            tokens_per_second=data["tokens_per_second"],
            ttft_p50_ms=data["ttft_p50_ms"],
            ttft_p95_ms=data["ttft_p95_ms"],
            latency_p50_ms=data["latency_p50_ms"],
            latency_p95_ms=data["latency_p95_ms"],
            running=data["running"],
            waiting=data["waiting"],
            kv_cache_usage=data["kv_cache_usage"],
            replicas_ready=data["replicas_ready"],
            replicas_total=data["replicas_total"],
        )


@strawberry.type(description="Samples of a deployment's load.")
class StatsBatch:
    samples: list[ServingSample] = strawberry.field(description="The samples, oldest first.")
    cursor: Cursor = strawberry.field(description="The place after them.")

    @classmethod
    def of(cls, deployment_id: str, rows: list[Row]) -> Self:
        """Make a batch of one row or more."""
        cursor = cursors.position(deployment_id, "stats", rows[-1].seq)
        return cls(samples=[ServingSample.of(row.data) for row in rows], cursor=cursor)


def _request(data: dict[str, Any]) -> InferenceRequest:
    return InferenceRequest(
        id=strawberry.ID(data["id"]),
        # Not in the rows of earlier releases.
        replica_id=data.get("replica_id"),
        prompt_tokens=data["prompt_tokens"],
        completion_tokens=data["completion_tokens"],
        latency_ms=data["latency_ms"],
        ttft_ms=data["ttft_ms"],
        status_code=data["status_code"],
        streamed=data["streamed"],
        finish_reason=data["finish_reason"],
        client_cancelled=data["client_cancelled"],
        error_message=data["error_message"],
        created_at=datetime.fromisoformat(data["at"]),
    )
