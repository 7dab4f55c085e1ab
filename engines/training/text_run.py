"""One run of SFT or DPO with everything at hand: from the rows in memory to the final folder that the parent has taken over."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engines.protocol import ChildFailure, Reporter
from engines.training import handover, parity, weights
from engines.training.checkpoints import Checkpoints
from engines.training.heldout import HeldOut, digest, split
from engines.training.peak import PeakMemory
from engines.training.prompts import left_out
from engines.training.run import SPLIT_SEED, StopClock, check_resume, quieten
from engines.training.text_metrics import DPO_LINE, SFT_LINE, TextProgress
from engines.training.text_rows import Example, Pair
from engines.training.text_spec import DpoSpec, SftSpec
from engines.training.text_tokens import Fitted, Reader, fit
from engines.training.text_trainer import ExampleTrainer, PairTrainer

LESS_MEMORY = "A smaller max_length, or lora_rank, takes less."
Trainer = ExampleTrainer | PairTrainer
Job = SftSpec | DpoSpec


def sft(job: SftSpec, base: Path, rows: Sequence[Example], threads: int, reporter: Reporter) -> dict[str, Any]:
    """Train on examples, save, and hand over the final model; `{}` where the parent stopped the run."""
    hyper = job.hyperparameters
    tokenizer = _begin(job, base, threads)
    reader = Reader(tokenizer, answers_only=hyper.completion_only)
    fitted = fit(rows, reader.example, hyper.max_length)
    _tell_rows(fitted, hyper.max_length, reporter)
    _tell_template(reader, reporter)
    learned, held_out = split(fitted.rows, hyper.eval_fraction, SPLIT_SEED)
    model, dtype = _policy(base, job)
    trainer = ExampleTrainer(
        model=model,
        tokenizer=tokenizer,
        hyper=hyper,
        learned=_flat(learned),
        held_out=_flat(held_out),
        output=Path(job.work_dir) / "trainer",
        device=job.device,
        stop_due=StopClock(reporter),
        peft_config=weights.adapter_config(hyper),
    )
    tokens = [(len(each), sum(end - start for start, end in each.spans)) for each in _flat(learned)]
    reporter.log(_describe(job, trainer, f"{len(learned)} rows"))
    reporter.log(f"{sum(of for _, of in tokens):,} of {sum(whole for whole, _ in tokens):,} tokens are learned")
    held = _held_out(job, trainer, held_out, (hyper.completion_only,), reporter)
    return _run(job, base, trainer, held, dtype, SFT_LINE, fitted, reporter)


def dpo(job: DpoSpec, base: Path, rows: Sequence[Pair], threads: int, reporter: Reporter) -> dict[str, Any]:
    """Train on pairs, save, and hand over the final model; `{}` where the parent stopped the run."""
    hyper = job.hyperparameters
    tokenizer = _begin(job, base, threads)
    reader = Reader(tokenizer)
    fitted = fit(_teaching(rows, reporter), reader.pair, hyper.max_length)
    _tell_rows(fitted, hyper.max_length, reporter)
    _tell_template(reader, reporter)
    learned, held_out = split(fitted.rows, hyper.eval_fraction, SPLIT_SEED)
    model, dtype = _policy(base, job)
    trainer = PairTrainer(
        model=model,
        tokenizer=tokenizer,
        hyper=hyper,
        learned=_flat(learned),
        held_out=_flat(held_out),
        output=Path(job.work_dir) / "trainer",
        device=job.device,
        stop_due=StopClock(reporter),
        peft_config=weights.adapter_config(hyper),
        # In the policy's own dtype: at the start the two say the same to the last bit.
        ref_model=None if hyper.lora_rank else _policy(base, job)[0],
    )
    reporter.log(_describe(job, trainer, f"{len(learned)} pairs"))
    held = _held_out(job, trainer, held_out, (hyper.beta,), reporter)
    return _run(job, base, trainer, held, dtype, DPO_LINE, fitted, reporter)


def _begin(job: Job, base: Path, threads: int) -> PreTrainedTokenizerBase:
    quieten()
    torch.set_num_threads(threads)
    check_resume(job)
    return weights.load_tokenizer(base)


def _policy(base: Path, job: Job) -> tuple[PreTrainedModel, torch.dtype]:
    """Return the model to train and the dtype of its files. All weights train in float32; beside an adapter they stay."""
    model = weights.load_base(base)
    dtype = model.dtype
    return (model if job.hyperparameters.lora_rank else model.float()), dtype


def _teaching(rows: Sequence[Pair], reporter: Reporter) -> list[Pair]:
    """Leave out the pairs whose answers are equal."""
    equal = [row for row in rows if not row.teaches]
    if len(equal) == len(rows):
        raise ChildFailure("dataset_error", "In every row 'chosen' and 'rejected' are the same.")
    if notice := left_out(equal, len(rows), "pairs whose answers are the same"):
        reporter.log(notice, level="warning")
    return [row for row in rows if row.teaches]


def _tell_rows(fitted: Fitted[Any, Any], limit: int, reporter: Reporter) -> None:
    if notice := fitted.notice(limit):
        reporter.log(notice, level="warning")
    reporter.prompts(len(fitted.rows) + len(fitted.too_long), len(fitted.too_long), limit)


def _tell_template(reader: Reader, reporter: Reporter) -> None:
    if reader.rewritten:
        message = "the model's chat template shows earlier answers in another way than the last one: "
        reporter.log(f"{message}{reader.rewritten} rows become a sequence for each answer")
    if reader.asks_otherwise:
        message = "the model's chat template does not begin an answer as it asks for one: "
        reporter.log(f"{message}what it asks with beyond that is left out of the training", level="warning")


def _flat(rows: Sequence[tuple[Any, list[Any]]]) -> list[Any]:
    return list(chain.from_iterable(sequences for _, sequences in rows))


def _describe(job: Job, trainer: Trainer, rows: str) -> str:
    """Return the line that tells the user what is about to run."""
    trained, total = trainer.model.num_parameters(only_trainable=True), trainer.model.num_parameters()
    model = f"{total:,} parameters" if trained == total else f"a LoRA adapter of {trained:,} parameters on {total - trained:,}"
    where = f"{torch.get_num_threads()} CPU thread(s)" if job.device == "cpu" else torch.cuda.get_device_name()
    count = len(trainer.train_dataset)
    of = rows if rows.startswith(f"{count} ") else f"the {count} sequences that {rows} make"
    return f"training {model} on {where}; a step takes {min(job.hyperparameters.global_batch_size, count)} of {of}"


def _held_out(
    job: Job, trainer: Trainer, rows: Sequence[tuple[Any, list[Any]]], of: tuple[Any, ...], reporter: Reporter
) -> HeldOut | None:
    hyper = job.hyperparameters
    if not rows:
        if hyper.eval_fraction is not None:
            reporter.log("a single row cannot be shared between training and evaluation: none is held out")
        return None
    reporter.log(f"{len(rows)} rows are held out and never trained on")
    return HeldOut(
        reporter,
        "eval_loss",
        greater_is_better=False,
        every=hyper.eval_every or hyper.checkpoint_every,
        patience=hyper.early_stop_patience,
        keep_best=hyper.keep_best,
        folder=Path(job.work_dir) / "best",
        save=trainer.save_model,
        evaluate=trainer.evaluate,
        of=digest([asdict(row) for row, _ in rows], *of),
        resume_path=job.resume_path,
    )


def _run(
    job: Job,
    base: Path,
    trainer: Trainer,
    held_out: HeldOut | None,
    dtype: torch.dtype,
    line: dict[str, str],
    fitted: Fitted[Any, Any],
    reporter: Reporter,
) -> dict[str, Any]:
    checkpoints = Checkpoints(reporter, job.hyperparameters.checkpoint_every)
    for callback in (held_out, TextProgress(reporter, checkpoints, held_out, line), PeakMemory(reporter, job.device)):
        if callback is not None:
            trainer.add_callback(callback)
    handover.held(lambda: trainer.train(resume_from_checkpoint=job.resume_path), LESS_MEMORY)
    step = trainer.state.global_step
    if reporter.stop_requested.is_set():
        reporter.log(f"stopped after step {step}")
        return {}
    ended = step >= trainer.state.max_steps or (held_out is not None and held_out.ended)
    if reporter.save_requested.is_set() and not ended:
        checkpoints.wait_taken(reporter.stop_requested)
        reporter.log(f"stopped after step {step}, whose checkpoint is stored")
        return {}
    asked = [prompt for row, _ in fitted.rows if (prompt := row.prompt) is not None]
    return _finish(job, base, trainer, held_out, dtype, asked, reporter)


def _finish(
    job: Job, base: Path, trainer: Trainer, held_out: HeldOut | None, dtype: torch.dtype, asked: list[Any], reporter: Reporter
) -> dict[str, Any]:
    """Save the final model and wait until the parent has it; a stop meanwhile raises `Stopped`."""
    step, folder = trainer.state.global_step, Path(job.work_dir) / "final"
    model, score = trainer.accelerator.unwrap_model(trainer.model), None
    reporter.phase("saving")
    if held_out is not None:
        score = held_out.score_at(step)
        if better := held_out.better_than(step):
            reporter.log(f"the trained model is that of step {held_out.best_step}, which did best on the held-out rows")
            model, score = weights.load_trained(base, better, job.hyperparameters.lora_rank is not None), held_out.best_score
    weights.save_final(model, base, job.model.called, dtype, folder)
    if asked:
        parity.give(folder, base, job.model, trainer.processing_class, asked, job.device, reporter)
    return handover.hand_over(step, folder, score, reporter)
