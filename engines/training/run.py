"""One training run with everything at hand: from the policy in memory to the final folder that the parent has taken over."""

import logging
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from transformers.trainer_callback import PrinterCallback

from engines.protocol import ChildFailure, Reporter
from engines.training import parity, weights
from engines.training.checkpoints import Checkpoints
from engines.training.grpo_spec import GrpoSpec
from engines.training.interrupt import Stopped
from engines.training.progress import Progress
from engines.training.prompts import Row, fit, token_ids
from engines.training.rollouts import Sampled, build_groups
from engines.training.scoring import Conversing, Judge, Scorer
from engines.training.trainer import RolloutTrainer, config

# How long a step may go on after a stop before it is broken off between two forward passes.
STOP_GRACE_S = 2.0
PHASE_INTERVAL_S = 1.0
ACK_POLL_S = 0.5
CPU_ALLOCATION = "can't allocate memory"
# Of what the reward printed at a step so much is kept beside its rollouts; all of it is in the log.
KEPT_OUTPUT = 16_384
BROKEN_SAMPLING = "probability tensor contains"


class Phases:
    """Reports the phase when it changes: each at its first time, from then on at most once in `PHASE_INTERVAL_S`."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._seen: set[str] = set()
        self._reported_at = 0.0

    def __call__(self, phase: str) -> None:
        now = time.monotonic()
        if phase not in self._seen or now - self._reported_at >= PHASE_INTERVAL_S:
            self._seen.add(phase)
            self._reported_at = now
            self._reporter.phase(phase)


class StopClock:
    """Tells when a stop has waited long enough for the step to end by itself."""

    def __init__(self, reporter: Reporter) -> None:
        self._requested = reporter.stop_requested
        self._seen_at: float | None = None

    def __call__(self) -> bool:
        if not self._requested.is_set():
            return False
        if self._seen_at is None:
            self._seen_at = time.monotonic()
        return time.monotonic() - self._seen_at >= STOP_GRACE_S


def train(job: GrpoSpec, base: Path, rows: list[Row], judge: Judge, threads: int, reporter: Reporter) -> dict[str, Any]:
    """Train, save, and hand over the final model; `{}` where the parent stopped the run, with a checkpoint where it asked for
    one.
    """
    quieten()
    torch.set_num_threads(threads)
    checkpoints = Checkpoints(reporter, job.hyperparameters.checkpoint_every)
    trainer, dtype = prepare(job, base, rows, judge, reporter, checkpoints)
    learn(trainer, job.resume_path)
    if reporter.stop_requested.is_set():
        reporter.log(f"stopped after step {trainer.state.global_step}")
        return {}
    if reporter.save_requested.is_set() and trainer.state.global_step < trainer.state.max_steps:
        checkpoints.wait_taken(reporter.stop_requested)
        reporter.log(f"stopped after step {trainer.state.global_step}, whose checkpoint is stored")
        return {}
    return finish(job, trainer, dtype, base, reporter)


def quieten() -> None:
    """Keep the libraries' bars and notices out of the user's log."""
    warnings.simplefilter("ignore")
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for name in ("transformers", "trl", "datasets", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)


def prepare(
    job: GrpoSpec, base: Path, rows: list[Row], judge: Judge, reporter: Reporter, checkpoints: Checkpoints
) -> tuple[RolloutTrainer, torch.dtype]:
    """Return the trainer, ready to go, and the dtype of the base's files."""
    hyper = job.hyperparameters
    tokenizer = weights.load_tokenizer(base)
    trainer_of: Callable[..., RolloutTrainer] = RolloutTrainer
    if job.environments is None:
        fitted = fit(rows, tokenizer, hyper.max_prompt_length)
    else:
        from engines.training import acting

        fitted = acting.fitted(rows, tokenizer, hyper.max_prompt_length)
        trainer_of = partial(acting.ActingTrainer, actors=judge, hyper=hyper)
    if notice := fitted.notice(hyper.max_prompt_length):
        reporter.log(notice, level="warning")
    reporter.prompts(len(rows), len(fitted.too_long), hyper.max_prompt_length)
    check_resume(job)
    model, dtype = weights.load_policy(base, hyper, job.device)
    scorer = Scorer(judge, fitted.rows, hyper.rollouts_per_prompt, reporter, lambda row: token_ids(row, tokenizer))

    def report_rollouts(step: int, sampled: Sampled) -> None:
        groups = build_groups(sampled, scorer.last, hyper.rollouts_per_prompt)
        if isinstance(judge, Conversing):
            judge.tell(groups)
        reporter.rollouts(step, groups, scorer.last.stdout[:KEPT_OUTPUT])

    trainer = trainer_of(
        model=model,
        tokenizer=tokenizer,
        args=config(hyper, Path(job.work_dir) / "trainer", fitted.longest, job.device),
        rows=fitted.rows,
        reward=scorer.reward,
        on_phase=Phases(reporter),
        on_sampled=report_rollouts,
        stop_due=StopClock(reporter),
        callbacks=[Progress(reporter, checkpoints)],
        peft_config=weights.adapter_config(hyper),
    )
    trainer.remove_callback(PrinterCallback)
    reporter.log(describe(job, trainer, len(fitted.rows)))
    return trainer, dtype


def describe(job: GrpoSpec, trainer: RolloutTrainer, prompts: int) -> str:
    """Return the line that tells the user what is about to run."""
    hyper = job.hyperparameters
    trained, total = trainer.model.num_parameters(only_trainable=True), trainer.model.num_parameters()
    what = f"{total:,} parameters" if trained == total else f"a LoRA adapter of {trained:,} parameters on {total - trained:,}"
    where = f"{torch.get_num_threads()} CPU thread(s)" if job.device == "cpu" else torch.cuda.get_device_name()
    each = f"{hyper.prompts_per_step} of {prompts} prompts, {hyper.rollouts_per_prompt} completions each"
    repeated = ", so that some prompts come more than once in a step" if prompts < hyper.prompts_per_step else ""
    return f"training {what} on {where}; a step takes {each}{repeated}"


def check_resume(job: GrpoSpec) -> None:
    """Raise `config_error` where the checkpoint is none, or is one of another kind of training."""
    if job.resume_path is None:
        return
    folder = Path(job.resume_path)
    if not (folder / "trainer_state.json").is_file():
        raise ChildFailure("config_error", "The checkpoint to resume from is incomplete: it has no trainer_state.json.")
    if (folder / "adapter_config.json").is_file() != (job.hyperparameters.lora_rank is not None):
        raise ChildFailure("config_error", "Of the checkpoint and this job, one trains an adapter and the other all weights.")


def learn(trainer: RolloutTrainer, resume_path: str | None) -> None:
    """Run all steps; turn what the hardware and the numbers can do into failures of the job."""
    try:
        trainer.train(resume_from_checkpoint=resume_path)
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        if CPU_ALLOCATION in str(error):
            raise _out_of_memory(error) from error
        if BROKEN_SAMPLING in str(error):
            message = f"Training diverged: no valid probabilities after step {trainer.state.global_step}."
            raise ChildFailure("config_error", message) from error
        raise


def _out_of_memory(error: Exception) -> ChildFailure:
    first = str(error).partition("\n")[0]
    return ChildFailure(
        "oom", f"Out of memory: {first} A smaller global_batch_size or max_response_length, or lora_rank, takes less."
    )


def finish(job: GrpoSpec, trainer: RolloutTrainer, dtype: torch.dtype, base: Path, reporter: Reporter) -> dict[str, Any]:
    """Save the final model and wait until the parent has it; a stop meanwhile raises `Stopped`."""
    step, folder = trainer.state.global_step, Path(job.work_dir) / "final"
    reporter.phase("saving")
    weights.save_final(trainer.accelerator.unwrap_model(trainer.model), base, job.model.called, dtype, folder)
    give_evidence(job, trainer, base, folder, reporter)
    reporter.phase("uploading")
    reporter.checkpoint(step, str(folder), final=True)
    while not reporter.wait_uploaded(step, ACK_POLL_S):
        if reporter.stop_requested.is_set():
            raise Stopped
    return {"steps": step}


def give_evidence(job: GrpoSpec, trainer: RolloutTrainer, base: Path, folder: Path, reporter: Reporter) -> None:
    """Put beside the model what a replica of it will be held against."""
    try:
        parity.write(folder, base, job.model, trainer.processing_class, list(trainer.rows.values()), job.device)
    except Exception as error:
        # Hours of training are not thrown away for want of a comparison: the model is served, and the log says uncompared.
        reporter.log(f"the trained model could not be asked for what it says: {error}", level="warning")
