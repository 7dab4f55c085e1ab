"""What the autoscaler decided about a deployment, and why: the events `scaled` among all that happened to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from burnish.kit.errors import Invalid
from burnish.kit.scanning import Sought, word
from burnish.kit.stream import MAX_SEQ, Row
from resolvers import deployments
from resolvers.context import Context

TYPE = "scaled"
MOST = 100
MOST_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Decision:
    """A change of how many replicas a deployment wants, with the load that it was decided on. `by_rps` and `by_latency` are how
    many each of the two targets asked for, None where it asked for nothing.
    """

    seq: int
    at: datetime
    before: int
    after: int
    reason: str
    rps: float | None
    p95_ms: float | None
    requests: int | None
    by_rps: int | None
    by_latency: int | None

    @classmethod
    def of(cls, row: Row) -> Self:
        told = row.data["metadata"]
        return cls(
            seq=row.seq,
            at=datetime.fromisoformat(row.data["at"]),
            before=told["from"],
            after=told["to"],
            reason=told["reason"],
            rps=told.get("rps"),
            p95_ms=told.get("p95_ms"),
            requests=told.get("requests"),
            by_rps=told.get("by_rps"),
            by_latency=told.get("by_latency"),
        )


async def last(ctx: Context, deployment_id: str, count: int = 50, *, before: int | None = None) -> list[Decision]:
    """Return the last `count` decisions about a deployment, newest first; with `before` those that precede this one's `seq`.

    Looks at a bounded part of what happened, however much that is.
    """
    if not 1 <= count <= MOST:
        raise Invalid(f"last is 1 to {MOST}.", param="last")
    sought = Sought(lambda row: row.data["type"] == TYPE, ((word(TYPE, whole=True),),))
    found = await deployments.streams.scan(
        ctx,
        deployment_id,
        "events",
        sought,
        before=MAX_SEQ if before is None else before,
        limit=count,
        most=MOST_LOOKED_AT,
        backwards=True,
    )
    return [Decision.of(row) for row in reversed(found.rows)]
