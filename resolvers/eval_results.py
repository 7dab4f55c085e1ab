"""The figures of a run as it keeps them in `results`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NONE: Mapping[str, float] = {}


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
    def of(cls, stored: Mapping[str, Any], count: int, total: int, pass_at_k: Mapping[str, float] = NONE) -> "Figures":
        """Return what `count` of `total` answers were scored with."""
        by_k = dict(sorted((int(k), value) for k, value in pass_at_k.items()))
        return cls(stored.get("mean"), stored.get("ci_low"), stored.get("ci_high"), count, total - count, by_k)


@dataclass(frozen=True)
class Results:
    """The figures of the weighted score, and those of each scorer by its name."""

    score: Figures
    scorers: dict[str, Figures]
    answered: int
    unanswered: int

    @classmethod
    def of(cls, stored: Mapping[str, Any], total: int) -> "Results":
        """Read what a run of `total` answers keeps."""
        unanswered = sum(stored["errors"].values())
        scorers = {name: Figures.of(found, found["scored"], total) for name, found in stored["scorers"].items()}
        score = Figures.of(stored["score"], stored["score"]["items"], total, stored["pass_at_k"])
        return cls(score, scorers, total - unanswered, unanswered)
