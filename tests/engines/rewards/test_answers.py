"""Weights of components, and what verl's dicts mean."""

import math

import pytest

from engines.rewards.answers import Weights, check_weights, normalise
from engines.rewards.shapes import RewardProblem

VERL = Weights({}, "verl")


def test_the_reward_is_the_weighted_sum_and_components_stay_as_they_came() -> None:
    weights = Weights({"right": 2.0, "long": -0.5})
    answer = normalise([{"right": 1, "long": 4, "other": 0.25}, {"right": None, "long": 2}, 3], 3, weights=weights)
    assert answer.rewards == [2.0 - 2.0 + 0.25, -1.0, 3.0]
    assert answer.components == {"right": [1.0, None, None], "long": [4.0, 2.0, None], "other": [0.25, None, None]}


def test_a_component_of_no_weight_counts_nothing_and_skips_nothing() -> None:
    weights = Weights({"note": 0.0})
    assert normalise([{"note": 5, "right": None}, {"note": 5}, {"note": None}], 3, weights=weights).rewards == [None, 0.0, None]


def test_a_weighted_sum_that_is_too_large_is_refused() -> None:
    with pytest.raises(RewardProblem, match="inf is not a finite number"):
        normalise([{"right": 1e300}], 1, weights=Weights({"right": 1e300}))


def test_of_verls_dicts_the_score_is_the_reward_and_numbers_beside_it_are_kept() -> None:
    answer = normalise([{"score": 0.5, "acc": True, "pred": "[INVALID]", "a/b": 1, "loss": math.nan}, 1.0], 2, weights=VERL)
    assert answer.rewards == [0.5, 1.0]
    assert answer.components == {"score": [0.5, None], "acc": [1.0, None]}


def test_a_verl_dict_without_a_score_is_refused_and_a_score_of_none_skips() -> None:
    assert normalise([{"score": None, "acc": 1}], 1, weights=VERL).rewards == [None]
    with pytest.raises(RewardProblem, match="the dict has no 'score', which is the reward"):
        normalise([{"acc": 1.0}], 1, weights=VERL)
    with pytest.raises(RewardProblem, match="component 'score': a str is not a number"):
        normalise([{"score": "1"}], 1, weights=VERL)


def test_weights_make_verls_notes_count_and_strict() -> None:
    weights = Weights({"score": 0.5, "acc": 2.0}, "verl")
    assert normalise([{"score": 1, "acc": 1, "pred": "x"}], 1, weights=weights).rewards == [2.5]
    with pytest.raises(RewardProblem, match="component 'acc': a str is not a number"):
        normalise([{"score": 1, "acc": "yes"}], 1, weights=weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a b": 1.0}, "'a b' is no component name"),
        ({"a": math.inf}, "the weight of 'a' is not a finite number"),
        ({f"c{n}": 1.0 for n in range(65)}, "There are 65 weights"),
    ],
)
def test_weights_that_no_component_can_have_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(RewardProblem, match=message):
        check_weights(weights)
