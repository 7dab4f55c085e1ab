"""How far a batch is, and when it may be done."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from burnish.kit import clock
from burnish.kit.stream import Row
from models import batch
from models.batch import Batch

# A rate that a host has told is believed for so long.
FRESH_S = 10.0


@dataclass(frozen=True)
class Progress:
    """What cannot be known yet is None; the time left is an estimate from the rate of the last seconds, else from the mean."""

    done: int
    total: int | None
    fraction: float | None
    in_flight: int
    per_second: float | None
    eta_s: int | None


def of(row: Batch, last: Row | None) -> Progress:
    """Return how far a batch is; `last` is the last row of its stream `progress`."""
    done = row.completed + row.failed
    total = row.total or None
    working = row.status == batch.IN_PROGRESS
    fresh = last.data if working and last is not None and _age_s(last.data) <= FRESH_S else None
    rate = fresh["per_second"] if fresh is not None else None
    if rate is None and working:
        rate = _mean(row, done)
    return Progress(
        done=done,
        total=total,
        fraction=None if total is None else min(1.0, done / total),
        in_flight=fresh["in_flight"] if fresh is not None else 0,
        per_second=rate,
        eta_s=eta_s(rate, row.total - done) if working else None,
    )


def eta_s(rate: float | None, left: int) -> int | None:
    """Return how long so many lines take; None at no rate."""
    return round(left / rate) if rate else None


def _age_s(data: dict[str, Any]) -> float:
    return clock.seconds_between(datetime.fromisoformat(data["at"]), clock.now())


def _mean(row: Batch, done: int) -> float | None:
    if row.in_progress_at is None or done == 0:
        return None
    taken_s = clock.seconds_between(row.in_progress_at, clock.now())
    return done / taken_s if taken_s > 0 else None
