"""What the autoscaler decided about a deployment, and on what load."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers import decisions


@strawberry.type(description="A change of how many replicas a deployment wants, and the load that it was decided on.")
class ScalingDecision:
    at: datetime = strawberry.field(description="When it was decided.")
    before: int = strawberry.field(name="from", description="The replicas that were wanted before.")
    after: int = strawberry.field(name="to", description="The replicas that are wanted since.")
    reason: str = strawberry.field(description="Why, in words, such as `2→3: p95 6.1 s > 5 s`.")
    rps: float | None = strawberry.field(description="The requests a second, all replicas together.")
    p95_ms: float | None = strawberry.field(description="The time to the whole answer that 95 % of the requests kept within.")
    requests: int | None = strawberry.field(description="The requests of the sample that this was measured on.")
    by_rps: int | None = strawberry.field(description="The replicas that the target of requests a second asked for.")
    by_latency: int | None = strawberry.field(
        description="The replicas that the target of latency asked for; null where it was kept, or too few requests came to say."
    )

    @classmethod
    def of(cls, found: decisions.Decision) -> Self:
        return cls(
            at=found.at,
            before=found.before,
            after=found.after,
            reason=found.reason,
            rps=found.rps,
            p95_ms=found.p95_ms,
            requests=found.requests,
            by_rps=found.by_rps,
            by_latency=found.by_latency,
        )
