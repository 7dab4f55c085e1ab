"""How much a caller may ask a minute: operations, and points of cost. By key; without one, a tenth of it by address."""

import math
from datetime import datetime, timedelta
from typing import Any, Self

import strawberry

from burnish.kit import clock
from burnish.kit.limits import Standing
from resolvers import rate_limits
from schema.admitted import too_dear
from schema.context import Info, RequestContext
from schema.cost import MAX_COST
from schema.scalars import BigInt


class Allowance(rate_limits.Allowance):
    """A caller's two buckets, as operations take from them."""

    @classmethod
    def of(cls, context: RequestContext) -> Self:
        if context.is_known:
            return cls.of_caller(context.known)
        return cls.of_address(context.platform.core, context.address)

    def points(self, cost: int) -> None:
        """Take what an operation costs; RateLimited where it is not there yet, GraphQLError where it never will be."""
        if 0 < self.points_per_minute < cost:
            raise too_dear(cost, self.points_per_minute)
        if self.points_per_minute:
            self.limiter.take(f"points:{self.caller}", self.points_per_minute, cost)


def cost_extension(cost: int, standing: Standing | None) -> dict[str, Any]:
    """Return what an answer says of its cost."""
    told: dict[str, Any] = {"requested": cost, "maximum": MAX_COST}
    if standing is not None:
        told |= {"limit": standing.limit, "remaining": standing.remaining}
        told["resetAt"] = _full_at(standing).isoformat().replace("+00:00", "Z")
    return told


def _full_at(standing: Standing) -> datetime:
    return clock.now().replace(microsecond=0) + timedelta(seconds=math.ceil(standing.full_in_s))


@strawberry.type(description="How much this API key may still ask, in points of cost. A minute gives all of them, evenly.")
class RateLimit:
    limit: BigInt = strawberry.field(description="The most points there can be.")
    cost: int = strawberry.field(description="What this operation costs.")
    remaining: BigInt = strawberry.field(description="The points that are left, after this operation.")
    used: BigInt = strawberry.field(description="The points that are missing to the most there can be.")
    reset_at: datetime = strawberry.field(description="When all will be there again, if nothing is asked until then.")


@strawberry.type
class RateLimitQueries:
    @strawberry.field(description="What this API key may still ask; null where this installation limits nothing.")
    def rate_limit(self, info: Info) -> RateLimit | None:
        standing = Allowance.of(info.context).standing()
        if standing is None:
            return None
        admitted = info.context.admitted
        return RateLimit(
            limit=BigInt(standing.limit),
            cost=1 if admitted is None else admitted.cost,
            remaining=BigInt(standing.remaining),
            used=BigInt(standing.limit - standing.remaining),
            reset_at=_full_at(standing),
        )
