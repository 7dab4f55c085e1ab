"""Lines of a deployment's log by the time at which they were said, each with the replica that said it."""

from dataclasses import dataclass
from datetime import datetime

from burnish.kit.paging import Span
from burnish.kit.scanning import Sought, word
from burnish.kit.stream import MAX_SEQ, Row
from resolvers import deployments
from resolvers.context import Context

KIND = "logs"
PLATFORM = "platform"
LOOKED_AT_ONCE = 50_000


@dataclass(frozen=True)
class Line:
    """`replica` is the id of the one that said it, or `platform`."""

    at: datetime
    replica: str
    message: str


async def within(ctx: Context, deployment_id: str, span: Span, *, replica: str | None = None, limit: int) -> list[Line]:
    """Return at most `limit` lines of a period, oldest first: the first ones where it has a start, else the last ones."""
    words = () if replica is None else ((word(replica),),)

    def matches(row: Row) -> bool:
        return replica in (None, _replica(row)) and _is_in(span, _at(row))

    backwards = span.since is None
    after, before, more = 0, MAX_SEQ, True
    rows: list[Row] = []
    while more and len(rows) < limit:
        found = await deployments.streams.scan(
            ctx,
            deployment_id,
            KIND,
            Sought(matches, words),
            after=after,
            before=before,
            limit=limit - len(rows),
            most=LOOKED_AT_ONCE,
            backwards=backwards,
        )
        rows = [*found.rows, *rows] if backwards else [*rows, *found.rows]
        after, before = (after, found.reached) if backwards else (found.reached, before)
        more = found.more
    # Hosts append what their replicas say as it comes: neighbouring lines may be out of order.
    return sorted((Line(_at(row), _replica(row), row.data["message"]) for row in rows), key=lambda line: line.at)


def _at(row: Row) -> datetime:
    return datetime.fromisoformat(row.data["at"])


def _replica(row: Row) -> str:
    return str(row.data.get("replica") or PLATFORM)


def _is_in(span: Span, at: datetime) -> bool:
    return (span.since is None or at >= span.since) and (span.before is None or at < span.before)
