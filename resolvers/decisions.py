"""What the autoscaler decided about a deployment, and why: the events `scaled` among all that happened to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from burnish.kit.errors import Invalid
from burnish.kit.paging import Page
from burnish.kit.scanning import Sought, word
from burnish.kit.stream import MAX_SEQ, Row
from resolvers import deployments
from resolvers.context import Context

TYPE = "scaled"
# Digits of a place in a stream.
LONGEST = 16
MOST_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Decision:
    """A change of how many replicas a deployment wants, with the load that it was decided on. `id` is its place among all that
    happened to the deployment; `by_rps` and `by_latency` are how many each of the two targets asked for, None for nothing.
    """

    id: str
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
            id=str(row.seq),
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


async def page(ctx: Context, deployment_id: str, *, limit: int = 50, after: str | None = None) -> Page[Decision]:
    """Return the decisions about a deployment, newest first; Invalid for an `after` that is none of them.

    Looks at a bounded part of what happened, however much that is.
    """
    before = MAX_SEQ
    if after is not None:
        before = int(after) if after.isdecimal() and len(after) < LONGEST else 0
        found = await deployments.rows(ctx, deployment_id, "events", after=max(0, before - 1), limit=1)
        if not found or found[0].seq != before or found[0].data["type"] != TYPE:
            raise Invalid(f"No such item to continue after: {after}", param="after")
    scan = await deployments.streams.scan(
        ctx,
        deployment_id,
        "events",
        Sought(lambda row: row.data["type"] == TYPE, ((word(TYPE, whole=True),),)),
        before=before,
        limit=limit + 1,
        most=MOST_LOOKED_AT,
        backwards=True,
    )
    rows = scan.rows[::-1]
    return Page([Decision.of(row) for row in rows[:limit]], len(rows) > limit)
