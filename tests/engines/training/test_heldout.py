"""Held-out rows by themselves: which they are, when they are looked at, and what a score leads to; no model is trained."""

import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from engines.protocol import Reporter
from engines.training.heldout import HeldOut, digest, split

STEPS = 10


def test_rows_are_held_out_by_their_number_and_in_order() -> None:
    rows = list(range(40))
    learned, held = split(rows, 0.2, 7)
    assert len(held) == 8 and sorted(learned + held) == rows
    assert learned == sorted(learned) and held == sorted(held)
    assert split(rows, 0.2, 7) == (learned, held)
    assert split(rows, 0.2, 8)[1] != held
    assert split([f"row {row}" for row in rows], 0.2, 7)[1] == [f"row {row}" for row in held]


@pytest.mark.parametrize(("count", "fraction", "held"), [(0, 0.5, 0), (1, 0.5, 0), (2, 0.01, 1), (3, 0.5, 2), (9, None, 0)])
def test_some_are_held_out_and_some_are_learned(count: int, fraction: float | None, held: int) -> None:
    parts = split(list(range(count)), fraction, 0)
    assert [len(part) for part in parts] == [count - held, held]


def test_scores_are_of_the_same_where_their_digests_are() -> None:
    assert digest([{"a": 1, "b": 2}], "reward") == digest([{"b": 2, "a": 1}], "reward")
    assert digest([{"a": 1}], "reward") != digest([{"a": 1}], "other")


class Loop:
    """A trainer's loop around the callback: it evaluates where that is asked for, with the scores it was given by step."""

    def __init__(self, folder: Path, scores: Mapping[int, float | None], **options: Any) -> None:
        self.out = io.BytesIO()
        self.args = TrainingArguments(output_dir=str(folder), report_to="none")
        self.state = TrainerState(max_steps=STEPS, is_world_process_zero=True)
        self.control = TrainerControl()
        self.saved: list[int] = []
        self._scores = scores
        settings: dict[str, Any] = {
            "greater_is_better": True,
            "every": 2,
            "patience": None,
            "keep_best": True,
            "of": digest("the same"),
        }
        self.reporter = Reporter(self.out, io.BytesIO())
        settings |= {"folder": folder / "best", "save": self._save, "evaluate": self._evaluate}
        self.looks = HeldOut(self.reporter, "eval_score", **(settings | options))

    def _evaluate(self) -> None:
        score = self._scores[self.state.global_step]
        self.looks.on_evaluate(self.args, self.state, self.control, {"eval_score": score, "epoch": 1.0})

    def _save(self, path: str) -> None:
        """Write a model as a trainer does: weights, and much that nobody needs to load them."""
        self.saved.append(self.state.global_step)
        Path(path).mkdir(parents=True)
        for name in ("model.safetensors", "config.json", "tokenizer.json", "training_args.bin"):
            (Path(path) / name).write_text(f"{name} of {self.state.global_step}")

    def begin(self, step: int) -> None:
        self.state.global_step = step
        self.looks.on_train_begin(self.args, self.state, self.control)

    def run(self, steps: int = STEPS) -> list[int]:
        """Return the steps after which there was a look."""
        looked = []
        while self.state.global_step < steps and not self.control.should_training_stop:
            self.state.global_step += 1
            step = self.state.global_step
            self.looks.on_step_end(self.args, self.state, self.control)
            self.control.should_save = True
            if self.control.should_evaluate:
                looked.append(step)
                self._evaluate()
        return looked

    def checkpoint(self) -> Path:
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        folder.mkdir()
        self.looks.on_save(self.args, self.state, self.control)
        return folder

    def said(self, kind: str) -> list[dict[str, Any]]:
        messages = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [message for message in messages if message["type"] == kind]

    def lines(self) -> list[str]:
        return [message["message"] for message in self.said("log")]


Make = Callable[..., Loop]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(scores: Mapping[int, float | None], **options: Any) -> Loop:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return Loop(folder, scores, **options)

    return made


def test_looks_come_when_due_and_after_the_last_step(make: Make) -> None:
    scores = dict.fromkeys(range(1, STEPS + 1), 0.5)
    assert make(scores, every=4).run() == [4, 8, 10]
    assert make(scores, every=None).run() == [3, 6, 9, 10]


def test_the_best_step_is_reported_as_it_is_found_and_its_weights_are_kept(make: Make) -> None:
    loop = make({2: 0.1, 4: 0.4, 6: 0.3, 8: 0.4, 10: 0.2})
    loop.run()
    assert [message["step"] for message in loop.said("best")] == [2, 4]
    assert (loop.looks.best_step, loop.looks.best_score) == (4, 0.4)
    assert (loop.looks.score_at(10), loop.looks.score_at(8)) == (0.2, None)
    assert loop.saved == [2, 4]
    kept = loop.looks.better_than(STEPS)
    assert kept is not None and [path.name for path in kept.parent.iterdir()] == ["step-4"]
    assert {path.name: path.read_text() for path in kept.iterdir()} == {
        "model.safetensors": "model.safetensors of 4",
        "config.json": "config.json of 4",
    }
    assert [message["values"] for message in loop.said("metrics")][1] == {"eval_score": 0.4}
    assert loop.lines()[1:3] == [
        "held-out rows after step 4: score 0.4, the best so far",
        "held-out rows after step 6: score 0.3; the best is 0.4 after step 4",
    ]


def test_where_the_last_step_is_the_best_its_weights_are_those_in_memory(make: Make) -> None:
    loop = make({2: 0.1, 4: 0.2, 6: 0.3, 8: 0.4, 10: 0.5})
    loop.run()
    assert loop.looks.better_than(STEPS) is None and loop.saved == [2, 4, 6, 8]


def test_a_loss_is_better_where_it_is_lower(make: Make) -> None:
    loop = make({2: 0.9, 4: 0.5, 6: 0.7, 8: 0.6, 10: 0.4}, greater_is_better=False)
    loop.run()
    assert [message["step"] for message in loop.said("best")] == [2, 4, 10]


def test_without_keep_best_no_weights_are_kept(make: Make) -> None:
    loop = make({2: 0.9, 4: 0.5, 6: 0.7, 8: 0.6, 10: 0.4}, keep_best=False)
    loop.run()
    assert loop.saved == [] and loop.looks.better_than(STEPS) is None and loop.looks.best_step == 2


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_a_look_without_a_score_is_no_better_one(make: Make, nothing: float | None) -> None:
    loop = make({2: nothing, 4: 0.1, 6: nothing, 8: nothing, 10: 0.2}, patience=2)
    assert loop.run() == [2, 4, 6, 8]
    assert loop.looks.best_step == 4


def test_training_ends_after_as_many_looks_without_a_better_score(make: Make) -> None:
    loop = make({2: 0.5, 4: 0.4, 6: 0.6, 8: 0.6, 10: 0.1}, every=2, patience=1)
    assert loop.run() == [2, 4]
    assert loop.looks.ended and loop.control.should_training_stop
    # The trained model follows, which a checkpoint of the same step would only repeat.
    assert not loop.control.should_save
    assert loop.lines()[-1] == "no better score on the held-out rows in 1 look(s): training ends early, after step 4"


def test_a_resumed_run_goes_on_with_score_patience_and_weights(make: Make) -> None:
    scores = {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.9}
    first = make(scores, patience=3)
    first.run(5)
    checkpoint = first.checkpoint()
    again = make(scores, patience=2, resume_path=str(checkpoint))
    again.begin(5)

    assert [message["step"] for message in again.said("best")] == [2]
    assert again.run() == [6]
    assert again.saved == []
    kept = again.looks.better_than(6)
    assert kept is not None and (kept / "model.safetensors").read_text() == "model.safetensors of 2"


def test_where_the_checkpoint_is_the_best_step_its_own_weights_are_kept(make: Make) -> None:
    first = make({2: 0.1, 4: 0.5})
    first.run(4)
    checkpoint = first.checkpoint()
    assert [path.name for path in checkpoint.iterdir()] == ["heldout.json"]
    again = make({6: 0.2, 8: 0.2, 10: 0.2}, resume_path=str(checkpoint))
    again.begin(4)
    again.run()
    assert again.saved == [4] and again.looks.best_step == 4


def test_scores_of_something_else_are_forgotten(make: Make) -> None:
    first = make({2: 0.9, 4: 0.5})
    first.run(4)
    again = make({6: 0.2, 8: 0.3, 10: 0.1}, of=digest("another reward"), resume_path=str(first.checkpoint()))
    again.begin(4)
    again.run()
    assert again.looks.best_step == 8
    assert (
        again.lines()[0]
        == "what is held out, or its reward, is not what it was at the checkpoint: the best score is looked for anew"
    )


def test_a_best_step_without_its_weights_is_forgotten_where_they_are_wanted(make: Make) -> None:
    first = make({2: 0.9, 4: 0.5}, keep_best=False)
    first.run(4)
    checkpoint = first.checkpoint()
    again = make({6: 0.2, 8: 0.3, 10: 0.1}, resume_path=str(checkpoint))
    again.begin(4)
    again.run()
    assert again.looks.best_step == 8
    without = make({6: 0.2, 8: 0.3, 10: 0.1}, keep_best=False, resume_path=str(checkpoint))
    without.begin(4)
    without.run()
    assert without.looks.best_step == 2


def test_only_the_first_process_writes(make: Make) -> None:
    loop = make({2: 0.9, 4: 0.5})
    loop.state.is_world_process_zero = False
    loop.run(4)
    folder = loop.checkpoint()
    assert loop.saved == [2] and list(folder.iterdir()) == []


def test_a_run_that_must_save_at_once_owes_its_look_to_the_one_that_goes_on(make: Make) -> None:
    scores = {2: 0.1, 4: 0.4, 6: 0.3, 8: 0.2, 10: 0.1}
    whole = make(scores)
    whole.run()
    broken = make(scores)
    assert broken.run(3) == [2]
    broken.reporter.save_requested.set()
    assert broken.run(4) == []
    resumed = make(scores, resume_path=str(broken.checkpoint()))
    resumed.begin(4)
    assert [message["step"] for message in resumed.said("metrics")] == [4]
    assert resumed.run() == [6, 8, 10]
    assert (resumed.looks.best_step, resumed.looks.best_score) == (whole.looks.best_step, whole.looks.best_score) == (4, 0.4)
    assert resumed.lines()[-1] == whole.lines()[-1]
