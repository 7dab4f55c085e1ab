"""Replicas: the engine processes of a deployment, and how they proved themselves."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

import strawberry

from models import replica
from schema.hardware import Hardware
from schema.nodes import Money


@strawberry.type(
    description="How a replica answered a few prompts before it took traffic, beside what the training side had recorded: the "
    "same chat template, and log-probabilities as near as rounding allows."
)
class Parity:
    prompts: int = strawberry.field(description="The prompts that were compared.")
    template_matches: bool = strawberry.field(description="Whether the chat template made the same tokens of them.")
    max_difference: float | None = strawberry.field(
        description="The greatest difference of a log-probability; null where none was compared."
    )
    tolerance: float = strawberry.field(description="The greatest difference that is accepted.")
    checked_at: datetime | None = strawberry.field(description="When they were compared.")

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        at = found.get("checked_at")
        return cls(
            prompts=found["prompts"],
            template_matches=found["template_matches"],
            max_difference=found.get("max_difference"),
            tolerance=found["tolerance"],
            checked_at=None if at is None else datetime.fromisoformat(at),
        )


@strawberry.type(description="One engine process of a deployment.")
class Replica:
    id: strawberry.ID = strawberry.field(description="The id of the replica.")
    status: str = strawberry.field(
        description="Where it stands: `pending`, `pulling`, `loading`, `warming`, `running`, `draining`, `stopped` or `failed`."
    )
    version: int = strawberry.field(description="The number of the deployment's version that it serves.")
    engine: str | None = strawberry.field(description="What runs the model, such as `vllm`, once that is known.")
    hardware: Hardware | None = strawberry.field(description="What it runs on, once it is placed.")
    host_id: strawberry.ID = strawberry.field(description="The host it runs on; empty until one has taken it.")
    failure: str | None = strawberry.field(description="Why it ended, where that was not asked for.")
    stop_requested_at: datetime | None = strawberry.field(description="When it was told to end what it had begun, and to stop.")
    stop_reason: str | None = strawberry.field(description="Why it was told so.")
    parity: Parity | None = strawberry.field(
        description="How it proved that it answers as the trained model did; null before, and with nothing to compare."
    )
    last_health_at: datetime | None = strawberry.field(description="When it last answered a health check.")
    created_at: datetime = strawberry.field(description="When it was started.")
    ready_at: datetime | None = strawberry.field(description="When it first took traffic.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")

    @classmethod
    def of(cls, row: replica.Replica) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            status=row.status,
            version=row.version,
            engine=row.engine,
            hardware=None if row.gpu is None else Hardware.of(row.gpu, None),
            host_id=strawberry.ID(row.host_id or ""),
            failure=row.fail_reason,
            stop_requested_at=row.stop_requested_at,
            stop_reason=row.stop_reason,
            parity=None if row.parity is None else Parity.of(row.parity),
            last_health_at=row.last_health_at,
            created_at=row.created_at,
            ready_at=row.ready_at,
            ended_at=row.ended_at,
        )


def hourly(rows: Iterable[replica.Replica]) -> Money:
    """Return what an hour of those costs that have hardware now."""
    return Money.of(sum(row.rate_micros_per_hour or 0 for row in rows if row.ended_at is None))
