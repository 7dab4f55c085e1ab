"""A real TRL run on the tiny model, in a real child, from its first message to the folder that is served."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from engines import evidence, protocol
from engines.protocol import Group
from tests.engines.bases.stub_hub import COMMIT, Hub, serving
from tests.engines.training.conftest import Parent, Run

STEPS = list(range(1, 37))
PROMPTS_PER_STEP = 10
GROUP = 8


def groups_of(run: Run, step: int) -> list[Group]:
    (message,) = [message for message in run.of("rollouts") if message["step"] == step]
    groups: list[Group] = message["groups"]
    return groups


def test_a_run_ends_well_and_says_what_it_does(finished: Run) -> None:
    assert finished.exit_code == protocol.EXIT_OK
    assert finished.messages[-1]["type"] == "done" and finished.messages[-1]["result"] == {"steps": 36}
    phases = [message["phase"] for message in finished.of("phase")]
    assert phases[:5] == ["pulling_model", "starting", "generating", "scoring", "updating"]
    assert phases[-2:] == ["saving", "uploading"]
    assert [message["total_steps"] for message in finished.of("plan")] == [36]


def test_the_model_learns(finished: Run) -> None:
    correct = finished.series("rewards/correct/mean")
    assert 0.2 < statistics.mean(correct[:7]) < 0.45
    assert statistics.mean(correct[-7:]) > statistics.mean(correct[:7]) + 0.25


def test_every_step_has_metrics_under_trl_names(finished: Run) -> None:
    assert [message["step"] for message in finished.of("metrics")] == STEPS
    expected = {
        "reward", "reward_std", "reward_group_std", "frac_reward_zero_std", "frac_reward_all_pass", "frac_reward_all_fail",
        "rewards/correct/mean", "rewards/correct/std", "rewards/correct/group_std", "rewards/format/mean", "reward_none_fraction",
        "kl", "entropy", "grad_norm", "learning_rate", "loss", "completions/mean_length", "completions/clipped_ratio",
        "clip_ratio/region_mean", "step_time", "generate_time", "score_time", "update_time", "num_tokens",
        "tokens_per_second", "reward_p10", "reward_p50", "reward_p90",
    }  # fmt: skip
    for message in finished.of("metrics"):
        assert expected <= message["values"].keys()
        assert "rewards/reward/mean" not in message["values"]
        assert message["values"]["step_time"] > message["values"]["score_time"] > 0
        assert message["values"]["tokens_per_second"] > 0
        assert message["values"]["reward_p10"] <= message["values"]["reward_p50"] <= message["values"]["reward_p90"]


def test_every_step_has_one_readable_line(finished: Run) -> None:
    lines = [line for line in finished.logs() if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == [f"{step}/36" for step in STEPS]
    assert lines[0].split()[2::2] == ["reward", "kl", "length", "seconds"]


def test_the_prints_of_the_reward_are_log_lines_of_their_own(finished: Run) -> None:
    assert finished.logs("reward") == ["scoring 80 completions"] * len(STEPS)


def test_the_user_is_told_what_runs(finished: Run) -> None:
    expected = "training 90,688 parameters on 1 CPU thread(s); a step takes 10 of 25 prompts, 8 completions each"
    assert expected in finished.logs()


def test_a_prompt_over_the_limit_is_left_out_and_named(finished: Run) -> None:
    assert "left out 1 of 26 prompts longer than 32 tokens: line 3" in finished.logs()
    assert all(group["dataset_row"] != 2 for step in STEPS for group in groups_of(finished, step))


def test_rollouts_hold_every_completion_of_every_group(finished: Run, sums: Path) -> None:
    rows = [json.loads(line) for line in sums.read_text().splitlines()]
    for step in STEPS:
        groups = groups_of(finished, step)
        assert len(groups) == PROMPTS_PER_STEP
        for group in groups:
            row = rows[group["dataset_row"] or 0]
            assert group["prompt"] == row["prompt"] and len(group["completions"]) == GROUP
            for completion in group["completions"]:
                assert completion["components"]["correct"] == float(completion["text"] == row["answer"])
                assert completion["reward"] == pytest.approx(sum(value or 0.0 for value in completion["components"].values()))
                assert 1 <= completion["tokens"] <= 3 and completion["score_error"] is None


def test_rollouts_and_metrics_of_a_step_agree(finished: Run) -> None:
    for message in finished.of("metrics"):
        completions = [completion for group in groups_of(finished, message["step"]) for completion in group["completions"]]
        values = message["values"]
        assert statistics.mean(c["reward"] or 0.0 for c in completions) == pytest.approx(values["reward"], abs=1e-6)
        assert statistics.mean(c["tokens"] for c in completions) == pytest.approx(values["completions/mean_length"], abs=1e-6)
        assert statistics.mean(c["truncated"] for c in completions) == pytest.approx(values["completions/clipped_ratio"])


def test_advantages_are_rewards_normalised_within_the_group(finished: Run) -> None:
    for group in groups_of(finished, 1):
        rewards = [completion["reward"] or 0.0 for completion in group["completions"]]
        mean, spread = statistics.mean(rewards), statistics.stdev(rewards)
        for completion, reward in zip(group["completions"], rewards, strict=True):
            assert completion["advantage"] == pytest.approx((reward - mean) / (spread + 1e-4), abs=1e-3)


def test_checkpoints_come_on_the_way_and_leave_the_disk_once_uploaded(finished: Run) -> None:
    checkpoints = [(message["step"], message["final"]) for message in finished.of("checkpoint")]
    assert checkpoints == [(13, False), (26, False), (36, True)]
    for message in finished.of("checkpoint")[:2]:
        assert not Path(message["path"]).exists()
    assert finished.kept is not None
    kept = {path.name for path in (finished.kept / "step-13").iterdir()}
    assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= kept
    assert "training_args.bin" not in kept


def test_the_final_folder_is_the_base_with_other_weights(finished: Run, tiny_model: Path) -> None:
    assert finished.kept is not None
    final = finished.kept / "final-36"
    assert {path.name for path in final.iterdir()} == {path.name for path in tiny_model.iterdir()} | {"parity.json"}
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (final / name).read_bytes() == (tiny_model / name).read_bytes()
    with safe_open(final / "model.safetensors", "np") as trained, safe_open(tiny_model / "model.safetensors", "np") as base:
        assert set(trained.keys()) == set(base.keys())
        dtypes = {trained.get_slice(name).get_dtype() for name in trained.keys()}  # noqa: SIM118
    assert dtypes == {"BF16"}
    assert (final / "model.safetensors").read_bytes() != (tiny_model / "model.safetensors").read_bytes()


def test_a_resumed_run_repeats_the_rest_of_the_first_exactly(finished: Run, parent: Parent, make_spec: Any) -> None:
    """Step 13 lies within the seventh pass over the dataset, so that the order of its rows must be found again too."""
    assert finished.kept is not None
    again = parent.run(make_spec(resume_path=finished.kept / "step-13"))

    assert again.exit_code == protocol.EXIT_OK
    assert [message["step"] for message in again.of("metrics")] == STEPS[13:]
    for first, second in zip(finished.of("metrics")[13:], again.of("metrics"), strict=True):
        assert untimed(first["values"]) == untimed(second["values"])
    for step in STEPS[13:]:
        assert groups_of(again, step) == groups_of(finished, step)
    assert parent.kept_bytes("final-36") == (finished.kept / "final-36" / "model.safetensors").read_bytes()


def untimed(values: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if not key.endswith(("_time", "_per_second"))}


def test_an_adapter_on_a_fetched_base_is_merged_into_it(
    parent: Parent, make_spec: Any, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reward skips some samples and, in the first step, all of them. A step takes several passes."""
    reward = """
calls = 0
def reward(prompts, completions, **columns):
    global calls
    calls += 1
    return [None if calls == 1 or i % 4 == 0 else float(i % 4 == 1) for i in range(len(completions))]
"""
    spec = make_spec(reward=reward, lora_rank=4, max_steps=2, learning_rate=1e-2, max_response_length=250)
    files = {path.name: path.read_bytes() for path in tiny_model.iterdir()}
    with serving(Hub({"acme/tiny": files})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        run = parent.run(spec | {"model": {"repo": "acme/tiny", "cache_dir": str(tmp_path / "cache")}})

    assert run.exit_code == protocol.EXIT_OK
    assert [message["revision"] for message in run.of("model")] == [COMMIT]
    assert [message["values"]["reward_none_fraction"] for message in run.of("metrics")] == [1.0, 0.25]
    assert run.of("metrics")[0]["values"]["reward"] is None
    assert run.of("metrics")[1]["values"]["reward"] == pytest.approx(1 / 3)
    skipped = groups_of(run, 2)[0]["completions"][0]
    assert skipped["reward"] is None and skipped["advantage"] is None
    assert [message["final"] for message in run.of("checkpoint")] == [True]
    final = parent.kept("final-2")
    assert {path.name for path in final.iterdir()} == {path.name for path in tiny_model.iterdir()} | {"parity.json", "adapter"}
    assert parent.kept_bytes("final-2") != (tiny_model / "model.safetensors").read_bytes()
    assert {path.name for path in (final / "adapter").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((final / "adapter" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], evidence.adapter_rank(final)) == ("acme/tiny", 4, 4)
    assert str(tmp_path) not in json.dumps(config)
    found = evidence.read(final)
    assert found is not None and found.base == evidence.Base(
        name="acme/tiny", revision=COMMIT, chat_template_sha256=evidence.template_hash(evidence.template_of(tiny_model))
    )
    assert [set(prompt.logprobs) for prompt in found.prompts] == [{"adapter", "model"}] * 4


def test_what_the_trained_model_says_is_kept_beside_it(finished: Run, sums: Path) -> None:
    """The prompts are those of the dataset, the tokens those of the template, the answers numbers."""
    assert finished.kept is not None
    found = evidence.read(finished.kept / "final-36")
    assert found is not None and (found.dtype, found.base.revision) == ("bfloat16", None)
    asked = [json.loads(line)["prompt"] for line in sums.read_text().splitlines()]
    for prompt in found.prompts:
        assert prompt.messages in asked and prompt.text is None
        text = prompt.messages[0]["content"] if prompt.messages else ""
        assert prompt.prompt_ids == [ord(character) - ord("!") for character in f"{text}="]
        assert set(prompt.logprobs) == {"model"}
        assert chr(prompt.completion_ids[0] + ord("!")).isdigit()
        assert all(-3 < value <= 0 for value in prompt.logprobs["model"])


def test_a_stop_within_a_long_step_ends_the_run_in_seconds(parent: Parent, make_spec: Any) -> None:
    """At this temperature completions run to their limit, and one step takes minutes."""
    spec = make_spec(temperature=10.0, max_response_length=450, global_batch_size=640, max_steps=2, lora_rank=4)
    asked_s = 0.0

    def stop_when_generating(message: dict[str, Any]) -> None:
        nonlocal asked_s
        if message["type"] == "phase" and message["phase"] == "generating":
            asked_s = message["after_s"]
            parent.send("stop")

    run = parent.run(spec, stop_when_generating)

    assert run.exit_code == protocol.EXIT_STOPPED
    assert run.seconds - asked_s < 5.0
    assert run.of("checkpoint") == [] and run.of("metrics") == [] and run.of("done") == []


def test_a_failing_reward_fails_the_job_with_the_users_line(parent: Parent, make_spec: Any, tmp_path: Path) -> None:
    """The dataset is smaller than a step: its rows are taken more than once, and the reward is reached."""
    dataset = tmp_path / "three.jsonl"
    dataset.write_text("".join(json.dumps({"prompt": f"{n}+1=", "answer": str(n + 1)}) + "\n" for n in range(3)))
    reward = "def reward(prompts, completions, **columns):\n    table = {}\n    return [table['missing'] for _ in completions]\n"
    run = parent.run(make_spec(reward=reward, dataset=dataset))

    assert run.exit_code == protocol.EXIT_FAILED
    assert "a step takes 10 of 3 prompts, 8 completions each, so that some prompts come more than once" in run.logs()[0]
    assert run.failure["code"] == "reward_function_error" and run.failure["attribution"] == "user"
    assert run.failure["user_code_line"] == 3
    assert "KeyError: 'missing'" in run.failure["message"]
    assert run.of("checkpoint") == []


def test_a_bad_dataset_fails_before_anything_is_loaded(parent: Parent, make_spec: Any, tmp_path: Path) -> None:
    dataset = tmp_path / "bad.jsonl"
    dataset.write_text('{"prompt": "1+1"}\n{"prompt": 7}\n')
    run = parent.run(make_spec(dataset=dataset))

    assert run.exit_code == protocol.EXIT_FAILED
    assert run.failure == {
        "code": "dataset_error",
        "message": "Line 2 of the dataset: 'prompt' is a text or a list of messages.",
        "attribution": "user",
        "user_code_line": None,
    }
    assert run.of("phase") == []


def test_a_folder_without_a_model_is_model_unavailable(parent: Parent, make_spec: Any, tmp_path: Path) -> None:
    run = parent.run(make_spec() | {"model": {"path": str(tmp_path)}})

    assert run.exit_code == protocol.EXIT_FAILED
    assert run.failure["code"] == "model_unavailable" and run.failure["attribution"] == "platform"


def test_an_unknown_hyperparameter_in_the_spec_is_named(parent: Parent, make_spec: Any) -> None:
    run = parent.run(make_spec(learning_rat=1.0))

    assert run.exit_code == protocol.EXIT_FAILED
    assert run.failure["code"] == "config_error"
    assert run.failure["message"].startswith("hyperparameters.learning_rat:")
