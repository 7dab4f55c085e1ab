"""Whole runs of video jobs, with both kinds of positions: what they tell, make, save, and go on from bit for bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from engines import protocol
from tests.engines.training.conftest import Run
from tests.engines.training.video.clips import decoded
from tests.engines.training.video.conftest import CLIPS, ROWS, Spec, Studio

Finished = Callable[..., tuple[Spec, Run]]
LORA = "pytorch_lora_weights.safetensors"
KINDS = pytest.mark.parametrize("rotary", [False, True], ids=["sines", "rotary"])


def adapter(run: Run, name: str = "final-12") -> dict[str, bytes]:
    """Return the weights bit for bit; the order of the file's own metadata means nothing."""
    assert run.kept is not None
    with safe_open(run.kept / name / LORA, "np") as file:
        return {key: file.get_tensor(key).tobytes() for key in sorted(file.keys())}


def samples(run: Run, step: int) -> list[Path]:
    (told,) = [message for message in run.of("rollouts") if message["step"] == step]
    return [Path(completion["media"]) for group in told["groups"] for completion in group["completions"]]


@KINDS
def test_a_run_tells_its_steps_and_hands_over_an_adapter(finished: Finished, rotary: bool) -> None:
    _, run = finished(rotary=rotary)
    assert (run.exit_code, run.of("failed")) == (protocol.EXIT_OK, [])
    assert [message["result"] for message in run.of("done")] == [{"steps": 12}]
    assert [message["total_steps"] for message in run.of("plan")] == [12]
    assert [message["step"] for message in run.of("metrics")] == list(range(1, 13))
    for message in run.of("metrics"):
        values = message["values"]
        assert values.keys() == {"loss", "grad_norm", "learning_rate", "step_time", "clips_per_second", "epoch"}
        assert values["loss"] > 0 and values["grad_norm"] > 0 and values["clips_per_second"] > 0
    assert run.series("learning_rate") == [0.0, 5e-3, *[1e-2] * 10]
    assert run.series("epoch") == [step / 2 for step in range(1, 13)]
    phases = [message["phase"] for message in run.of("phase")]
    assert phases[:5] == ["validating", "pulling_model", "starting", "generating", "updating"]
    assert phases[-3:] == ["generating", "saving", "uploading"]
    assert [(message["step"], message["final"]) for message in run.of("checkpoint")] == [(5, False), (10, False), (12, True)]
    peaks = [message["peak_bytes"] for message in run.of("memory")]
    assert peaks == sorted(peaks) and peaks[0] > 2**27
    lines = run.logs()
    assert "4 clips can be read: 4 of 9 frames of 32x32" in lines
    assert any(line.startswith("training a LoRA adapter of 2,048 parameters on 35,104 on 1 CPU thread(s)") for line in lines)
    assert any(line.startswith("step 12/12 loss ") for line in lines)


@KINDS
def test_the_adapter_is_one_of_diffusers_and_says_its_rank_and_scale(finished: Finished, rotary: bool) -> None:
    _, run = finished(rotary=rotary)
    assert run.kept is not None
    assert [path.name for path in (run.kept / "final-12").iterdir()] == [LORA]
    with safe_open(run.kept / "final-12" / LORA, "np") as file:
        names, metadata = set(file.keys()), json.loads(file.metadata()["lora_adapter_metadata"])
    parts = {name.removeprefix("transformer.transformer_blocks.").partition(".")[2] for name in names}
    targets = ("to_q", "to_k", "to_v", "to_out.0")
    assert parts == {f"attn1.{target}.lora_{side}.weight" for target in targets for side in "AB"}
    assert len(names) == 2 * 4 * 2
    assert (metadata["transformer.r"], metadata["transformer.lora_alpha"]) == (4, 8)
    assert metadata["transformer.target_modules"] == sorted(targets)
    assert {path.name for path in (run.kept / "step-5").iterdir()} == {LORA, "optimizer.safetensors", "trainer_state.json"}


@KINDS
def test_samples_are_made_at_the_start_at_each_checkpoint_and_at_the_end(finished: Finished, rotary: bool) -> None:
    _, run = finished(rotary=rotary)
    assert [message["step"] for message in run.of("rollouts")] == [0, 5, 10, 12]
    order = [message["type"] + str(message["step"]) for message in run.messages if message["type"] in ("rollouts", "checkpoint")]
    # A checkpoint's samples come before it: a run that goes on from it has them behind it.
    assert order == ["rollouts0", "rollouts5", "checkpoint5", "rollouts10", "checkpoint10", "rollouts12", "checkpoint12"]
    for message in run.of("rollouts"):
        assert [(group["dataset_row"], group["prompt"]) for group in message["groups"]] == [
            (0, "a square in colour 0"),
            (1, "a square in colour 1"),
        ]
        for group in message["groups"]:
            (completion,) = group["completions"]
            assert group["weights"] == {}
            assert {**completion, "media": None} == {
                "text": "",
                "reward": None,
                "components": {},
                "advantage": None,
                "tokens": 9,
                "truncated": False,
                "score_error": None,
                "media": None,
            }
            assert decoded(Path(completion["media"])).shape == (9, 32, 32, 3)
    before, after = ([decoded(path) for path in samples(run, step)] for step in (0, 12))
    assert not np.array_equal(before[0], before[1])
    assert not np.array_equal(before[0], after[0])


def test_the_same_seed_draws_the_same_first_sample_and_another_seed_another(finished: Finished, studio: Studio) -> None:
    _, run = finished()
    (first, _) = samples(run, 0)
    ends = {"type": "rollouts", "step": 0, "save": False}
    same, other = (studio.run(studio.spec(sample_prompts=1, seed=seed), stop=ends) for seed in (42, 43))
    assert samples(same, 0)[0].read_bytes() == first.read_bytes()
    assert samples(other, 0)[0].read_bytes() != first.read_bytes()


@KINDS
def test_a_resumed_run_is_the_same_bit_for_bit(finished: Finished, studio: Studio, rotary: bool) -> None:
    _, run = finished(rotary=rotary)
    assert run.kept is not None
    resumed = studio.run(studio.spec(rotary=rotary, sample_prompts=2, resume_path=run.kept / "step-5"))
    assert [message["step"] for message in resumed.of("metrics")] == list(range(6, 13))
    for key in ("loss", "grad_norm", "learning_rate", "epoch"):
        assert resumed.series(key) == run.series(key)[5:]
    assert adapter(resumed) == adapter(run)
    assert [message["step"] for message in resumed.of("rollouts")] == [10, 12]
    assert [path.read_bytes() for path in samples(resumed, 12)] == [path.read_bytes() for path in samples(run, 12)]


@KINDS
def test_diffusers_loads_the_adapter_to_the_identical_loss(finished: Finished, studio: Studio, rotary: bool) -> None:
    spec, run = finished(rotary=rotary)
    assert run.kept is not None
    further = studio.run(studio.spec(rotary=rotary, max_steps=13, checkpoint_every=99))
    hyper = {"clips": CLIPS, "batch_size": 2, "seed": 42}
    about = {"base": spec["model"]["path"], "cache": f"{spec['work_dir']}/cache", "hyper": hyper, "step": 12}
    # The step after the last one is the first that the finished adapter would have been asked for.
    loss = studio.judge("loss_of_step", adapter=str(run.kept / "final-12"), **about)
    assert loss == further.series("loss")[12]
    earlier = studio.judge("loss_of_step", adapter=str(run.kept / "step-5"), **about)
    assert earlier != loss


@KINDS
def test_training_lowers_the_loss_on_what_it_trains_on(studio: Studio, rotary: bool) -> None:
    run = studio.run(studio.spec(rotary=rotary, max_steps=120, checkpoint_every=999))
    losses = run.series("loss")
    assert sum(losses[-30:]) / 30 < 0.9 * sum(losses[:30]) / 30


def test_the_loss_is_the_squared_error_of_the_velocity(finished: Finished, studio: Studio) -> None:
    spec, _ = finished()
    loss, error, of_the_true_one = studio.judge("velocity_error", base=spec["model"]["path"])
    assert loss == pytest.approx(error, rel=1e-3)
    assert of_the_true_one == pytest.approx(0, abs=1e-6)


def test_a_stop_ends_the_run_after_its_step_with_nothing_made(studio: Studio) -> None:
    run = studio.run(studio.spec(), stop={"type": "metrics", "step": 3, "save": False})
    assert (run.exit_code, run.of("checkpoint"), run.of("done")) == (protocol.EXIT_STOPPED, [], [])
    assert [message["step"] for message in run.of("metrics")] == [1, 2, 3]
    assert run.logs()[-1] == "stopped after step 3"


def test_a_stop_that_saves_leaves_a_checkpoint_that_goes_on_the_same(finished: Finished, studio: Studio) -> None:
    _, whole = finished()
    run = studio.run(studio.spec(sample_prompts=2), stop={"type": "metrics", "step": 7, "save": True})
    assert run.exit_code == protocol.EXIT_STOPPED
    assert [(message["step"], message["final"]) for message in run.of("checkpoint")] == [(5, False), (7, False)]
    assert run.logs()[-1] == "stopped after step 7, whose checkpoint is stored"
    assert run.kept is not None
    resumed = studio.run(studio.spec(resume_path=run.kept / "step-7"))
    assert adapter(resumed) == adapter(whole)


def test_a_stop_that_saves_gives_up_samples_that_were_due(studio: Studio) -> None:
    run = studio.run(studio.spec(sample_prompts=2), stop={"type": "metrics", "step": 5, "save": True})
    assert [message["step"] for message in run.of("rollouts")] == [0]
    assert [message["step"] for message in run.of("checkpoint")] == [5]


def test_a_stop_while_the_first_samples_are_made_leaves_nothing(studio: Studio) -> None:
    spec = studio.spec(sample_prompts=2)
    for save, last in ((False, "stopped; what was in hand is dropped"), (True, None)):
        run = studio.run({**spec, "work_dir": spec["work_dir"] + str(save)}, stop={"type": "plan", "step": None, "save": save})
        assert run.exit_code == protocol.EXIT_STOPPED
        assert run.of("metrics") == run.of("checkpoint") == run.of("rollouts") == []
        assert last is None or run.logs()[-1] == last


def test_clips_train_in_buckets_of_their_own_shapes(studio: Studio, tmp_path: Path) -> None:
    from engines.data.archive import media_name
    from tests.engines.training.video.clips import clip

    shapes = ((9, 64, 64), (9, 64, 128), (7, 64, 64), (20, 64, 64), (9, 64, 128))
    for number, (frames, height, width) in enumerate(shapes):
        (tmp_path / media_name(f"{number}.mp4")).write_bytes(clip(frames, height, width, number=number))
    rows = [{"prompt": "one of many", "video": f"{number}.mp4"} for number in range(len(shapes))]
    spec = studio.spec(rows=rows, buckets=True, height=64, width=64, max_steps=4, checkpoint_every=9)
    run = studio.run({**spec, "media_dir": str(tmp_path)})
    assert run.exit_code == protocol.EXIT_OK
    assert "5 clips can be read: 2 of 9 frames of 64x64, 2 of 9 frames of 96x48, 1 of 5 frames of 64x64" in run.logs()
    # Two of the one, two of the other and the one that is left are an epoch of three steps.
    assert run.series("epoch") == [1 / 3, 2 / 3, 1.0, 4 / 3]


def test_captions_that_are_cut_are_told(studio: Studio) -> None:
    rows = [{**ROWS[0], "prompt": "a square " * 9}, ROWS[1]]
    run = studio.run(studio.spec(rows=rows, max_steps=1))
    assert "1 captions are cut at 24 tokens: line 1" in run.logs()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lora_rank": 8}, "The checkpoint to resume from has a lora_rank of 4, and this job one of 8."),
        ({"lora_alpha": 4}, "The checkpoint to resume from has a lora_alpha of 8, and this job one of 4."),
        ({"max_steps": 5}, "The checkpoint to resume from has 5 steps behind it, and this job has 5."),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    finished: Finished, studio: Studio, change: dict[str, Any], message: str
) -> None:
    _, run = finished()
    assert run.kept is not None
    refused = studio.run(studio.spec(resume_path=run.kept / "step-5", **change))
    assert (refused.exit_code, refused.of("metrics")) == (protocol.EXIT_FAILED, [])
    assert refused.failure == {"code": "config_error", "message": message, "attribution": "user", "user_code_line": None}


def test_what_is_no_checkpoint_of_a_video_job_is_refused(studio: Studio, tmp_path: Path) -> None:
    assert studio.run(studio.spec(resume_path=tmp_path)).failure["message"] == (
        "The checkpoint to resume from is incomplete: it has no trainer_state.json."
    )
    (tmp_path / "trainer_state.json").write_text('{"global_step": 3}')
    assert studio.run(studio.spec(resume_path=tmp_path)).failure["message"] == (
        "The checkpoint to resume from is of another kind of training."
    )


def test_a_run_that_diverges_fails(studio: Studio) -> None:
    run = studio.run(studio.spec(learning_rate=0.9, warmup_steps=0, lora_alpha=2**31 - 1, max_steps=60, checkpoint_every=99))
    assert run.exit_code == protocol.EXIT_FAILED
    assert run.failure["code"] == "config_error"
    assert run.failure["message"].startswith("Training diverged: ")
