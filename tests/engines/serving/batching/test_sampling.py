"""Each request's own choice of its next token."""

import copy

import torch

from engines.serving.batching.sampling import Sampling

LOGITS = torch.tensor([1.0, 3.0, 2.0, -1.0])


def drawn(**how: float) -> set[int]:
    sampling = Sampling(seed=1, **how)  # type: ignore[arg-type]
    return {sampling.choose(LOGITS) for _ in range(300)}


def test_without_temperature_the_likeliest_is_taken() -> None:
    assert drawn(temperature=0) == drawn(temperature=1e-30) == {1}


def test_with_it_all_are_drawn_from_those_that_are_left() -> None:
    assert drawn() == {0, 1, 2, 3}
    assert drawn(top_k=2) == {1, 2}
    assert drawn(top_p=0.89) == {1, 2}
    assert drawn(min_p=0.5) == {1}


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    one, same, other = (Sampling(seed=seed) for seed in (5, 5, 6))
    draws = [[sampling.choose(LOGITS) for _ in range(50)] for sampling in (one, same, other)]
    assert draws[0] == draws[1] != draws[2]


def test_penalties_are_for_what_was_said_and_repetition_for_what_was_asked_too() -> None:
    assert Sampling(temperature=0, presence_penalty=2, prompt=[1]).choose(LOGITS) == 1
    assert Sampling(temperature=0, repetition_penalty=2, prompt=[1]).choose(LOGITS) == 2
    said = Sampling(temperature=0, presence_penalty=1.5)
    assert [said.choose(LOGITS) for _ in range(3)] == [1, 2, 1]
    often = Sampling(temperature=0, frequency_penalty=1.5)
    assert [often.choose(LOGITS) for _ in range(4)] == [1, 2, 1, 0]


def test_a_bias_moves_a_token() -> None:
    assert Sampling(temperature=0, logit_bias={3: 5.0}).choose(LOGITS) == 3


def test_logprobs_are_of_the_models_own_figures_whatever_was_done_to_choose() -> None:
    sampling = Sampling(temperature=0, logit_bias={3: 5.0}, logprobs=2)
    sampling.choose(LOGITS)
    [one] = sampling.chosen
    expected = LOGITS.log_softmax(-1)
    assert one.logprob == float(expected[3])
    assert one.top == ((1, float(expected[1])), (2, float(expected[2])))


def test_numbers_that_run_over_end_nothing() -> None:
    assert Sampling(repetition_penalty=1e-38, prompt=[0, 1]).choose(LOGITS) in range(4)


def test_a_request_that_is_put_aside_goes_on_with_its_choices() -> None:
    sampling = Sampling(seed=1)
    sampling.choose(LOGITS)
    assert copy.deepcopy({"sampling": sampling})["sampling"] is sampling
