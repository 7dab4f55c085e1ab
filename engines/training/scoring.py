"""The reward function that TRL calls: it hands each step's completions to the jail that holds the user's own."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from engines.protocol import Reporter
from engines.rewards.jail import Scores
from engines.rewards.shapes import Shape
from engines.training import interrupt, ranks
from engines.training.prompts import Row, columns_of
from engines.training.rollouts import score_metrics

# One completion: its prompt, itself, its tokens and the number of its row.
Sample = tuple[Any, Any, list[int], int]


class Judge(Protocol):
    """What scores completions: `engines.rewards.jail.Jail`."""

    @property
    def shape(self) -> Shape: ...

    def score(
        self,
        prompts: list[Any],
        completions: list[Any],
        columns: dict[str, list[Any]],
        *,
        completion_ids: list[list[int]] | None = None,
        prompt_ids: list[list[int]] | None = None,
    ) -> Scores: ...


class Scorer:
    """Scores the completions of one step at a time, those of all processes at once: `judge` is rank 0's, None on the others.

    A failing reward raises `ChildFailure("reward_function_error")` from the jail, and a stop `interrupt.Stopped`: scoring may
    take as long as the reward's deadline, and a cancelled job must not wait for it.
    """

    def __init__(
        self,
        judge: Judge | None,
        rows: Sequence[Row],
        group_size: int,
        reporter: Reporter,
        prompt_ids: Callable[[Row], list[int]] | None = None,
    ) -> None:
        self._judge = judge
        self._prompt_ids = prompt_ids
        self._rows = {row.index: row for row in rows}
        self._group_size = group_size
        self._reporter = reporter
        self._last: Scores | None = None

    # TRL names its own metrics after the function: `rewards/reward/mean`.
    def reward(
        self,
        prompts: list[Any],
        completions: list[Any],
        completion_ids: list[list[int]],
        row: Sequence[int],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float | None]:
        """Return a reward per completion of this process; None leaves the sample out."""
        of_all = ranks.gather(list(zip(prompts, completions, completion_ids, row, strict=True)))
        rewards = [] if self._judge is None else self._score(self._judge, of_all, log_metric)
        start = ranks.number() * len(prompts)
        return ranks.share(rewards)[start : start + len(prompts)]

    def _score(self, judge: Judge, sampled: Sequence[Sample], log_metric: Callable[[str, float], None]) -> list[float | None]:
        rows = [self._rows[row] for *_, row in sampled]
        prompts, completions = [prompt for prompt, *_ in sampled], [completion for _, completion, *_ in sampled]
        columns, ids = columns_of(rows), self._token_ids(judge, rows, [ids for _, _, ids, _ in sampled])
        started = time.perf_counter()
        scores = interrupt.call(lambda: judge.score(prompts, completions, columns, **ids), self._stop)
        log_metric("score_time", time.perf_counter() - started)
        for name, value in score_metrics(scores, self._group_size).items():
            log_metric(name, value)
        for line in scores.stdout.splitlines():
            self._reporter.log(line, source="reward")
        self._last = scores
        return scores.rewards

    def _token_ids(self, judge: Judge, rows: Sequence[Row], completion_ids: list[list[int]]) -> dict[str, list[list[int]]]:
        """Return the token ids where the reward may look at them: they would be most of what it is sent."""
        if not judge.shape.tokens:
            return {}
        encode = self._prompt_ids or (lambda row: [])
        prompts = {index: encode(row) for index, row in {row.index: row for row in rows}.items()}
        return {"completion_ids": completion_ids, "prompt_ids": [prompts[row.index] for row in rows]}

    @property
    def last(self) -> Scores:
        """What the latest call found."""
        assert self._last is not None
        return self._last

    @property
    def _stop(self) -> threading.Event:
        return self._reporter.stop_requested
