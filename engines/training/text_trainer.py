"""TRL's SFTTrainer and DPOTrainer on rows that are tokens already, with a stop within a step and an exact resume.

Overrides underscored methods of the pinned TRL; `tests/engines/training/text` fails where a new version moves them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.data_utils import pack_dataset

from engines.training import schedule
from engines.training.interrupt import Stopped
from engines.training.micro_batch import micro_batch
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters
from engines.training.text_tokens import Learned, Preferred

Hyperparameters = SftHyperparameters | DpoHyperparameters


def options(hyper: Hyperparameters, micro: int, output: Path, device: str) -> dict[str, Any]:
    """Translate the contract's names into those of any of TRL's trainers. The learning rate falls to 0 at the last step."""
    return {
        "output_dir": str(output),
        "learning_rate": hyper.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": hyper.warmup_steps,
        "weight_decay": hyper.weight_decay,
        "num_train_epochs": hyper.num_epochs,
        "max_steps": hyper.max_steps or -1,
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": hyper.global_batch_size // micro,
        "seed": hyper.seed,
        "use_cpu": device == "cpu",
        "bf16": device == "cuda",
        "gradient_checkpointing": device == "cuda",
        "prediction_loss_only": True,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


class _Opened:
    """What both trainers have beside TRL's: `stop_due` is asked before every forward pass."""

    def __init__(self, *args: Any, stop_due: Callable[[], bool], **kwargs: Any) -> None:
        self._stop_due = stop_due
        super().__init__(*args, **kwargs)
        this: Any = self
        this.remove_callback(PrinterCallback)
        this.add_callback(_CountTokens(this))
        # Of an adapted model the embeddings alone are reached by a call, not past it.
        this.model.get_input_embeddings().register_forward_pre_hook(self._break_off)

    def _break_off(self, *_: Any) -> None:
        if self._stop_due():
            raise Stopped

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Take the optimizer's moments from the checkpoint, and learning rate and decay from the job that goes on."""
        this: Any = self
        super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]
        if checkpoint is not None:
            schedule.renew(this.lr_scheduler, this.args.learning_rate, this.args.weight_decay)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: what TRL would say of a job is in the job."""


class _CountTokens(TrainerCallback):  # type: ignore[misc]
    """Keeps TRL's count of the tokens in the trainer's state, so that a resumed run counts on."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._trainer._total_train_tokens = state.num_input_tokens_seen

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        state.num_input_tokens_seen = self._trainer._total_train_tokens


class ExampleTrainer(_Opened, SFTTrainer):  # type: ignore[misc]
    """Learns sequences of tokens; with `packing` several of them beside each other, none of which sees another."""

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        hyper: SftHyperparameters,
        learned: Sequence[Learned],
        held_out: Sequence[Learned],
        output: Path,
        device: str,
        **kwargs: Any,
    ) -> None:
        longest = max(map(len, (*learned, *held_out)))
        # Packed sequences are one long row, whose attention grows with the square of its length: one at a time.
        micro = 1 if hyper.packing else micro_batch(hyper.global_batch_size, longest, device)
        rows = sequences(learned)
        super().__init__(
            model=model,
            args=SFTConfig(
                **options(hyper, micro, output, device),
                max_length=hyper.max_length,
                packing=hyper.packing,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=pack_dataset(rows, hyper.max_length) if hyper.packing else rows,
            eval_dataset=sequences(held_out) if held_out else None,
            processing_class=tokenizer,
            **kwargs,
        )


class PairTrainer(_Opened, DPOTrainer):  # type: ignore[misc]
    """Learns which of two answers is preferred. The reference of an adapter is the model without it."""

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        hyper: DpoHyperparameters,
        learned: Sequence[Preferred],
        held_out: Sequence[Preferred],
        output: Path,
        device: str,
        **kwargs: Any,
    ) -> None:
        longest = max(map(len, (*learned, *held_out)))
        micro = micro_batch(hyper.global_batch_size, 2 * longest, device)
        super().__init__(
            model=model,
            args=DPOConfig(**options(hyper, micro, output, device), beta=hyper.beta, max_length=None),
            train_dataset=answers(learned),
            eval_dataset=answers(held_out) if held_out else None,
            processing_class=tokenizer,
            **kwargs,
        )

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


def sequences(found: Sequence[Learned]) -> Dataset:
    """Return the columns that SFTTrainer takes."""
    return Dataset.from_dict(
        {"input_ids": [np.asarray(each.ids) for each in found], "labels": [np.asarray(each.labels) for each in found]}
    )


def answers(found: Sequence[Preferred]) -> Dataset:
    """Return the columns that DPOTrainer takes."""
    return Dataset.from_dict(
        {
            "prompt_ids": [np.asarray(each.prompt) for each in found],
            "chosen_ids": [np.asarray(each.chosen) for each in found],
            "rejected_ids": [np.asarray(each.rejected) for each in found],
        }
    )
