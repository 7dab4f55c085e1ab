"""The figures of a run that has completed, as its host has stored them (`engines.evals.results`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.eval import EvalRun


@dataclass(frozen=True)
class Figures:
    """What scores come to: `count` answers have one and `missing` have none. The mean lies between `low` and `high` in 95 of 100
    such runs; the ends are None for fewer than two rows, and the mean too where nothing was scored.
    """

    mean: float | None
    low: float | None
    high: float | None
    count: int
    missing: int

    @classmethod
    def of(cls, stored: Mapping[str, Any], count: int, total: int) -> "Figures":
        return cls(stored["mean"], stored["ci_low"], stored["ci_high"], count, total - count)


@dataclass(frozen=True)
class Results:
    """The figures of the weighted score and those of each scorer by its name; pass@k by k; how many requests failed, by
    cause; latencies in milliseconds.
    """

    score: Figures
    scorers: dict[str, Figures]
    pass_at_k: dict[int, float]
    answered: int
    unanswered: int
    causes: dict[str, int]
    latency_p50_ms: float | None
    latency_p95_ms: float | None


def of(row: EvalRun) -> Results | None:
    """Return the figures of a run; None where it has none."""
    stored = row.results
    if stored is None:
        return None
    total = stored["answered"] + stored["unanswered"]
    return Results(
        score=Figures.of(stored["score"], stored["score"]["items"], total),
        scorers={name: Figures.of(each, each["scored"], total) for name, each in stored["scorers"].items()},
        pass_at_k=dict(sorted((int(k), value) for k, value in stored["pass_at_k"].items())),
        answered=stored["answered"],
        unanswered=stored["unanswered"],
        causes=dict(stored["errors"]),
        latency_p50_ms=stored["latency_ms"]["p50"],
        latency_p95_ms=stored["latency_ms"]["p95"],
    )
