"""The figures of a run, from what `engines.evals.results` has stored of them."""

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


@dataclass(frozen=True)
class Results:
    """The figures of the weighted score, and those of each scorer by its name."""

    score: Figures
    scorers: dict[str, Figures]
    answered: int
    unanswered: int

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Results":
        answered, unanswered = stored["answered"], stored["unanswered"]
        items = answered + unanswered
        score = stored["score"]
        # Whether an answer is right is for all scorers together to say.
        passed = dict(sorted((int(k), value) for k, value in stored["pass_at_k"].items()))
        scorers = {name: _figures(one, one["scored"], items, {}) for name, one in stored["scorers"].items()}
        return cls(_figures(score, score["items"], items, passed), scorers, answered, unanswered)


def _figures(stored: Mapping[str, Any], count: int, items: int, pass_at_k: dict[int, float]) -> Figures:
    return Figures(stored["mean"], stored["ci_low"], stored["ci_high"], count, items - count, pass_at_k)
