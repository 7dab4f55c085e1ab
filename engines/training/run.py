"""One training run with everything at hand: from the policy in memory to the final folder that the parent has taken over."""

import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import datasets
import torch
import transformers
from transformers.trainer_callback import PrinterCallback

from engines.protocol import ChildFailure, Reporter
from engines.training import accelerators, handover, heldout, parity, ranks, weights
from engines.training.checkpoints import Checkpoints
from engines.training.grpo_spec import GrpoHyperparameters, GrpoSpec
from engines.training.heldout import HeldOut
from engines.training.peak import PeakMemory
from engines.training.progress import Agreement, Progress
from engines.training.prompts import Row, fit, token_ids
from engines.training.scoring import Judge, Scorer
from engines.training.text_spec import DpoSpec, SftSpec
from engines.training.trainer import RolloutTrainer, config, look_completions
from engines.training.witness import Complete, Rollouts

if TYPE_CHECKING:
    from engines.training.entering import Actors

# How long a step may go on after a stop before it is broken off between two forward passes.
STOP_GRACE_S = 2.0
PHASE_INTERVAL_S = 1.0
LESS_MEMORY = "A smaller global_batch_size or max_response_length, or lora_rank, takes less."
# Which rows are held out depends on the dataset alone: a run with another seed, or one that goes on from a checkpoint, has never
# trained on what it is asked about.
SPLIT_SEED = 0
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


@dataclass(frozen=True)
class Prepared:
    """A trainer that is ready to go, the dtype of the base's files, and who looks at the held-out rows where there are some."""

    trainer: RolloutTrainer
    dtype: torch.dtype
    heldout: HeldOut | None


def train(job: GrpoSpec, base: Path, rows: list[Row], judge: Judge | None, threads: int, reporter: Reporter) -> dict[str, Any]:
    """Train, save, and hand over the final model; `{}` where the parent stopped the run, with a checkpoint where it asked for
    one. Every process of a run calls it; the others than rank 0 have no judge, and nobody hears their reporter.
    """
    quieten()
    torch.set_num_threads(threads)
    ranks.join(job)
    checkpoints = Checkpoints(reporter, job.hyperparameters.checkpoint_every)
    prepared = prepare(job, base, rows, judge, reporter, checkpoints)
    trainer = prepared.trainer
    learn(trainer, job.resume_path)
    if reporter.stop_requested.is_set():
        reporter.log(f"stopped after step {trainer.state.global_step}")
        return {}
    ended = trainer.state.global_step >= trainer.state.max_steps or (prepared.heldout is not None and prepared.heldout.ended)
    if reporter.save_requested.is_set() and not ended:
        checkpoints.wait_taken(reporter.stop_requested)
        reporter.log(f"stopped after step {trainer.state.global_step}, whose checkpoint is stored")
        return {}
    whole = whole_weights(job, prepared)
    return {} if judge is None else finish(job, prepared, whole, base, reporter)


def quieten() -> None:
    """Keep the libraries' bars and notices out of the user's log."""
    warnings.simplefilter("ignore")
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for name in ("transformers", "trl", "datasets", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)


def prepare(
    job: GrpoSpec, base: Path, rows: list[Row], judge: Judge | None, reporter: Reporter, checkpoints: Checkpoints
) -> Prepared:
    """Load everything; `config_error` where what the job goes on from does not fit it."""
    hyper = job.hyperparameters
    tokenizer = weights.load_tokenizer(base)
    trainer_of: Callable[..., RolloutTrainer] = RolloutTrainer
    complete: Complete | None = None
    if job.environments is None:
        fitted = fit(rows, tokenizer, hyper.max_prompt_length)
    else:
        from engines.training import acting

        fitted = acting.fitted(rows, tokenizer, hyper.max_prompt_length)
        actors = cast("Actors", judge)
        trainer_of, complete = partial(acting.ActingTrainer, actors=actors, hyper=hyper), actors.tell
    if notice := fitted.notice(hyper.max_prompt_length):
        reporter.log(notice, level="warning")
    reporter.prompts(len(rows), len(fitted.too_long), hyper.max_prompt_length)
    check_resume(job)
    learned, held = heldout.split(fitted.rows, hyper.eval_fraction, SPLIT_SEED)
    if hyper.eval_fraction is not None:
        reporter.log(held_line(hyper, held))
    scorer = Scorer(judge, fitted.rows, hyper.rollouts_per_prompt, reporter, lambda row: token_ids(row, tokenizer))
    options = accelerators.options(job, base, fitted.longest, reporter)

    dtypes: list[torch.dtype] = []

    def made(options: Mapping[str, Any]) -> RolloutTrainer:
        model, dtype = weights.load_policy(base, hyper, job.device)
        dtypes.append(dtype)
        return trainer_of(
            model=model,
            tokenizer=tokenizer,
            args=config(job, fitted.longest, len(held), options),
            rows=learned,
            held=held,
            reward=scorer.reward,
            on_phase=Phases(reporter),
            witness=Rollouts(scorer, hyper.rollouts_per_prompt, reporter, complete),
            stop_due=StopClock(reporter),
            peft_config=weights.adapter_config(hyper),
        )

    trainer = accelerators.with_or_without_vllm(made, options, job, reporter)
    looks = watch(job, trainer, held, reporter) if held else None
    if judge is not None:
        trainer.add_callback(Progress(reporter, checkpoints, looks))
        trainer.add_callback(PeakMemory(reporter, job.device))
    trainer.add_callback(Agreement())
    trainer.remove_callback(PrinterCallback)
    reporter.log(describe(job, trainer, len(learned)))
    return Prepared(trainer, dtypes[-1], looks)


def held_line(hyper: GrpoHyperparameters, held: list[Row]) -> str:
    if not held:
        return "a single prompt cannot be shared between training and evaluation: none is held out"
    each = look_completions(hyper, len(held))
    return f"{len(held)} prompts are held out of the training; a look at them samples {each} completion(s) of each"


def watch(job: GrpoSpec, trainer: RolloutTrainer, held: list[Row], reporter: Reporter) -> HeldOut:
    """Have the trainer look at the held-out rows when it is due. Scores are compared where all that they are of is equal."""
    hyper = job.hyperparameters
    reward = None if job.reward is None else (Path(job.reward.path).read_text(), job.reward.format, job.reward.weights)
    environments = [(each.id, each.splits, each.variant) for each in job.environments or []]
    sampling = (trainer.num_generations_eval, hyper.max_response_length, hyper.temperature, hyper.top_p)
    looks = HeldOut(
        reporter,
        "eval_reward",
        greater_is_better=True,
        every=hyper.eval_every or hyper.checkpoint_every,
        patience=hyper.early_stop_patience,
        keep_best=hyper.keep_best,
        folder=Path(job.work_dir) / "best",
        save=trainer.save_model,
        evaluate=trainer.evaluate,
        of=heldout.digest([asdict(row) for row in held], reward, environments, sampling),
        resume_path=job.resume_path,
    )
    trainer.add_callback(looks)
    return looks


def describe(job: GrpoSpec, trainer: RolloutTrainer, prompts: int) -> str:
    """Return the line that tells the user what is about to run."""
    hyper = job.hyperparameters
    trained, total = trainer.model.num_parameters(only_trainable=True), trainer.model.num_parameters()
    what = f"{total:,} parameters" if trained == total else f"a LoRA adapter of {trained:,} parameters on {total - trained:,}"
    where = f"{torch.get_num_threads()} CPU thread(s)" if job.device == "cpu" else torch.cuda.get_device_name()
    each = f"{hyper.prompts_per_step} of {prompts} prompts, {hyper.rollouts_per_prompt} completions each"
    repeated = ", so that some prompts come more than once in a step" if prompts < hyper.prompts_per_step else ""
    return f"training {what} on {where}; a step takes {each}{repeated}"


def check_resume(job: GrpoSpec | SftSpec | DpoSpec) -> None:
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
        handover.held(lambda: trainer.train(resume_from_checkpoint=resume_path), LESS_MEMORY)
    except RuntimeError as error:
        if BROKEN_SAMPLING in str(error):
            message = f"Training diverged: no valid probabilities after step {trainer.state.global_step}."
            raise ChildFailure("config_error", message) from error
        raise


def whole_weights(job: GrpoSpec, prepared: Prepared) -> Path | None:
    """Return the folder with the weights to serve, where they are not simply those in memory: the best ones that were kept, or
    all shards of the last. Called by every process, since each has its shard.
    """
    trainer = prepared.trainer
    best = None if prepared.heldout is None else prepared.heldout.better_than(trainer.state.global_step)
    if best is not None or not trainer.is_fsdp_enabled:
        return best
    folder = Path(job.work_dir) / "last"
    trainer.save_model(str(folder))
    return folder


def finish(job: GrpoSpec, prepared: Prepared, whole: Path | None, base: Path, reporter: Reporter) -> dict[str, Any]:
    """Save the final model and wait until the parent has it; a stop meanwhile raises `Stopped`."""
    trainer, looks = prepared.trainer, prepared.heldout
    step, folder = trainer.state.global_step, Path(job.work_dir) / "final"
    score = None if looks is None else looks.score_at(step)
    reporter.phase("saving")
    if looks is not None and looks.better_than(step) is not None:
        score = looks.best_score
        reporter.log(f"the trained model is that of step {looks.best_step}, which did best on the held-out rows")
    adapted = job.hyperparameters.lora_rank is not None
    model = trainer.accelerator.unwrap_model(trainer.model) if whole is None else weights.load_trained(base, whole, adapted)
    weights.save_final(model, base, job.model.called, prepared.dtype, folder)
    asked = list(trainer.rows.values())
    parity.give(folder, base, job.model, trainer.processing_class, asked, job.device, reporter)
    return handover.hand_over(step, folder, score, reporter)
