"""How far an eval run is: answers that have come, and answers that are scored."""

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.kit import clock
from models import batch
from models import eval as evaluation
from models.batch import Batch
from models.eval import EvalRun


@dataclass(frozen=True)
class Progress:
    """What cannot be known yet is None; the time left is that of the answers, estimated from their mean so far."""

    answered: int
    processed: int
    total: int | None
    fraction: float | None
    eta_s: int | None


def of(row: EvalRun, parts: Sequence[Batch]) -> Progress:
    """Return how far a run is; of the batches that it consists of, the first asks the model."""
    asking = parts[0] if parts else None
    settled = 0 if asking is None else asking.completed + asking.failed
    # The items outlast what the batch was made of.
    answered = max(row.processed, settled)
    total = row.total
    return Progress(
        answered=answered,
        processed=row.processed,
        total=total,
        # Scoring is the lesser half of the work, and is half of the bar.
        fraction=None if not total else min(1.0, (answered + row.processed) / (2 * total)),
        eta_s=_eta_s(row, asking, settled),
    )


def _eta_s(row: EvalRun, asking: Batch | None, settled: int) -> int | None:
    if row.status != evaluation.RUNNING or row.total is None or asking is None or not settled:
        return None
    if asking.status != batch.IN_PROGRESS or asking.in_progress_at is None:
        return None
    taken_s = clock.seconds_between(asking.in_progress_at, clock.now())
    return round(taken_s / settled * max(0, row.total - settled))
