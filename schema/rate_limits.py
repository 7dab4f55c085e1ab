"""How much a caller may ask a minute: operations, and points of cost. By key; without one, a tenth of it by address."""

import math
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any, NamedTuple

import strawberry

from burnish.kit import clock
from burnish.kit.limits import Limiter, Standing
from schema.admitted import too_dear
from schema.context import Info, RequestContext
from schema.cost import MAX_COST
from schema.scalars import BigInt

SHARE_OF_STRANGERS = 10


class Allowance(NamedTuple):
    """A caller's two buckets; 0 a minute is no limit."""

    limiter: Limiter
    caller: str
    requests_per_minute: int
    points_per_minute: int

    @classmethod
    def of(cls, context: RequestContext) -> "Allowance":
        settings, limiter = context.platform.core.settings, context.platform.core.limiter
        requests, points = settings.requests_per_minute, settings.points_per_minute
        if context.is_known:
            return cls(limiter, context.known.key.id, requests, points)
        share = [max(1, number // SHARE_OF_STRANGERS) if number else 0 for number in (requests, points)]
        return cls(limiter, f"address:{_network(context.address)}", *share)

    def request(self) -> None:
        """Count an operation; RateLimited where there have been too many, or too dear ones."""
        if self.requests_per_minute:
            self.limiter.take(f"requests:{self.caller}", self.requests_per_minute)
        if self.points_per_minute:
            self.limiter.take(f"points:{self.caller}", self.points_per_minute, 0)

    def points(self, cost: int) -> None:
        """Take what an operation costs; RateLimited where it is not there yet, GraphQLError where it never will be."""
        if 0 < self.points_per_minute < cost:
            raise too_dear(cost, self.points_per_minute)
        if self.points_per_minute:
            self.limiter.take(f"points:{self.caller}", self.points_per_minute, cost)

    def charge(self, points: float) -> None:
        """Take what something has cost already."""
        if self.points_per_minute:
            self.limiter.charge(f"points:{self.caller}", self.points_per_minute, points)

    def standing(self) -> Standing | None:
        """Return how the points stand; None where there is no limit."""
        if not self.points_per_minute:
            return None
        return self.limiter.look(f"points:{self.caller}", self.points_per_minute)


def _network(address: str) -> str:
    """Return whose an address is: of IPv6, everybody has a network of 64 bits at least."""
    try:
        return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
    except ValueError:
        return address


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
