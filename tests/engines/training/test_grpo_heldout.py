"""A GRPO run that looks at held-out prompts: it ends early, hands over its best model, and goes on exactly where it stopped."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engines import protocol
from tests.engines.training.conftest import Parent, Run

EVERY = 6
MOST_STEPS = 120
OPTIONS = {"max_steps": MOST_STEPS, "eval_fraction": 0.2, "eval_every": EVERY, "checkpoint_every": EVERY}


@pytest.fixture(scope="module")
def looking(make_spec: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run that ends at the first look without a better score: of held-out sums a model this small learns little."""
    spec = make_spec(**OPTIONS, early_stop_patience=1, keep_best=True)
    return Parent(tmp_path_factory.mktemp("kept")).run(spec)


def looks(run: Run) -> dict[int, dict[str, float]]:
    return {message["step"]: message["values"] for message in run.of("metrics") if "eval_reward" in message["values"]}


def steps(run: Run) -> dict[int, dict[str, float]]:
    values = {message["step"]: message["values"] for message in run.of("metrics") if "reward" in message["values"]}
    return {step: {k: v for k, v in of.items() if not k.endswith(("_time", "_per_second"))} for step, of in values.items()}


def last_step(run: Run) -> int:
    result: dict[str, int] = run.messages[-1]["result"]
    return result["steps"]


def test_training_ends_at_the_first_look_without_a_better_score(looking: Run) -> None:
    assert looking.exit_code == protocol.EXIT_OK
    found, end = looks(looking), last_step(looking)
    rewards = [values["eval_reward"] for values in found.values()]
    assert list(found) == list(range(EVERY, end + 1, EVERY)) and end < MOST_STEPS
    assert rewards[:-1] == sorted(set(rewards[:-1])) and rewards[-1] <= rewards[-2]
    assert [message["step"] for message in looking.of("best")] == list(found)[:-1]
    assert list(steps(looking)) == list(range(1, end + 1))


def test_a_look_counts_every_completion_of_every_held_out_prompt(looking: Run) -> None:
    expected = "5 prompts are held out of the training; a look at them samples 8 completion(s) of each"
    assert expected in looking.logs()
    assert "scoring 40 completions" in looking.logs("reward")
    for values in looks(looking).values():
        components = values["eval_rewards/correct/mean"] + values["eval_rewards/format/mean"]
        assert values["eval_reward"] == pytest.approx(components)
        assert values["eval_reward"] * 400 == pytest.approx(round(values["eval_reward"] * 400))
        assert 1 <= values["eval_completions/mean_length"] <= 3 and values["eval_reward_none_fraction"] == 0


def test_held_out_prompts_are_never_trained_on(looking: Run) -> None:
    trained = {group["dataset_row"] for message in looking.of("rollouts") for group in message["groups"]}
    assert len(trained) == 20


def test_the_trained_model_is_the_best_one(looking: Run) -> None:
    assert looking.kept is not None
    end, best = last_step(looking), looking.of("best")[-1]["step"]
    final = looking.of("checkpoint")[-1]
    assert final["final"] and final["step"] == end and final["score"] == looks(looking)[best]["eval_reward"]
    assert f"the trained model is that of step {best}, which did best on the held-out rows" in looking.logs()
    trained = load_file(looking.kept / f"final-{end}" / "model.safetensors")
    then = load_file(looking.kept / f"step-{best}" / "model.safetensors")
    assert all(torch.equal(weights, then[name].to(weights.dtype)) for name, weights in trained.items())
    scores = {message["step"]: message["score"] for message in looking.of("checkpoint")[:-1]}
    assert scores == {step: looks(looking)[step]["eval_reward"] for step in scores}


def test_a_resumed_run_looks_and_ends_as_the_first_did(looking: Run, parent: Parent, make_spec: Any) -> None:
    assert looking.kept is not None
    end = last_step(looking)
    checkpoint = looking.kept / f"step-{EVERY}"
    again = parent.run(make_spec(**OPTIONS, early_stop_patience=1, keep_best=True, resume_path=checkpoint))

    assert last_step(again) == end
    assert steps(again) == {step: values for step, values in steps(looking).items() if step > EVERY}
    assert looks(again) == {step: values for step, values in looks(looking).items() if step > EVERY}
    first = [message["step"] for message in looking.of("best")]
    assert [message["step"] for message in again.of("best")] == first
    assert parent.kept_bytes(f"final-{end}") == (looking.kept / f"final-{end}" / "model.safetensors").read_bytes()


def test_looks_do_not_change_what_is_learned(looking: Run, parent: Parent, make_spec: Any) -> None:
    """The same training, looked at twice as often, and with an end of its own: the step that both made is the same."""
    often = parent.run(make_spec(**OPTIONS | {"eval_every": 3, "max_steps": EVERY}))

    assert list(looks(often)) == [3, EVERY]
    assert steps(often) == {step: values for step, values in steps(looking).items() if step <= EVERY}
    assert looks(often)[EVERY] == looks(looking)[EVERY]
    assert Path(often.of("checkpoint")[-1]["path"]).name == "final"
