"""How far a job is, and when it may be done."""

from dataclasses import dataclass

from burnish.kit import clock
from models import job
from models.job import Job


@dataclass(frozen=True)
class Progress:
    """What cannot be known yet is None; the time left is an estimate from the mean of the steps so far."""

    step: int
    total_steps: int | None
    fraction: float | None
    seconds_per_step: float | None
    eta_seconds: int | None


def of(row: Job) -> Progress:
    total = row.total_steps or None
    pace = _seconds_per_step(row)
    left = max(0, total - row.current_step) if total is not None else None
    eta = round(pace * left) if row.status == job.RUNNING and pace is not None and left is not None else None
    return Progress(
        step=row.current_step,
        total_steps=total,
        fraction=None if total is None else min(1.0, row.current_step / total),
        seconds_per_step=pace,
        eta_seconds=eta,
    )


def _seconds_per_step(row: Job) -> float | None:
    done = row.current_step - row.first_step
    if row.started_at is None or done < 1:
        return None
    until = row.completed_at or clock.now()
    return round(clock.seconds_between(row.started_at, until) / done, 3)
