"""TRL's GRPOTrainer, opened where Burnish looks in: prompts by row, timings, rollouts, a stop within a step, an exact resume, and
looks at held-out rows that training does not notice.

Overrides underscored methods of the pinned TRL; `tests/engines/training` fails where a new version moves them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerControl
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import RepeatSampler

from engines.training import ranks, schedule
from engines.training.grpo_spec import GrpoHyperparameters, GrpoSpec
from engines.training.interrupt import Stopped
from engines.training.micro_batch import micro_batch
from engines.training.prompts import Row
from engines.training.rollouts import Sampled, join_sampled

# So many completions a look at the held-out rows samples at least, where a group a row is as many.
LOOK_COMPLETIONS = 256


def look_completions(hyper: GrpoHyperparameters, rows: int) -> int:
    """Return how many completions of each held-out row to sample: a divisor of a group, the larger the fewer rows there are."""
    wished = max(1, LOOK_COMPLETIONS // rows)
    return max(
        size for size in range(1, hyper.rollouts_per_prompt + 1) if not hyper.rollouts_per_prompt % size and size <= wished
    )


def config(job: GrpoSpec, longest_prompt: int, held: int, more: Mapping[str, Any]) -> GRPOConfig:
    """Translate the contract's names into TRL's; `held` rows are held out, and `more` is what the hardware asks for."""
    hyper, device = job.hyperparameters, job.device
    micro = micro_batch(hyper.global_batch_size // job.gpus, longest_prompt + hyper.max_response_length, device)
    return GRPOConfig(
        output_dir=str(Path(job.work_dir) / "trainer"),
        learning_rate=hyper.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=hyper.warmup_steps,
        num_train_epochs=hyper.num_epochs,
        max_steps=hyper.max_steps or -1,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=hyper.global_batch_size // job.gpus // micro,
        num_generations=hyper.rollouts_per_prompt,
        num_generations_eval=look_completions(hyper, held) if held else None,
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
        **more,
    )


class Witness(Protocol):
    """Who is told of what was sampled. Called on rank 0, whose completions those of all processes are."""

    def sampled(self, step: int, sampled: Sampled) -> None:
        """Take the completions of a step, which counts from 1."""

    def looked(self, sampled: Sampled) -> None:
        """Take completions of held-out rows; they may be followed by more of the same look."""

    def score(self) -> dict[str, float]:
        """Return the numbers of the look that is over."""


class EpochSampler(RepeatSampler):  # type: ignore[misc]
    """TRL's sampler with an order that depends on the seed and the epoch only, so that a resumed run sees the same rows."""

    def set_epoch(self, epoch: int) -> None:
        self.generator.manual_seed(self.seed + epoch)


class RolloutTrainer(GRPOTrainer):  # type: ignore[misc]
    """Trains on `rows`, evaluates on `held`, and tells `witness` of the completions of both.

    The dataset that TRL holds has row numbers only (see `prompts`). `stop_due` is asked before every forward pass.
    """

    control: TrainerControl

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        args: GRPOConfig,
        rows: list[Row],
        held: list[Row],
        reward: Callable[..., list[float | None]],
        on_phase: Callable[[str], None],
        witness: Witness,
        stop_due: Callable[[], bool],
        **kwargs: Any,
    ) -> None:
        self.rows: Mapping[int, Row] = {row.index: row for row in [*rows, *held]}
        self._held = held
        self._on_phase = on_phase
        self._witness = witness
        self._stop_due = stop_due
        self._looked: list[Sampled] = []
        super().__init__(
            model=model,
            reward_funcs=[reward],
            args=args,
            train_dataset=Dataset.from_dict({"row": _whole_steps([row.index for row in rows], args)}),
            processing_class=tokenizer,
            **kwargs,
        )
        if getattr(self.model, "is_loaded_in_4bit", False):
            # TRL makes the adapter bfloat16 then, in which an update of 1e-6 vanishes.
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.float()
        if self.is_fsdp_enabled:
            # Accelerate shards without telling transformers, whose sampling must then go on until every process is done.
            sampling: Any = self.model
            sampling = sampling.get_base_model() if isinstance(sampling, PeftModel) else sampling
            sampling._is_fsdp_managed_module = True
        # Of an adapted model the embeddings alone are reached by a call, not past it, in sampling and in training.
        self.model.get_input_embeddings().register_forward_pre_hook(self._break_off)

    def _break_off(self, *_: Any) -> None:
        if self._stop_due():
            raise Stopped

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Take the optimizer's moments from the checkpoint, and the learning rate from the job that goes on."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            schedule.renew(self.lr_scheduler, self.args.learning_rate)

    def _get_train_sampler(self, dataset: Dataset | None = None) -> EpochSampler:
        self._sampler = EpochSampler(
            data_source=dataset or self.train_dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
        )
        return self._sampler

    def _run_epoch(self, *, epoch: int, **kwargs: Any) -> None:
        """Tell the sampler its epoch: of several processes that go on within one, the loader does not reach it."""
        self._sampler.set_epoch(epoch)
        super()._run_epoch(epoch=epoch, **kwargs)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [self.rows[example["row"]] for example in inputs]
        output: dict[str, Any] = super()._generate_and_score_completions(
            [{"prompt": row.prompt, "row": row.index} for row in rows]
        )
        sampled = join_sampled(ranks.gather([self._sampled(rows, output)]))
        if not self.model.training:
            self._looked.append(sampled)
            return output
        if self.accelerator.is_main_process:
            self._witness.sampled(self.state.global_step + 1, sampled)
        self._on_phase("updating")
        return output

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Sample completions of the held-out rows as a step does, and return the means of all of them, as `eval_…`.

        Always with the same random numbers, so that two looks differ by what was learned between them; training goes on with its
        own, as if it had not been interrupted.
        """
        each, processes = self.num_generations_eval, self.accelerator.num_processes
        wanted = [row.index for row in self._held for _ in range(each)]
        with self._aside():
            for start in range(0, len(wanted), self.args.generation_batch_size):
                chunk = wanted[start : start + self.args.generation_batch_size]
                self._look(chunk, _filled(chunk, each * processes))
        metrics = ranks.share(self._witness.score() if self.accelerator.is_main_process else {})
        self._metrics["eval"].clear()
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _look(self, wanted: list[int], chunk: list[int]) -> None:
        """Sample and score a batch of completions, this process its share; `chunk` has `wanted` and what fills up the shares."""
        share = len(chunk) // self.accelerator.num_processes
        mine = chunk[self.accelerator.process_index * share :][:share]
        self._generate_and_score_completions([{"row": row} for row in mine])
        if self.accelerator.is_main_process:
            self._witness.looked(self._looked.pop().first(len(wanted)))

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Evaluate without a trace in the training: its random numbers, and the mode of the model, are as before afterwards."""
        cuda = self.accelerator.device.type == "cuda"
        with torch.random.fork_rng([torch.cuda.current_device()] if cuda else []), torch.no_grad():
            torch.manual_seed(self.args.seed + self.accelerator.process_index)
            self.model.eval()
            try:
                yield
            finally:
                self.model.train()

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Save on all processes before any callback is told of the folder: each writes its random state into it."""
        super()._save_checkpoint(*args, **kwargs)
        self.accelerator.wait_for_everyone()

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


def _filled(chunk: list[int], multiple: int) -> list[int]:
    """Return the rows and, after them, the last again and again, until there is a whole multiple of them."""
    return chunk + chunk[-1:] * (-len(chunk) % multiple)


def _whole_steps(indexes: list[int], args: GRPOConfig) -> list[int]:
    """Repeat the rows of a dataset that is smaller than one step, which the sampler would leave out entirely."""
    needed = args.generation_batch_size // args.num_generations
    return indexes if len(indexes) >= needed else [indexes[n % len(indexes)] for n in range(needed)]
