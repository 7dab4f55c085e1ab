"""One run of a video job with clips and base at hand: caches, steps, samples, checkpoints, and the adapter at the end."""

import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from engines.protocol import ChildFailure, Reporter
from engines.training import handover, video_model, video_objective, video_state
from engines.training.checkpoints import Checkpoints
from engines.training.interrupt import Stopped
from engines.training.metrics import refuse_divergence
from engines.training.peak import Peak
from engines.training.video_base import Base
from engines.training.video_batches import Batches
from engines.training.video_cache import Cache
from engines.training.video_gather import Clip
from engines.training.video_objective import Objective
from engines.training.video_samples import Sampler
from engines.training.video_spec import VideoSpec

LESS_MEMORY = "Fewer num_frames, a smaller height and width or batch_size take less."
# AdamW and its clipping as diffusers' own training of CogVideoX has them.
BETAS, EPSILON, WEIGHT_DECAY, MAX_GRAD_NORM = (0.9, 0.95), 1e-8, 1e-4, 1.0


class Hurried(Exception):
    """The parent wants what there is saved, and now: no more samples."""


def train(job: VideoSpec, base: Base, clips: Sequence[Clip], threads: int, reporter: Reporter) -> dict[str, Any]:
    """Train, save, and hand over the adapter; `{}` where the parent stopped the run, with a checkpoint where it asked for one."""
    quieten()
    torch.set_num_threads(threads)
    return handover.held(lambda: _Run(job, base, clips, reporter).whole(), LESS_MEMORY)


def quieten() -> None:
    """Keep the libraries' bars and notices out of the user's log."""
    warnings.simplefilter("ignore")
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
    logging.getLogger("torch").setLevel(logging.ERROR)


class _Run:
    """The state of a run: what is trained, and how far it is."""

    def __init__(self, job: VideoSpec, base: Base, clips: Sequence[Clip], reporter: Reporter) -> None:
        self._job, self._hyper = job, job.hyperparameters
        self._base, self._clips, self._reporter = base, clips, reporter
        self._work = Path(job.work_dir)
        self._checkpoints = Checkpoints(reporter, self._hyper.checkpoint_every)
        self._peak = Peak(reporter, job.device)
        self._batches = Batches([clip.shape for clip in clips], self._hyper.batch_size, self._hyper.seed)
        self._total = self._hyper.max_steps or self._hyper.num_epochs * self._batches.per_epoch
        self._step = 0

    def whole(self) -> dict[str, Any]:
        self._prepare()
        if not self._step and not self._sampled():
            return {}
        self._reporter.phase("updating")
        while self._step < self._total:
            self._learn()
            if self._reporter.stop_requested.is_set():
                self._reporter.log(f"stopped after step {self._step}")
                return {}
            if self._step < self._total and self._saved_and_left():
                return {}
        self._sampled()
        return self._finish()

    def _prepare(self) -> None:
        """Fill the caches, then load what trains: the big parts are never in memory at once."""
        self._cache = Cache(self._work / "cache")
        self._cache.fill(self._job, self._base, self._clips, self._reporter)
        self._peak.look()
        self._model = video_model.load_transformer(self._base, self._hyper, self._job.device)
        self._trained = list(video_model.trained(self._model).values())
        self._optimizer = torch.optim.AdamW(
            self._trained, lr=self._hyper.learning_rate, betas=BETAS, eps=EPSILON, weight_decay=WEIGHT_DECAY
        )
        if self._job.resume_path is not None:
            self._step = video_state.load(Path(self._job.resume_path), self._model, self._optimizer, self._hyper)
        if self._step >= self._total:
            message = f"The checkpoint to resume from has {self._step} steps behind it, and this job has {self._total}."
            raise ChildFailure("config_error", message)
        scheduler, device = video_model.training_scheduler(self._base), self._job.device
        self._objective = Objective(scheduler, self._model.config, video_model.latent_scale(self._base), device)
        rows = [clip.row for clip in self._clips]
        self._sampler = Sampler(self._job, self._base, self._model, self._cache, rows, self._interrupt)
        self._reporter.log(self._described())
        self._reporter.plan(self._total)

    def _described(self) -> str:
        adapter = sum(parameter.numel() for parameter in self._trained)
        frozen = sum(parameter.numel() for parameter in self._model.parameters()) - adapter
        where = f"{torch.get_num_threads()} CPU thread(s)" if self._job.device == "cpu" else torch.cuda.get_device_name()
        each = f"{self._hyper.batch_size} of {len(self._clips)} clips, an epoch {self._batches.per_epoch} steps"
        return f"training a LoRA adapter of {adapter:,} parameters on {frozen:,} on {where}; a step takes {each}"

    def _learn(self) -> None:
        """Take one step and report it."""
        started = time.monotonic()
        clips = [self._clips[number] for number in self._batches.at(self._step)]
        rate = self._rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = self._objective.batch(
            [self._cache.latents(clip) for clip in clips],
            [self._cache.text(clip.row.caption) for clip in clips],
            video_objective.generator(self._hyper.seed, "step", self._step),
        )
        loss = self._objective.loss(self._model, batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._trained, MAX_GRAD_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._step += 1
        self._tell(float(loss.detach()), float(norm), rate, len(clips), started)

    def _rate(self) -> float:
        """Return the learning rate of the next step: constant, after a rise from 0 in the first step."""
        warmup = self._hyper.warmup_steps
        return self._hyper.learning_rate * (self._step / warmup if self._step < warmup else 1.0)

    def _tell(self, loss: float, norm: float, rate: float, clips: int, started: float) -> None:
        seconds = time.monotonic() - started
        metrics: dict[str, float | None] = {
            "loss": loss,
            "grad_norm": norm,
            "learning_rate": rate,
            "step_time": seconds,
            "clips_per_second": clips / seconds,
            "epoch": self._step / self._batches.per_epoch,
        }
        self._reporter.metrics(self._step, metrics)
        self._reporter.log(f"step {self._step}/{self._total} loss {loss:.4g} seconds {seconds:.3g}")
        refuse_divergence(self._step, metrics)
        self._peak.look()

    def _saved_and_left(self) -> bool:
        """Sample and save where that is due; say whether the parent wanted the run to end with it."""
        if self._checkpoints.due(self._step, self._total):
            # Samples first: a run that goes on from the checkpoint has them behind it.
            self._sampled()
            self._save()
            self._reporter.phase("updating")
            if not self._reporter.save_requested.is_set():
                return False
        elif self._reporter.save_requested.is_set():
            self._save()
        else:
            return False
        self._checkpoints.wait_taken(self._reporter.stop_requested)
        self._reporter.log(f"stopped after step {self._step}, whose checkpoint is stored")
        return True

    def _save(self) -> None:
        self._reporter.phase("saving")
        folder = self._work / f"checkpoint-{self._step}"
        video_state.save(folder, self._step, self._model, self._optimizer, self._hyper)
        self._checkpoints.saved(self._step, folder)

    def _sampled(self) -> bool:
        """Make and report the sample clips of this step; say whether there was time for them."""
        if not self._sampler.count:
            return True
        self._reporter.phase("generating")
        started = time.monotonic()
        self._model.eval()
        try:
            self._interrupt()
            groups = self._sampler.sample(self._step)
        except Hurried:
            return False
        finally:
            self._model.train()
        self._reporter.rollouts(self._step, groups)
        self._reporter.log(f"made {len(groups)} sample clips at step {self._step} in {time.monotonic() - started:.1f} s")
        self._peak.look()
        return True

    def _interrupt(self) -> None:
        if self._reporter.stop_requested.is_set():
            raise Stopped
        if self._reporter.save_requested.is_set():
            raise Hurried

    def _finish(self) -> dict[str, Any]:
        """Save the adapter and wait until the parent has it; a stop meanwhile raises `Stopped`."""
        self._reporter.phase("saving")
        folder = self._work / "final"
        video_model.save_adapter(self._model, folder)
        self._peak.look(end=True)
        return handover.hand_over(self._step, folder, None, self._reporter)
