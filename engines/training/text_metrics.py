"""What a step of SFT or DPO reports: TRL's numbers under TRL's names, with its time and speed, and one readable line.

`num_tokens` counts over the whole run: a resumed one goes on where the first was.
"""

import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerControl, TrainerState, TrainingArguments

from engines.protocol import Reporter
from engines.training.checkpoints import Checkpoints
from engines.training.heldout import HeldOut, is_look
from engines.training.metrics import refuse_divergence
from engines.training.progress import Progress

SFT_LINE = {"loss": "loss", "mean_token_accuracy": "accuracy", "step_time": "seconds"}
DPO_LINE = {"loss": "loss", "rewards/margins": "margin", "rewards/accuracies": "accuracy", "step_time": "seconds"}


class TextProgress(Progress):
    """Reports each step; `shown` says which of its numbers the log line has, and how they are called there."""

    def __init__(self, reporter: Reporter, checkpoints: Checkpoints, held_out: HeldOut | None, shown: Mapping[str, str]) -> None:
        super().__init__(reporter, checkpoints, held_out)
        self._shown = shown
        self._began = 0.0
        self._tokens = 0.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        super().on_train_begin(args, state, control)
        self._tokens = float(state.num_input_tokens_seen)
        self._reporter.phase("updating")

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._began = time.perf_counter()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Mapping[str, Any], **_: Any
    ) -> None:
        if "train_runtime" in logs or is_look(logs):  # The summary repeats the steps; what is held out is told elsewhere.
            return
        metrics = self._metrics(logs)
        self._reporter.metrics(state.global_step, metrics)
        self._reporter.log(line(state.global_step, state.max_steps, metrics, self._shown))
        refuse_divergence(state.global_step, metrics)

    def _metrics(self, logs: Mapping[str, Any]) -> dict[str, float | None]:
        metrics = {key: float(value) if isinstance(value, int | float) else None for key, value in logs.items()}
        step_s = time.perf_counter() - self._began
        seen = metrics.get("num_tokens") or 0.0
        metrics["step_time"] = step_s
        metrics["tokens_per_second"] = (seen - self._tokens) / step_s
        self._tokens = seen
        return metrics


def line(step: int, total: int, metrics: Mapping[str, float | None], shown: Mapping[str, str]) -> str:
    """Return one readable line, like `step 3/20 loss 0.41 accuracy 0.8 seconds 1.3`."""
    said = [f"{label} {metrics[key]:.3g}" for key, label in shown.items() if metrics.get(key) is not None]
    return " ".join([f"step {step}/{total}", *said])
