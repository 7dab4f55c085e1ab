"""The trainer callback: what a run tells its parent at each step, and where it stops."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from engines.protocol import ChildFailure, Reporter
from engines.training.checkpoints import Checkpoints

LINE_KEYS = {"reward": "reward", "kl": "kl", "completions/mean_length": "length", "step_time": "seconds"}


class Progress(TrainerCallback):  # type: ignore[misc]
    """Reports metrics and checkpoints, ends a run that diverged, and ends one that the parent stopped."""

    def __init__(self, reporter: Reporter, checkpoints: Checkpoints) -> None:
        self._reporter = reporter
        self._checkpoints = checkpoints

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._reporter.plan(state.max_steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._reporter.stop_requested.is_set():
            control.should_training_stop = True
        else:
            control.should_save = self._checkpoints.due(state.global_step, state.max_steps)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Mapping[str, Any], **_: Any
    ) -> None:
        if "train_runtime" in logs:  # The summary after the last step repeats what the steps said.
            return
        metrics = step_metrics(logs)
        self._reporter.metrics(state.global_step, metrics)
        self._reporter.log(step_line(state.global_step, state.max_steps, metrics))
        refuse_divergence(state.global_step, metrics)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        folder = Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        self._checkpoints.saved(state.global_step, folder)


def step_metrics(logs: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the numbers of a TRL log under TRL's own names, with the time of the update and the sampling speed worked out."""
    metrics = {key: _number(value) for key, value in logs.items()}
    if "rewards/reward/mean" in metrics and any(key.endswith("/group_std") for key in metrics):
        # With named components the whole is `reward` itself; one more series of it would look like a component.
        metrics = {key: value for key, value in metrics.items() if not key.startswith("rewards/reward/")}
    step_s, generate_s, score_s = (metrics.get(key) or 0.0 for key in ("step_time", "generate_time", "score_time"))
    metrics["update_time"] = max(0.0, step_s - generate_s - score_s)
    return metrics


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def step_line(step: int, total: int, metrics: Mapping[str, float | None]) -> str:
    """Return one readable line, like `step 3/20 reward 0.41 kl 0.002 length 4.1 seconds 1.3`."""
    shown = [f"{label} {metrics[key]:.3g}" for key, label in LINE_KEYS.items() if metrics.get(key) is not None]
    return " ".join([f"step {step}/{total}", *shown])


def refuse_divergence(step: int, metrics: Mapping[str, float | None]) -> None:
    """Raise `config_error` where the loss or its gradient is no number any more: every later step would be wasted."""
    for key in ("loss", "grad_norm"):
        value = metrics.get(key)
        if value is not None and not math.isfinite(value):
            raise ChildFailure(
                "config_error",
                f"Training diverged: {key} became {value} at step {step}. A lower learning_rate or a higher kl_coef usually helps.",
            )
