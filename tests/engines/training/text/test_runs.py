"""Real TRL runs of SFT and DPO on the tiny model, from the first message to the folder that is served."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from engines import evidence, protocol
from tests.engines.training.conftest import ROOT, Run
from tests.engines.training.text.conftest import SUMS, Workshop, bfloat16, decoded, learning, taught, untimed, weights

SFT: dict[str, Any] = {
    "learning_rate": 2e-3,
    "max_steps": 36,
    "global_batch_size": 20,
    "checkpoint_every": 13,
    "eval_fraction": 0.2,
}
DPO: dict[str, Any] = {
    "learning_rate": 1e-3,
    "max_steps": 24,
    "global_batch_size": 10,
    "checkpoint_every": 9,
    "eval_fraction": 0.2,
}


@pytest.fixture(scope="module")
def sft(workshop: Workshop, conversations: Path) -> Run:
    """One whole run of SFT, shared by the tests that only look at it."""
    return workshop.run("training.sft", workshop.spec(conversations, **SFT, keep_best=True))


@pytest.fixture(scope="module")
def dpo(workshop: Workshop, preferences: Path) -> Run:
    """One whole run of DPO, shared by the tests that only look at it."""
    return workshop.run("training.dpo", workshop.spec(preferences, **DPO))


def said(run: Run, name: str) -> dict[str, str]:
    assert run.kept is not None
    found = evidence.read(run.kept / name)
    assert found is not None
    return {decoded(prompt.prompt_ids): decoded(prompt.completion_ids) for prompt in found.prompts}


def test_a_run_of_sft_ends_well_and_says_what_it_does(sft: Run) -> None:
    assert sft.exit_code == protocol.EXIT_OK
    assert sft.messages[-1] == {"type": "done", "result": {"steps": 36}}
    assert [message["phase"] for message in sft.of("phase")] == ["pulling_model", "starting", "updating", "saving", "uploading"]
    assert [message["total_steps"] for message in sft.of("plan")] == [36]
    assert sft.of("prompts") == [{"type": "prompts", "total": 26, "dropped": 1, "limit": 64}]
    assert sft.logs()[:4] == [
        "left out 1 of 26 rows longer than 64 tokens: line 3",
        "training 90,688 parameters on 1 CPU thread(s); a step takes 20 of 20 rows",
        "80 of 240 tokens are learned",
        "5 rows are held out and never trained on",
    ]
    lines = [line for line in sft.logs() if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == [f"{step}/36" for step in range(1, 37)]
    assert lines[0].split()[2::2] == ["loss", "accuracy", "seconds"]
    assert sft.of("rollouts") == []


def test_the_model_learns_what_it_is_shown(sft: Run) -> None:
    loss, accuracy = learning(sft, "loss"), learning(sft, "mean_token_accuracy")
    assert loss[0] > 1.5 and loss[-1] < 0.35
    # The end of an answer is half of what is learned, and known from the start.
    assert accuracy[0] < 0.7 and accuracy[-1] > 0.9


def test_the_trained_model_answers_as_it_was_taught(workshop: Workshop) -> None:
    rows = workshop.dataset({"prompt": f"{x}+{y}=", "completion": taught(x, y)} for x, y in SUMS)
    run = workshop.run("training.sft", workshop.spec(rows, learning_rate=2e-3, max_steps=50, global_batch_size=25))
    assert said(run, "final-50") == {"0+0=": "3.", "1+1=": "5.", "2+2=": "7.", "3+3=": "9."}


def test_every_step_of_sft_has_metrics_under_trl_names(sft: Run) -> None:
    steps = [message for message in sft.of("metrics") if "loss" in message["values"]]
    assert [message["step"] for message in steps] == list(range(1, 37))
    assert steps[0]["values"].keys() == {
        "loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "num_tokens", "epoch", "step_time",
        "tokens_per_second",
    }  # fmt: skip
    rates = [message["values"]["learning_rate"] for message in steps]
    assert rates[0] == 2e-3 and rates[18] == pytest.approx(1e-3) and rates == sorted(rates, reverse=True)
    assert [message["values"]["num_tokens"] for message in steps[:2]] == [240.0, 480.0]


def test_held_out_rows_are_looked_at_with_each_checkpoint_and_at_the_end(sft: Run) -> None:
    looks = {message["step"]: message["values"] for message in sft.of("metrics") if "eval_loss" in message["values"]}
    assert list(looks) == [13, 26, 36]
    assert {"eval_loss", "eval_mean_token_accuracy"} <= looks[13].keys()
    best = min(looks, key=lambda step: looks[step]["eval_loss"])
    assert sft.of("best")[-1]["step"] == best
    (final,) = [message for message in sft.of("checkpoint") if message["final"]]
    assert final["score"] == looks[best]["eval_loss"]


def test_checkpoints_of_sft_come_on_the_way_and_leave_the_disk(sft: Run) -> None:
    assert [(message["step"], message["final"]) for message in sft.of("checkpoint")] == [(13, False), (26, False), (36, True)]
    for message in sft.of("checkpoint")[:2]:
        assert not Path(message["path"]).exists()
    assert sft.kept is not None
    kept = {path.name for path in (sft.kept / "step-13").iterdir()}
    assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= kept
    assert "training_args.bin" not in kept and "README.md" not in kept


def test_the_final_folder_is_the_base_with_other_weights(sft: Run, dpo: Run, tiny_model: Path) -> None:
    for run, step in ((sft, 36), (dpo, 24)):
        assert run.kept is not None
        final = run.kept / f"final-{step}"
        assert {path.name for path in final.iterdir()} == {path.name for path in tiny_model.iterdir()} | {"parity.json"}
        for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            assert (final / name).read_bytes() == (tiny_model / name).read_bytes()
        assert (final / "model.safetensors").read_bytes() != (tiny_model / "model.safetensors").read_bytes()
        assert (final / "model.safetensors").stat().st_size == (tiny_model / "model.safetensors").stat().st_size


def test_a_resumed_run_of_sft_repeats_the_rest_exactly(sft: Run, workshop: Workshop, conversations: Path) -> None:
    """What is held out, its best weights and the count of tokens go on too."""
    assert sft.kept is not None
    spec = workshop.spec(conversations, **SFT, keep_best=True, resume_path=sft.kept / "step-26")
    again = workshop.run("training.sft", spec)
    assert again.exit_code == protocol.EXIT_OK
    assert untimed(again) == untimed(sft, after=26)
    assert weights(again, "final-36") == weights(sft, "final-36")
    assert again.of("checkpoint")[-1]["score"] == sft.of("checkpoint")[-1]["score"]


def test_a_resumed_job_has_the_learning_rate_of_its_own(sft: Run, workshop: Workshop, conversations: Path) -> None:
    assert sft.kept is not None
    other = SFT | {"learning_rate": 1e-3, "max_steps": 30, "warmup_steps": 0}
    again = workshop.run("training.sft", workshop.spec(conversations, **other, resume_path=sft.kept / "step-26"))
    assert learning(again, "learning_rate") == pytest.approx([1e-3 * (30 - step) / 30 for step in range(26, 30)])


@pytest.mark.parametrize("lora_rank", [None, 4])
def test_the_best_weights_are_those_of_the_best_step(workshop: Workshop, conversations: Path, lora_rank: int | None) -> None:
    """At a rate that breaks the model after a few steps the trained model is that of the best of them."""
    hyper = SFT | {"learning_rate": 0.05 if lora_rank is None else 0.4, "eval_every": 1, "checkpoint_every": 1}
    spec = workshop.spec(conversations, **hyper, lora_rank=lora_rank, keep_best=True, early_stop_patience=2)
    run = workshop.run("training.sft", spec)
    losses = learning(run, "eval_loss")
    best = losses.index(min(losses)) + 1
    assert run.of("best")[-1]["step"] == best and len(losses) == best + 2 < 36
    final = run.of("checkpoint")[-1]
    assert (final["final"], final["step"], final["score"]) == (True, best + 2, min(losses))
    assert f"the trained model is that of step {best}, which did best on the held-out rows" in run.logs()
    assert f"training ends early, after step {best + 2}" in " ".join(run.logs())
    assert run.kept is not None
    kept, last, made = (run.kept / name for name in (f"step-{best}", f"step-{best + 1}", f"final-{best + 2}"))
    if lora_rank is None:
        assert (
            bfloat16(made / "model.safetensors") == bfloat16(kept / "model.safetensors") != bfloat16(last / "model.safetensors")
        )
    else:
        name = "adapter_model.safetensors"
        assert (made / "adapter" / name).read_bytes() == (kept / name).read_bytes() != (last / name).read_bytes()


def test_packed_rows_do_not_see_each_other(workshop: Workshop, conversations: Path) -> None:
    hyper: dict[str, Any] = {"learning_rate": 1e-3, "max_steps": 3, "global_batch_size": 25}
    apart = workshop.run("training.sft", workshop.spec(conversations, **hyper))
    packed = workshop.run("training.sft", workshop.spec(conversations, **hyper, packing=True))
    assert "a step takes 5 of the 5 sequences that 25 rows make" in packed.logs()[1]
    for key in ("loss", "grad_norm", "mean_token_accuracy", "num_tokens"):
        assert learning(packed, key) == pytest.approx(learning(apart, key), rel=2e-3)


def test_all_tokens_are_learned_where_that_is_asked_for(workshop: Workshop, conversations: Path) -> None:
    run = workshop.run("training.sft", workshop.spec(conversations, max_steps=1, completion_only=False))
    assert "300 of 300 tokens are learned" in run.logs()


def test_a_run_of_dpo_ends_well_and_says_what_it_does(dpo: Run) -> None:
    assert dpo.exit_code == protocol.EXIT_OK
    assert dpo.messages[-1] == {"type": "done", "result": {"steps": 24}}
    assert dpo.logs()[:3] == [
        "left out 1 of 26 pairs whose answers are the same: line 26",
        "training 90,688 parameters on 1 CPU thread(s); a step takes 10 of 20 pairs",
        "5 rows are held out and never trained on",
    ]
    lines = [line for line in dpo.logs() if line.startswith("step ")]
    assert lines[0].startswith("step 1/24 loss 0.693 margin 0 accuracy 0 seconds ")
    assert [(message["step"], message["final"]) for message in dpo.of("checkpoint")] == [(9, False), (18, False), (24, True)]


def test_the_model_learns_which_answer_is_preferred(dpo: Run) -> None:
    """At the start policy and reference say the same to the last bit."""
    assert [learning(dpo, f"rewards/{name}")[0] for name in ("chosen", "rejected", "margins", "accuracies")] == [0.0] * 4
    assert learning(dpo, "rewards/margins")[-1] > 0.4 and learning(dpo, "rewards/accuracies")[-1] == 1.0
    assert learning(dpo, "loss")[-1] < 0.55
    assert learning(dpo, "logps/rejected")[-1] < learning(dpo, "logps/rejected")[0] - 3
    looks = [message for message in dpo.of("metrics") if "eval_loss" in message["values"]]
    assert [message["step"] for message in looks] == [9, 18, 24]
    assert {"eval_rewards/margins", "eval_rewards/accuracies", "eval_logps/chosen"} <= looks[0]["values"].keys()
    assert [message["score"] for message in dpo.of("checkpoint")] == learning(dpo, "eval_loss")


def test_the_trained_model_gives_no_rejected_answer(workshop: Workshop, preferences: Path) -> None:
    run = workshop.run("training.dpo", workshop.spec(preferences, **DPO | {"eval_fraction": None}))
    rejected = {f"{x}+{y}=": f"{x + y}." for x, y in SUMS}
    answers = said(run, "final-24")
    assert len(answers) == 4 and all(answer != rejected[prompt] for prompt, answer in answers.items())


def test_every_step_of_dpo_has_metrics_under_trl_names(dpo: Run) -> None:
    steps = [message for message in dpo.of("metrics") if "loss" in message["values"]]
    assert [message["step"] for message in steps] == list(range(1, 25))
    assert steps[0]["values"].keys() == {
        "loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "num_tokens", "epoch", "step_time",
        "tokens_per_second", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen",
        "logps/rejected", "logits/chosen", "logits/rejected",
    }  # fmt: skip


def test_a_resumed_run_of_dpo_repeats_the_rest_exactly(dpo: Run, workshop: Workshop, preferences: Path) -> None:
    """Step 9 lies within the fifth pass over the pairs, and the reference is the base, not the model of the checkpoint."""
    assert dpo.kept is not None
    again = workshop.run("training.dpo", workshop.spec(preferences, **DPO, resume_path=dpo.kept / "step-9"))
    assert untimed(again) == untimed(dpo, after=9)
    assert weights(again, "final-24") == weights(dpo, "final-24")


@pytest.mark.parametrize(("task", "rows"), [("training.sft", "conversations"), ("training.dpo", "preferences")])
def test_an_adapter_is_kept_by_itself_and_merged_and_resumes_exactly(
    workshop: Workshop, tiny_model: Path, request: pytest.FixtureRequest, task: str, rows: str
) -> None:
    dataset = request.getfixturevalue(rows)
    hyper: dict[str, Any] = {
        "learning_rate": 1e-2,
        "max_steps": 6,
        "global_batch_size": 10,
        "checkpoint_every": 4,
        "lora_rank": 4,
    }
    run = workshop.run(task, workshop.spec(dataset, **hyper))
    assert "training a LoRA adapter of 8,192 parameters on 90,688 on 1 CPU thread(s)" in " ".join(run.logs())
    assert run.kept is not None
    final = run.kept / "final-6"
    assert {path.name for path in final.iterdir()} == {path.name for path in tiny_model.iterdir()} | {"parity.json", "adapter"}
    assert evidence.adapter_rank(final) == 4
    assert weights(run, "final-6") != (tiny_model / "model.safetensors").read_bytes()
    found = evidence.read(final)
    assert found is not None and {form for prompt in found.prompts for form in prompt.logprobs} == {"adapter", "model"}
    again = workshop.run(task, workshop.spec(dataset, **hyper, resume_path=run.kept / "step-4"))
    assert untimed(again) == untimed(run, after=4)
    assert weights(again, "final-6") == weights(run, "final-6")


@pytest.mark.parametrize(
    ("example", "task", "loss"), [("answers", "training.sft", (0.5, 0.05)), ("preferences", "training.dpo", (0.69, 0.45))]
)
def test_the_examples_teach_the_tiny_model(workshop: Workshop, example: str, task: str, loss: tuple[float, float]) -> None:
    folder = ROOT / "examples" / example
    job = tomllib.loads((folder / "job.toml").read_text())
    assert (job["method"], "reward" in job) == (task.removeprefix("training."), False)
    run = workshop.run(task, workshop.spec(folder / job["dataset"], **job["hyperparameters"]))
    assert learning(run, "loss")[0] > loss[0] and learning(run, "loss")[-1] < loss[1]
    assert said(run, "final-40") == {"0+0=": "0.", "1+1=": "2.", "2+2=": "4.", "3+3=": "6."}


def test_a_stop_ends_a_run_with_nothing_final(workshop: Workshop, conversations: Path) -> None:
    spec = workshop.spec(conversations, max_steps=100_000, global_batch_size=4, checkpoint_every=50_000)
    run = workshop.run("training.sft", spec, stop={"type": "metrics", "step": 3, "save": False})
    assert run.exit_code == protocol.EXIT_STOPPED
    assert run.of("checkpoint") == [] and run.of("done") == [] and run.logs()[-1] == "stopped after step 4"


def test_a_stop_that_saves_leaves_a_checkpoint_to_go_on_from(workshop: Workshop, preferences: Path) -> None:
    spec = workshop.spec(preferences, max_steps=100_000, global_batch_size=4, checkpoint_every=50_000)
    run = workshop.run("training.dpo", spec, stop={"type": "metrics", "step": 3, "save": True})
    assert run.exit_code == protocol.EXIT_STOPPED
    assert [(message["step"], message["final"]) for message in run.of("checkpoint")] == [(4, False)]
    assert run.logs()[-1] == "stopped after step 4, whose checkpoint is stored"


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"hyperparameters": {"learning_rat": 1.0}}, "config_error", "hyperparameters.learning_rat: "),
        (
            {"hyperparameters": {"max_length": 5}},
            "dataset_error",
            "Every row is longer than max_length (5 tokens); the shortest has",
        ),
        ({"model": {"path": "/nonexistent"}}, "model_unavailable", "The registered model has no config.json in its folder."),
        ({"resume_path": "/nonexistent"}, "config_error", "The checkpoint to resume from is incomplete"),
    ],
)
def test_what_cannot_run_fails_with_its_reason(
    workshop: Workshop, conversations: Path, changes: dict[str, Any], code: str, message: str
) -> None:
    run = workshop.run("training.sft", workshop.spec(conversations) | changes)
    assert run.exit_code == protocol.EXIT_FAILED
    assert run.failure["code"] == code and run.failure["message"].startswith(message)


def test_a_checkpoint_without_steps_left_is_refused(sft: Run, workshop: Workshop, conversations: Path) -> None:
    assert sft.kept is not None
    run = workshop.run("training.sft", workshop.spec(conversations, **SFT | {"max_steps": 20}, resume_path=sft.kept / "step-26"))
    assert run.failure["message"] == "The checkpoint to resume from has 26 steps behind it, and this job has 20."


def test_a_run_that_diverges_ends(workshop: Workshop, preferences: Path) -> None:
    run = workshop.run("training.dpo", workshop.spec(preferences, beta=1e30, max_steps=5))
    assert run.failure["code"] == "config_error"
    assert run.failure["message"].startswith("Training diverged: grad_norm became inf at step 1.")
    assert len(run.of("metrics")) == 1
