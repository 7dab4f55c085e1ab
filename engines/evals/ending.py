"""How a run ends, by its host or by its owner: what it has asked goes no further, and the deployment that was made for it stops,
in the transaction that ends it. So there is no moment at which a run has ended and something of it goes on costing.

Locks are taken in this order: the run, its batches, its deployment, the account.
"""

from typing import Any

from burnish.kit import clock, outbox, stream
from burnish.kit.db import Session
from engines.evals import inner
from engines.serving import stopping
from models import batch, transitions
from models import deployment as dep
from models import eval as evaluation
from models.batch import Batch
from models.deployment import Deployment
from models.eval import EvalRun
from models.leases import LeaseLost


async def end(
    session: Session,
    run: EvalRun,
    to: str,
    *,
    token: int | None = None,
    line: str | None = None,
    level: str = "info",
    **values: Any,
) -> bool:
    """Move a run to its end, with all that hangs on it; the caller holds its lock. False where it has ended already."""
    if run.status in evaluation.TERMINAL:
        return False
    values |= {"completed_at": clock.now(), **used(await inner.parts(session, run.id, lock=True))}
    # Its deployment before the run's own move, which takes the account's stream: whoever ends a deployment takes them so.
    if run.owns_deployment and run.deployment_id is not None:
        row = await session.get_one(Deployment, run.deployment_id, with_for_update=True)
        if row.status not in dep.TERMINAL:
            await stopping.end(session, row, "Status: stopped, with the eval run that it was made for")
    if not await transitions.move(session, run, to, token=token, line=line, level=level, **values):
        raise LeaseLost(run.id)
    await inner.cancel(session, run.id)
    return True


def used(parts: list[Batch]) -> dict[str, int]:
    """Return what a run has used so far: the tokens of its model, and the cost of all that was asked."""
    answers = next((part for part in parts if (part.labels or {}).get(inner.PART) == inner.ANSWERS), None)
    return {
        "prompt_tokens": answers.prompt_tokens if answers else 0,
        "completion_tokens": answers.completion_tokens if answers else 0,
        "cost_nanos": sum(part.cost_nanos for part in parts),
    }


async def cancel(session: Session, run: EvalRun) -> bool:
    """End a run for its owner, at once; the caller holds its lock. False where it has ended already."""
    if not await end(session, run, evaluation.CANCELLED, line="Status: cancelled, by the user"):
        return False
    if not run.is_leased:
        await stream.end(session, run.id, evaluation.STREAMS, evaluation.CANCELLED)
    outbox.put(session, batch.RUN_MESSAGE, run.id)
    return True
