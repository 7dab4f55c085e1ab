"""The trainer callbacks: what a run tells its parent at each step, where it stops, and how several processes stop together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from engines.protocol import ChildFailure, Reporter
from engines.training import ranks
from engines.training.checkpoints import Checkpoints
from engines.training.heldout import HeldOut, is_look
from engines.training.metrics import refuse_divergence, step_line, step_metrics


class Agreement(TrainerCallback):  # type: ignore[misc]
    """Makes what rank 0 has decided at the end of a step the decision of every process. Must be the last callback."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        mine = (control.should_training_stop, control.should_save, control.should_evaluate)
        control.should_training_stop, control.should_save, control.should_evaluate = ranks.share(mine)


class Progress(TrainerCallback):  # type: ignore[misc]
    """Reports metrics and checkpoints, ends a run that diverged, and ends one that the parent stopped."""

    def __init__(self, reporter: Reporter, checkpoints: Checkpoints, heldout: HeldOut | None = None) -> None:
        self._reporter = reporter
        self._checkpoints = checkpoints
        self._heldout = heldout

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        done, total = state.global_step, state.max_steps
        if done >= total:
            # Only here it is known how many steps the epochs are.
            message = f"The checkpoint to resume from has {done} steps behind it, and this job has {total}."
            raise ChildFailure("config_error", message)
        self._reporter.plan(total)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._reporter.stop_requested.is_set():
            control.should_training_stop = True
        elif self._reporter.save_requested.is_set():
            # After the last step the trained model follows, which is worth more than a checkpoint.
            control.should_training_stop = True
            control.should_save = state.global_step < state.max_steps
        else:
            control.should_save = self._checkpoints.due(state.global_step, state.max_steps)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Mapping[str, Any], **_: Any
    ) -> None:
        if "train_runtime" in logs or is_look(logs):
            # The summary after the last step repeats what the steps said, and a look at the held-out rows is told of by itself.
            return
        metrics = step_metrics(logs)
        self._reporter.metrics(state.global_step, metrics)
        self._reporter.log(step_line(state.global_step, state.max_steps, metrics))
        refuse_divergence(state.global_step, metrics)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        folder = Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        score = None if self._heldout is None else self._heldout.score_at(state.global_step)
        self._checkpoints.saved(state.global_step, folder, score)
