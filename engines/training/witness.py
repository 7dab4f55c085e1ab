"""What rank 0 makes of sampled completions: the rollouts of a step for the parent, and the score of a look at held-out rows."""

from collections.abc import Callable, Sequence

from engines.protocol import Group, Reporter
from engines.rewards.jail import Scores
from engines.training.rollouts import Sampled, build_groups, look_metrics
from engines.training.scoring import Scorer

# Of what the reward printed at a step so much is kept beside its rollouts; all of it is in the log.
KEPT_OUTPUT = 16_384


Complete = Callable[[Sequence[Group]], None]


class Rollouts:
    """Reports each step as it is sampled; keeps what a look sampled until its score is asked for.

    `complete` adds to the groups of a step what neither tokens nor scores tell of it.
    """

    def __init__(self, scorer: Scorer, group_size: int, reporter: Reporter, complete: Complete | None = None) -> None:
        self._scorer = scorer
        self._group_size = group_size
        self._reporter = reporter
        self._complete = complete
        self._looks: list[tuple[Sampled, Scores]] = []

    def sampled(self, step: int, sampled: Sampled) -> None:
        """Tell the parent of the completions of a step, as the scorer has just scored them."""
        scores = self._scorer.last
        groups = build_groups(sampled, scores, self._group_size)
        if self._complete is not None:
            self._complete(groups)
        self._reporter.rollouts(step, groups, scores.stdout[:KEPT_OUTPUT])

    def looked(self, sampled: Sampled) -> None:
        """Keep completions of held-out rows: the first of those that the scorer has just scored."""
        self._looks.append((sampled, self._scorer.last))

    def score(self) -> dict[str, float]:
        """Return the numbers of the look, and be ready for the next."""
        looks, self._looks = self._looks, []
        return look_metrics(looks)
