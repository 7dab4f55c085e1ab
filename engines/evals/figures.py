"""What scores come to: a mean and how sure it is, pass@k, and two runs against each other.

Answers to one row are not independent: the row is the cluster. All figures are None where there is nothing to tell them from.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# Of the standard normal distribution: what 95 of 100 fall within.
Z_95 = 1.959963984540054
# Scores that are nearer than this are the same: they are means of floats.
SAME = 1e-9
PASS = 1.0


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `items` scores in `rows` rows, and its 95 % interval; the ends are None for fewer than two rows."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    items: int
    rows: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run's score less the first's, over the rows that both have scored."""

    rows: int
    better: int
    worse: int
    same: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None


class Clusters:
    """Sums of scores by row, taken in one by one: what a clustered mean needs and no more."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[float, int]] = {}

    def add(self, row: int, score: float) -> None:
        total, count = self._sums.get(row, (0.0, 0))
        self._sums[row] = total + score, count + 1

    def mean(self) -> Mean:
        """Return the mean of all scores with an interval for samples that come in clusters of unequal size.

        With G rows, n scores and the mean m: SE² = G / (G - 1) · Σ_rows (Σ_of the row (s - m))² / n², the clustered standard
        error of Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), with the usual correction for few clusters (Cameron and
        Miller, "A Practitioner's Guide to Cluster-Robust Inference", 2015); with one answer a row it is that of the central limit
        theorem. The interval is m ± t · SE, with the t of G - 1 degrees of freedom.
        """
        groups, items = len(self._sums), sum(count for _, count in self._sums.values())
        if not items:
            return Mean(None, None, None, 0, 0)
        mean = math.fsum(total for total, _ in self._sums.values()) / items
        if groups < 2:
            return Mean(mean, None, None, items, groups)
        squares = math.fsum((total - count * mean) ** 2 for total, count in self._sums.values())
        margin = t_95(groups - 1) * math.sqrt(groups / (groups - 1) * squares) / items
        return Mean(mean, mean - margin, mean + margin, items, groups)


def t_95(freedom: int) -> float:
    """Return what 95 of 100 values of Student's t fall within, to 0.2 %.

    Exact for 1 and 2 degrees of freedom; beyond, the expansion of Abramowitz and Stegun 26.7.5, which gets better with each.
    """
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = Z_95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(freedom) ** power for power, term in enumerate(terms, 1))


def pass_at(samples: int, passed: int, k: int) -> float:
    """Return the chance that of `k` answers, drawn from `samples` of which `passed` pass, one passes: 1 - C(n-c, k) / C(n, k).

    The unbiased estimate of Chen et al., "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374).
    """
    return 1 - math.comb(samples - passed, k) / math.comb(samples, k)


def pass_at_k(rows: Iterable[tuple[int, int]], samples: int) -> dict[str, float]:
    """Return pass@k for 1, 2, 4 … and all `samples`: the mean over the rows, each (answers that are scored, those that pass).

    Rows with fewer than k scored answers say nothing of k; a k that no row tells of is left out.
    """
    known = [(count, passed) for count, passed in rows if count]
    ks = sorted({2**power for power in range(samples.bit_length()) if 2**power <= samples} | {samples})
    chances = {k: [pass_at(count, passed, k) for count, passed in known if count >= k] for k in ks}
    return {str(k): math.fsum(found) / len(found) for k, found in chances.items() if found}


def compare(first: Mapping[int, float], second: Mapping[int, float]) -> Comparison:
    """Compare the mean scores of rows in two runs."""
    return paired([second[row] - first[row] for row in sorted(first.keys() & second.keys())])


def paired(differences: Sequence[float]) -> Comparison:
    """Return what differences of paired rows come to: their mean ± t standard errors of paired differences (Miller, too)."""
    clusters = Clusters()
    for row, difference in enumerate(differences):
        clusters.add(row, difference)
    mean = clusters.mean()
    better, worse = sum(one > SAME for one in differences), sum(one < -SAME for one in differences)
    same = len(differences) - better - worse
    return Comparison(len(differences), better, worse, same, mean.mean, mean.ci_low, mean.ci_high)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which a share of the sorted values is, between two neighbours in proportion."""
    if not values:
        return None
    place = share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)
