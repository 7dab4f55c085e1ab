"""TRL's GRPOTrainer, opened where Burnish looks in: prompts by row, timings, rollouts, a stop within a step, and an exact resume.

Overrides underscored methods of the pinned TRL; `tests/engines/training` fails where a new version moves them.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import RepeatSampler

from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.interrupt import Stopped
from engines.training.prompts import Row
from engines.training.rollouts import Sampled

# Tokens that one forward and backward pass takes at most; a step of more is split and its gradients are summed.
MICRO_BATCH_TOKENS = {"cpu": 8192, "cuda": 16384}


def micro_batch(hyper: GrpoHyperparameters, longest_prompt: int, device: str) -> int:
    """Return the largest divisor of the batch whose longest possible sequences fit the token budget; at least 1."""
    fitting = MICRO_BATCH_TOKENS[device] // (longest_prompt + hyper.max_response_length)
    sizes = (size for size in range(min(fitting, hyper.global_batch_size), 0, -1) if hyper.global_batch_size % size == 0)
    return next(sizes, 1)


def config(hyper: GrpoHyperparameters, output: Path, longest_prompt: int, device: str) -> GRPOConfig:
    """Translate the contract's names into TRL's."""
    micro = micro_batch(hyper, longest_prompt, device)
    return GRPOConfig(
        output_dir=str(output),
        learning_rate=hyper.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=hyper.warmup_steps,
        num_train_epochs=hyper.num_epochs,
        max_steps=hyper.max_steps or -1,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=hyper.global_batch_size // micro,
        num_generations=hyper.rollouts_per_prompt,
        max_completion_length=hyper.max_response_length,
        temperature=hyper.temperature,
        top_p=hyper.top_p,
        beta=hyper.kl_coef,
        epsilon=hyper.clip_eps,
        seed=hyper.seed,
        use_cpu=device == "cpu",
        bf16=device == "cuda",
        gradient_checkpointing=device == "cuda",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


class EpochSampler(RepeatSampler):  # type: ignore[misc]
    """TRL's sampler with an order that depends on the seed and the epoch only, so that a resumed run sees the same rows."""

    def set_epoch(self, epoch: int) -> None:
        self.generator.manual_seed(self.seed + epoch)


class RolloutTrainer(GRPOTrainer):  # type: ignore[misc]
    """Trains on `rows` and gives `on_sampled` the completions of each step, the step's number counting from 1.

    The dataset that TRL holds has row numbers only (see `prompts`). `stop_due` is asked before every forward pass.
    """

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        args: GRPOConfig,
        rows: list[Row],
        reward: Callable[..., list[float | None]],
        on_phase: Callable[[str], None],
        on_sampled: Callable[[int, Sampled], None],
        stop_due: Callable[[], bool],
        **kwargs: Any,
    ) -> None:
        self.rows: Mapping[int, Row] = {row.index: row for row in rows}
        self._on_phase = on_phase
        self._on_sampled = on_sampled
        self._stop_due = stop_due
        super().__init__(
            model=model,
            reward_funcs=[reward],
            args=args,
            train_dataset=Dataset.from_dict({"row": _whole_steps([row.index for row in rows], args)}),
            processing_class=tokenizer,
            **kwargs,
        )
        # Of an adapted model the embeddings alone are reached by a call, not past it, in sampling and in training.
        self.model.get_input_embeddings().register_forward_pre_hook(self._break_off)

    def _break_off(self, *_: Any) -> None:
        if self._stop_due():
            raise Stopped

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Take the optimizer's moments from the checkpoint, and the learning rate from the job that goes on."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        schedule: Any = getattr(self.lr_scheduler, "scheduler", self.lr_scheduler)
        rate = self.args.learning_rate
        schedule.base_lrs = [rate for _ in schedule.base_lrs]
        for group, factor in zip(schedule.optimizer.param_groups, schedule.lr_lambdas, strict=True):
            group["initial_lr"], group["lr"] = rate, rate * factor(schedule.last_epoch)
        schedule._last_lr = [group["lr"] for group in schedule.optimizer.param_groups]

    def _get_train_sampler(self, dataset: Dataset | None = None) -> EpochSampler:
        return EpochSampler(
            data_source=dataset or self.train_dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [self.rows[example["row"]] for example in inputs]
        output: dict[str, Any] = super()._generate_and_score_completions(
            [{"prompt": row.prompt, "row": row.index} for row in rows]
        )
        self._on_sampled(self.state.global_step + 1, self._sampled(rows, output))
        self._on_phase("updating")
        return output

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        self._on_phase("generating")
        started = time.perf_counter()
        generated = super()._generate_single_turn(*args, **kwargs)
        generate_s = time.perf_counter() - started
        self._log_metric("generate_time", generate_s)
        self._log_metric("tokens_per_second", sum(len(ids) for ids in generated[0]) / generate_s)
        return generated

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        self._on_phase("scoring")
        return super()._calculate_rewards(*args, **kwargs)

    def _sampled(self, rows: list[Row], output: Mapping[str, Any]) -> Sampled:
        masks = output["completion_mask"].bool()
        completions = [ids[mask].tolist() for ids, mask in zip(output["completion_ids"], masks, strict=True)]
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        return Sampled(
            rows=rows,
            texts=self._tokenizer.batch_decode(completions, skip_special_tokens=True),
            tokens=[len(ids) for ids in completions],
            truncated=[ids[-1] not in ends for ids in completions],
            advantages=output["advantages"].tolist(),
        )

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: what TRL would say of a job is in the job."""


def _whole_steps(indexes: list[int], args: GRPOConfig) -> list[int]:
    """Repeat the rows of a dataset that is smaller than one step, which the sampler would leave out entirely."""
    needed = args.generation_batch_size // args.num_generations
    return indexes if len(indexes) >= needed else [indexes[n % len(indexes)] for n in range(needed)]
