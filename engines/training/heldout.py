"""Rows that are never trained on: which they are, when the model is asked about them, and what follows from its score.

A resumed run goes on as the first would have: score, patience and the best weights are in every checkpoint. They are dropped
where the rows or whatever else the score is of are not the same any more.
"""

import hashlib
import json
import math
import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from engines.protocol import Reporter
from engines.training.checkpoints import interval

T = TypeVar("T")

PREFIX = "eval_"
STATE = "heldout.json"
BEST = "best"
# What of a saved model is weights, or is needed to load them; tokenizer and pickled arguments are not.
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "config.json", "adapter_config.json")


def split(rows: Sequence[T], fraction: float | None, seed: int) -> tuple[list[T], list[T]]:
    """Return the rows to train on and those held out, each in their order; the same for the same seed.

    Of two rows or more there is at least one of each; a single row is trained on.
    """
    if fraction is None or len(rows) < 2:
        return list(rows), []
    count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
    held = set(random.Random(seed).sample(range(len(rows)), count))
    return [row for at, row in enumerate(rows) if at not in held], [row for at, row in enumerate(rows) if at in held]


def digest(*parts: Any) -> str:
    """Return a hash of whatever a score is of: the rows, and what else two scores must share to be compared."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Standing:
    """What is known after the looks so far; `of` is the digest of what was looked at. A look is `owed` where one was due when the
    run had to save at once.
    """

    of: str
    best_step: int | None = None
    best_score: float | None = None
    looks_without_better: int = 0
    owed: bool = False


class HeldOut(TrainerCallback):  # type: ignore[misc]
    """Asks for an evaluation when one is due and after the last step, and acts on its score.

    Must be added before the callback that reports checkpoints, whose folders it completes, and on every process of a run.
    `every` is in steps, None as often as a run saves by itself. `save` writes the model's weights into a folder, as
    `Trainer.save_model` does; with `keep_best` they are kept in `folder` whenever the score is the best so far. A run that is to
    save at once, for want of money or of its host, does not look first: `evaluate` makes up for it where the run goes on.
    """

    def __init__(
        self,
        reporter: Reporter,
        key: str,
        *,
        greater_is_better: bool,
        every: int | None,
        patience: int | None,
        keep_best: bool,
        folder: Path,
        save: Callable[[str], None],
        evaluate: Callable[[], Any],
        of: str,
        resume_path: str | None = None,
    ) -> None:
        self._reporter = reporter
        self._key = key
        self._sign = 1.0 if greater_is_better else -1.0
        self._every = every
        self._patience = patience
        self._keep_best = keep_best
        self._folder = folder
        self._save = save
        self._evaluate = evaluate
        self._resume_path = None if resume_path is None else Path(resume_path)
        self._standing = Standing(of)
        self._logged: dict[str, float | None] = {}
        self._last_look: tuple[int, float | None] | None = None

    @property
    def best_step(self) -> int | None:
        return self._standing.best_step

    @property
    def best_score(self) -> float | None:
        return self._standing.best_score

    @property
    def ended(self) -> bool:
        """Whether training was ended for want of better scores."""
        return self._patience is not None and self._standing.looks_without_better >= self._patience

    def score_at(self, step: int) -> float | None:
        """Return the score of the look after `step`; None where there was none."""
        return self._last_look[1] if self._last_look is not None and self._last_look[0] == step else None

    def better_than(self, step: int) -> Path | None:
        """Return the folder with the weights to take in place of those of the last step; None where these are to be taken."""
        if not self._keep_best or self.best_step is None or self.best_step == step:
            return None
        return self._kept

    @property
    def _kept(self) -> Path:
        return self._folder / f"step-{self.best_step}"

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._resume_path is None or not (self._resume_path / STATE).is_file():
            return
        before = Standing(**json.loads((self._resume_path / STATE).read_text()))
        weights = self._resume_path / BEST
        why = None
        if before.of != self._standing.of:
            why = "what is held out, or its reward, is not what it was at the checkpoint"
        elif self._keep_best and before.best_step not in (None, state.global_step) and not weights.is_dir():
            why = "the checkpoint has no weights of its best step"
        if why is not None:
            self._reporter.log(f"{why}: the best score is looked for anew")
            return
        self._standing = before
        if before.best_step is not None:
            self._reporter.best(before.best_step)
        if self._keep_best and before.best_step == state.global_step:
            self._snapshot(state)
        elif self._keep_best and before.best_step is not None and state.is_world_process_zero:
            _link(weights, self._kept)
        if before.owed:
            self._evaluate()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        last = state.global_step >= state.max_steps
        due = last or state.global_step % interval(state.max_steps, self._every) == 0
        self._standing.owed = due and not last and self._reporter.save_requested.is_set()
        control.should_evaluate = due and not self._standing.owed and not self._reporter.stop_requested.is_set()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Mapping[str, Any], **_: Any
    ) -> None:
        if is_look(logs):
            self._logged = _numbers(logs)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Mapping[str, Any], **_: Any
    ) -> None:
        step = state.global_step
        values = self._logged | _numbers(metrics)
        self._reporter.metrics(step, values)
        score = values.get(self._key)
        self._last_look = (step, score)
        if self._is_better(score):
            self._standing = Standing(self._standing.of, step, score)
            self._reporter.best(step)
            if self._keep_best and step < state.max_steps:
                self._snapshot(state)
        else:
            self._standing.looks_without_better += 1
            self._standing.owed = False
        self._reporter.log(self._line(step, score))
        if self.ended and step < state.max_steps:
            looks = self._standing.looks_without_better
            self._reporter.log(f"no better score on the held-out rows in {looks} look(s): training ends early, after step {step}")
            control.should_training_stop = True
            # As after the last step: the trained model follows.
            control.should_save = False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        checkpoint = Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        (checkpoint / STATE).write_text(json.dumps(asdict(self._standing)))
        if self._keep_best and self.best_step not in (None, state.global_step):
            _link(self._kept, checkpoint / BEST)

    def _is_better(self, score: float | None) -> bool:
        if score is None or not math.isfinite(score):
            return False
        return self.best_score is None or self._sign * (score - self.best_score) > 0

    def _line(self, step: int, score: float | None) -> str:
        name = self._key.removeprefix(PREFIX)
        said = f"held-out rows after step {step}: " + (f"no {name}" if score is None else f"{name} {score:.4g}")
        if self.best_step == step:
            return f"{said}, the best so far"
        return said if self.best_score is None else f"{said}; the best is {self.best_score:.4g} after step {self.best_step}"

    def _snapshot(self, state: TrainerState) -> None:
        """Keep the weights as they are now, in place of those kept before. Every process takes part in the saving."""
        self._save(str(self._kept))
        if not state.is_world_process_zero:
            return
        for path in self._kept.iterdir():
            if not any(fnmatch(path.name, pattern) for pattern in WEIGHT_FILES):
                path.unlink()
        for other in self._folder.iterdir():
            if other != self._kept:
                shutil.rmtree(other)


def is_look(logs: Mapping[str, Any]) -> bool:
    """Say whether a trainer's log is that of an evaluation."""
    return any(key.startswith(PREFIX) for key in logs)


def _numbers(logs: Mapping[str, Any]) -> dict[str, float | None]:
    found = {key: value for key, value in logs.items() if key.startswith(PREFIX)}
    return {key: float(value) if isinstance(value, int | float) else None for key, value in found.items()}


def _link(source: Path, target: Path) -> None:
    """Give the files of a folder a second place, without a second copy where the disk allows it."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=_link_file)


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
