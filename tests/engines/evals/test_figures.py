"""Figures against closed forms and simulations of the plainest kind."""

import itertools
import math
import random
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.evals import figures

SCORES = st.floats(-10, 10)


def clustered(rows: dict[int, list[float]]) -> figures.Mean:
    clusters = figures.Clusters()
    for row, scores in rows.items():
        for score in scores:
            clusters.add(row, score)
    return clusters.mean()


@given(st.lists(SCORES, min_size=2, max_size=30))
def test_with_one_answer_a_row_the_interval_is_that_of_the_central_limit_theorem(scores: list[float]) -> None:
    found = clustered({row: [score] for row, score in enumerate(scores)})
    margin = figures.t_95(len(scores) - 1) * stdev(scores) / math.sqrt(len(scores))

    assert found.mean == pytest.approx(fmean(scores), abs=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx((fmean(scores) - margin, fmean(scores) + margin), abs=1e-6)
    assert (found.items, found.rows) == (len(scores), len(scores))


@given(st.lists(SCORES, min_size=2, max_size=20), st.integers(2, 5))
def test_answers_that_are_all_the_same_add_nothing_to_what_is_known(scores: list[float], samples: int) -> None:
    once = clustered({row: [score] for row, score in enumerate(scores)})
    often = clustered({row: [score] * samples for row, score in enumerate(scores)})

    assert (often.mean, often.ci_low, often.ci_high) == pytest.approx((once.mean, once.ci_low, once.ci_high), abs=1e-6)


@given(st.lists(st.lists(SCORES, min_size=1, max_size=4), min_size=2, max_size=12))
def test_the_interval_is_the_sum_over_all_pairs_of_answers_to_one_row(rows: list[list[float]]) -> None:
    found = clustered(dict(enumerate(rows)))
    scores = list(itertools.chain.from_iterable(rows))
    mean = fmean(scores)
    pairs = math.fsum((one - mean) * (two - mean) for row in rows for one in row for two in row)
    error = math.sqrt(max(0.0, pairs) * len(rows) / (len(rows) - 1)) / len(scores)

    assert found.mean == pytest.approx(mean, abs=1e-9)
    assert found.ci_high == pytest.approx(mean + figures.t_95(len(rows) - 1) * error, abs=1e-5)


def test_too_few_scores_have_no_interval() -> None:
    assert clustered({}) == figures.Mean(None, None, None, 0, 0)
    assert clustered({3: [0.25, 0.75]}) == figures.Mean(0.5, None, None, 2, 1)


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (29, 2.04523), (999, 1.96234)]
)
def test_students_t_is_that_of_the_tables(freedom: int, expected: float) -> None:
    assert figures.t_95(freedom) == pytest.approx(expected, rel=2e-3)


def test_the_interval_holds_the_truth_in_95_of_100_draws() -> None:
    draw = random.Random(8)
    held = 0
    for _ in range(2000):
        rows = {}
        for row in range(12):
            skill = draw.gauss(0.4, 0.2)
            rows[row] = [skill + draw.gauss(0, 0.1) for _ in range(3)]
        found = clustered(rows)
        assert found.ci_low is not None
        assert found.ci_high is not None
        held += found.ci_low <= 0.4 <= found.ci_high

    assert 1870 <= held <= 1930


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_draws_that_hold_a_pass(samples: int, data: st.DataObject) -> None:
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    draws = list(itertools.combinations(range(samples), k))
    holding = sum(any(one < passed for one in drawn) for drawn in draws)

    assert figures.pass_at(samples, passed, k) == pytest.approx(holding / len(draws))


def test_pass_at_k_is_the_mean_over_rows_that_have_so_many_answers() -> None:
    rows = [(6, 3), (6, 0), (1, 1), (0, 0)]

    assert figures.pass_at_k(rows, 6) == pytest.approx({"1": 0.5, "2": (1 - 3 / 15) / 2, "4": 0.5, "6": 0.5})
    assert figures.pass_at_k([(0, 0)], 4) == {}


def test_two_runs_are_compared_on_the_rows_that_both_have() -> None:
    found = figures.compare({0: 0.0, 1: 1.0, 2: 0.5, 9: 1.0}, {0: 1.0, 1: 1.0, 2: 0.0, 8: 1.0})
    margin = figures.t_95(2) * stdev([1.0, 0.0, -0.5]) / math.sqrt(3)

    assert (found.rows, found.better, found.worse, found.same) == (3, 1, 1, 1)
    assert found.difference == pytest.approx(1 / 6)
    assert (found.ci_low, found.ci_high) == pytest.approx((1 / 6 - margin, 1 / 6 + margin))
    assert figures.compare({0: 1.0}, {1: 1.0}) == figures.Comparison(0, 0, 0, 0, None, None, None)


def test_percentiles_lie_between_neighbours_in_proportion() -> None:
    values = [float(value) for value in range(1, 12)]

    assert figures.percentile(values, 0.5) == 6.0
    assert figures.percentile(values, 0.95) == 10.5
    assert figures.percentile([7.0], 0.95) == 7.0
    assert figures.percentile([], 0.5) is None
