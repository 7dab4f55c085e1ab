"""What deployments were asked: counts and times of each call."""

from datetime import datetime
from typing import Self

import strawberry

from models import deployment
from schema.nodes import Connection, Node


@strawberry.type(description="One call of a deployment: counts and times, never what was said.")
class InferenceRequest(Node):
    replica_id: strawberry.ID | None = strawberry.field(description="The replica that took it; null where it was refused before.")
    prompt_tokens: int = strawberry.field(description="The tokens of the prompt.")
    completion_tokens: int = strawberry.field(description="The tokens of the answer.")
    latency_ms: float = strawberry.field(description="The time from its arrival to the whole answer.")
    ttft_ms: float | None = strawberry.field(description="The time from its arrival to the first token of a streamed answer.")
    status_code: int = strawberry.field(description="The HTTP status of the answer.")
    streamed: bool = strawberry.field(description="Whether the answer was streamed.")
    finish_reason: str | None = strawberry.field(description="Why the answer ended, such as `stop` or `length`.")
    client_cancelled: bool = strawberry.field(description="Whether the caller left before the end.")
    error_message: str | None = strawberry.field(description="What went wrong.")
    created_at: datetime = strawberry.field(description="When it arrived.")

    @classmethod
    def of(cls, row: deployment.InferenceRequest) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            replica_id=None if row.replica_id is None else strawberry.ID(row.replica_id),
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            latency_ms=row.latency_ms,
            ttft_ms=row.ttft_ms,
            status_code=row.status_code,
            streamed=row.streamed,
            finish_reason=row.finish_reason,
            client_cancelled=row.client_cancelled,
            error_message=row.error_message,
            created_at=row.created_at,
        )


@strawberry.type(description="A page of inference requests, newest first.")
class InferenceRequestConnection(Connection[InferenceRequest]): ...
