"""The figures of a run as it keeps them in `results`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figures:
    """What scores come to: `count` answers have one and `missing` have none. The mean lies between `low` and `high` in 95 of 100
    such runs; all three are None where no answer was scored. `pass_at_k` is by k.
    """

    mean: float | None
    low: float | None
    high: float | None
    count: int
    missing: int
    pass_at_k: dict[int, float]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Figures":
        return cls(
            mean=stored.get("mean"),
            low=stored.get("low"),
            high=stored.get("high"),
            count=stored.get("count", 0),
            missing=stored.get("missing", 0),
            pass_at_k=dict(sorted((int(k), value) for k, value in (stored.get("pass_at_k") or {}).items())),
        )


@dataclass(frozen=True)
class Results:
    """The figures of the weighted score, and those of each scorer by its name."""

    score: Figures
    scorers: dict[str, Figures]
    answered: int
    unanswered: int

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Results":
        return cls(
            score=Figures.of(stored.get("score") or {}),
            scorers={name: Figures.of(figures) for name, figures in (stored.get("scorers") or {}).items()},
            answered=stored.get("answered", 0),
            unanswered=stored.get("unanswered", 0),
        )
