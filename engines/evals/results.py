"""The figures of a run, from its items: read in the order of the dataset, in constant memory but for a number an item.

`score` and each of `scorers` have a mean with its 95 % interval. `pass_at_k` counts an answer as passed where its score, the
weighted mean of all scorers', is 1 or more. What was not scored is in none of these. `answered` and `unanswered` count the items
with and without an answer, and `errors` says how many requests failed, by cause. `usage` is the model's; `cost_usd` is of all
that was asked, judges included, as their share of their replicas' time.
"""

from array import array
from collections.abc import Sequence
from typing import Any

from sqlmodel import col, select, tuple_

from burnish.kit.core import Core
from engines.evals import figures, inner
from engines.evals.figures import Clusters
from engines.evals.scorers import Scorer
from models.batch import Batch
from models.eval import EvalItem, EvalRun

ITEMS_AT_ONCE = 1000
NANOS = 10**9
PLACE = (col(EvalItem.item_index), col(EvalItem.sample))
COLUMNS: Any = (
    EvalItem.item_index,
    EvalItem.sample,
    EvalItem.score,
    EvalItem.scores,
    EvalItem.errors,
    EvalItem.latency_ms,
    EvalItem.error,
)


class Tally:
    """What the items of a run come to, taken in one by one."""

    def __init__(self, scorers: Sequence[Scorer], samples: int) -> None:
        self._names = [scorer.name for scorer in scorers]
        self._samples = samples
        self._score = Clusters()
        self._each = {name: Clusters() for name in self._names}
        self._errors = dict.fromkeys(self._names, 0)
        self._rows: dict[int, tuple[int, int]] = {}
        self._latencies = array("d")
        self._unanswered = self._items = 0

    def add(self, item: Any) -> None:
        """Take in an item, as `COLUMNS` has it."""
        index, _, score, scores, errors, latency, error = item
        self._items += 1
        self._unanswered += error is not None
        if score is not None:
            self._score.add(index, score)
            count, passed = self._rows.get(index, (0, 0))
            self._rows[index] = count + 1, passed + (score >= figures.PASS - figures.SAME)
        for name in self._names:
            value = scores.get(name)
            if value is not None:
                self._each[name].add(index, value)
            elif errors and name in errors:
                self._errors[name] += 1
        if latency is not None:
            self._latencies.append(latency)

    def figures(self) -> dict[str, Any]:
        latencies = sorted(self._latencies)
        score = self._score.mean()
        return {
            "score": {**_mean(score), "items": score.items},
            "scorers": {name: self._of(name) for name in self._names},
            "pass_at_k": figures.pass_at_k(self._rows.values(), self._samples),
            "samples": self._samples,
            "answered": self._items - self._unanswered,
            "unanswered": self._unanswered,
            "latency_ms": {"p50": figures.percentile(latencies, 0.5), "p95": figures.percentile(latencies, 0.95)},
        }

    def _of(self, name: str) -> dict[str, Any]:
        mean = self._each[name].mean()
        return {**_mean(mean), "scored": mean.items, "errors": self._errors[name]}


def _mean(mean: figures.Mean) -> dict[str, Any]:
    return {"mean": mean.mean, "ci_low": mean.ci_low, "ci_high": mean.ci_high}


async def results(core: Core, run: EvalRun, scorers: Sequence[Scorer], answers: Batch, judges: Sequence[Batch]) -> dict[str, Any]:
    """Return the figures of a run whose items are all written."""
    tally = Tally(scorers, run.samples)
    place: Any = tuple_(*PLACE)
    last = (-1, -1)
    while True:
        statement = select(*COLUMNS).where(EvalItem.run_id == run.id, place > last).order_by(*PLACE)
        async with core.db.read() as session:
            found = (await session.exec(statement.limit(ITEMS_AT_ONCE))).all()
        for one in found:
            tally.add(one)
        if len(found) < ITEMS_AT_ONCE:
            break
        last = found[-1][:2]
    async with core.db.read() as session:
        causes = await inner.causes(session, answers.id)
    cost = answers.cost_nanos + sum(judge.cost_nanos for judge in judges)
    found_all = tally.figures()
    found_all["errors"] = {code: count for code, count, _ in causes}
    found_all["usage"] = {"prompt_tokens": answers.prompt_tokens, "completion_tokens": answers.completion_tokens}
    found_all["cost_usd"] = cost / NANOS
    return found_all
