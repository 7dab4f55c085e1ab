"""How a deployment is ended for good, by its owner or with what it was made for."""

from burnish.kit import clock, outbox, stream
from burnish.kit.db import Session
from engines.serving import addressing
from models import billing, transitions
from models import deployment as dep
from models.deployment import Deployment


async def end(session: Session, row: Deployment, line: str) -> None:
    """Stop a deployment that is locked and has not ended, with its final billing; `line` is what its log says of it."""
    now = clock.now()
    cost = await billing.settle(session, row)
    await transitions.move(session, row, dep.STOPPED, line=line, stopped_at=now, cost_micros=cost)
    if not row.is_leased:
        await stream.end(session, row.id, dep.STREAMS, dep.STOPPED)
    outbox.put(session, addressing.SERVE_MESSAGE, row.id)
