"""What is kept and measured of each step's completions. Plain Python on lists: no tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engines.protocol import Completion, Group
from engines.rewards.jail import Scores
from engines.training.prompts import Row

# A group without spread teaches nothing. It counts as passed where its common reward reaches this, else as failed.
PASS_REWARD = 0.5
ZERO_STD = 1e-8
PERCENTILES = (10, 50, 90)


@dataclass(frozen=True, slots=True)
class Sampled:
    """The completions of one step, in order, those of one prompt beside each other."""

    rows: Sequence[Row]
    texts: Sequence[str]
    tokens: Sequence[int]
    truncated: Sequence[bool]
    advantages: Sequence[float]

    def first(self, count: int) -> "Sampled":
        """Return the first `count` completions."""
        return Sampled(
            rows=self.rows[:count],
            texts=self.texts[:count],
            tokens=self.tokens[:count],
            truncated=self.truncated[:count],
            advantages=self.advantages[:count],
        )


def join_sampled(parts: Sequence[Sampled]) -> Sampled:
    """Return the completions of several processes as those of one step."""
    return Sampled(
        rows=[row for part in parts for row in part.rows],
        texts=[text for part in parts for text in part.texts],
        tokens=[tokens for part in parts for tokens in part.tokens],
        truncated=[truncated for part in parts for truncated in part.truncated],
        advantages=[advantage for part in parts for advantage in part.advantages],
    )


def build_groups(sampled: Sampled, scores: Scores, group_size: int) -> list[Group]:
    """Return the step's rollouts, one group per prompt."""
    completions = [_completion(sampled, scores, index) for index in range(len(sampled.rows))]
    return [
        Group(
            dataset_row=sampled.rows[start].index,
            prompt=sampled.rows[start].prompt,
            completions=completions[start : start + group_size],
            weights=scores.weights,
        )
        for start in range(0, len(completions), group_size)
    ]


def _completion(sampled: Sampled, scores: Scores, index: int) -> Completion:
    reward = scores.rewards[index]
    return Completion(
        text=sampled.texts[index],
        reward=reward,
        components={name: values[index] for name, values in scores.components.items()},
        advantage=None if reward is None else sampled.advantages[index],
        tokens=sampled.tokens[index],
        truncated=sampled.truncated[index],
        score_error=scores.errors[index],
    )


def score_metrics(scores: Scores, group_size: int) -> dict[str, float]:
    """Return the step's reward metrics that TRL does not have: quantiles, components and what each of them contributes, spread
    within groups, dead groups, skipped samples.

    `reward_group_std` is the mean over groups of the sample standard deviation, the one that divides the advantages.
    """
    metrics = _dead_groups(scores.rewards, group_size)
    _put(metrics, "reward_group_std", _mean(_spreads(scores.rewards, group_size)))
    for name, values in scores.components.items():
        _put(metrics, f"rewards/{name}/mean", _mean(_present(values)))
        _put(metrics, f"rewards/{name}/std", _std(_present(values)))
        _put(metrics, f"rewards/{name}/group_std", _mean(_spreads(values, group_size)))
    for name, share in _shares(scores).items():
        metrics[f"rewards/{name}/variance_share"] = share
    if rewards := sorted(_present(scores.rewards)):
        metrics |= {f"reward_p{percent}": _quantile(rewards, percent / 100) for percent in PERCENTILES}
    metrics["reward_none_fraction"] = sum(reward is None for reward in scores.rewards) / len(scores.rewards)
    return metrics


def look_metrics(looks: Sequence[tuple[Sampled, Scores]]) -> dict[str, float]:
    """Return the means of a whole look at the held-out rows, each completion counted once. What was skipped has no reward."""
    rewards = [reward for sampled, scores in looks for reward in scores.rewards[: len(sampled.rows)]]
    metrics: dict[str, float] = {"eval_reward_none_fraction": sum(reward is None for reward in rewards) / len(rewards)}
    _put(metrics, "eval_reward", _mean(_present(rewards)))
    _put(metrics, "eval_reward_std", _std(_present(rewards)))
    for name in looks[0][1].components:
        values = [value for sampled, scores in looks for value in scores.components.get(name, [])[: len(sampled.rows)]]
        _put(metrics, f"eval_rewards/{name}/mean", _mean(_present(values)))
    _put(metrics, "eval_completions/mean_length", _mean([tokens for sampled, _ in looks for tokens in sampled.tokens]))
    _put(metrics, "eval_completions/clipped_ratio", _mean([float(cut) for sampled, _ in looks for cut in sampled.truncated]))
    return metrics


def _dead_groups(rewards: Sequence[float | None], group_size: int) -> dict[str, float]:
    groups = [_present(group) for group in _split(rewards, group_size)]
    dead = [group for group in groups if group and max(group) - min(group) < ZERO_STD]
    passed = sum(group[0] >= PASS_REWARD for group in dead)
    return {"frac_reward_all_pass": passed / len(groups), "frac_reward_all_fail": (len(dead) - passed) / len(groups)}


def _shares(scores: Scores) -> dict[str, float]:
    """Return the share of each named component in the variance of the weighted sum: its covariance with the sum over the sum's
    variance. They add up to 1; one that works against the others has a negative share. None where nothing varies.
    """
    whole = [values for values in zip(*scores.components.values(), strict=True) if None not in values]
    if len(scores.components) < 2 or len(whole) < 2:
        return {}
    factors = [scores.weights.get(name, 1.0) for name in scores.components]
    parts = [[factor * value for value in values] for factor, values in zip(factors, zip(*whole, strict=True), strict=True)]
    total = _centred([sum(values) for values in zip(*parts, strict=True)])
    variance = sum(value * value for value in total)
    if variance < ZERO_STD:
        return {}
    covariances = [sum(one * other for one, other in zip(_centred(part), total, strict=True)) for part in parts]
    return {name: covariance / variance for name, covariance in zip(scores.components, covariances, strict=True)}


def _centred(values: Sequence[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile between the two values that are next to it."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _spreads(values: Sequence[float | None], group_size: int) -> list[float]:
    return [spread for group in _split(values, group_size) if (spread := _std(_present(group))) is not None]


def _split(values: Sequence[float | None], size: int) -> list[Sequence[float | None]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _present(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _std(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _put(metrics: dict[str, float], key: str, value: float | None) -> None:
    if value is not None:
        metrics[key] = value
