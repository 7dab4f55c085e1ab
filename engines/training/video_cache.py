"""What the frozen parts make of a dataset, computed once and kept on the disk of the job: captions as the text encoder reads
them, clips as the autoencoder's distributions.

Afterwards neither the text encoder nor the autoencoder is in memory. Of a clip its whole distribution is kept, not one draw
from it, so that each step draws anew, as training without a cache would.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from engines.data.rules import Problem
from engines.protocol import Reporter
from engines.training import video_clips, video_model
from engines.training.interrupt import Stopped
from engines.training.video_base import Base
from engines.training.video_gather import Clip
from engines.training.video_rows import Problems
from engines.training.video_spec import VideoSpec

TOLD_S = 5.0
NAMED_ROWS_MAX = 10


class Cache:
    """The folder with both caches. Files are named by the number of a caption, or of a clip in its shape."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[str, int] = {}
        self._latents: dict[tuple[Path, Any], int] = {}
        folder.mkdir(exist_ok=True)

    def fill(self, job: VideoSpec, base: Base, clips: Sequence[Clip], reporter: Reporter) -> None:
        """Compute everything; `Stopped` where the parent stops it, `dataset_error` for clips that broke meanwhile."""
        self._fill_texts(job, base, clips, reporter)
        self._fill_latents(job, base, clips, reporter)

    def text(self, caption: str) -> torch.Tensor:
        """Return a caption's embedding [tokens, width]; the empty one is there as well."""
        return load_file(self._text_file(self._texts[caption]))["embedding"]

    def latents(self, clip: Clip) -> torch.Tensor:
        """Return mean and log-variance of a clip's latents [2 channels, frames, height, width]."""
        return load_file(self._latents_file(self._latents[clip.path, clip.shape]))["parameters"]

    def _fill_texts(self, job: VideoSpec, base: Base, clips: Sequence[Clip], reporter: Reporter) -> None:
        tokenizer = video_model.load_tokenizer(base)
        _tell_long(tokenizer, base, clips, reporter)
        captions = list(dict.fromkeys(["", *(clip.row.caption for clip in clips)]))
        told = _Told(reporter, "captions", len(captions))
        with video_model.text_encoder(base, job.device) as encoder, torch.no_grad():
            for number, caption in enumerate(captions):
                ids = tokenizer(caption, padding="max_length", max_length=base.text_tokens, truncation=True, return_tensors="pt")
                embedding = encoder(ids["input_ids"].to(job.device))[0][0]
                save_file({"embedding": embedding.cpu().contiguous()}, self._text_file(number))
                self._texts[caption] = number
                told(number + 1)

    def _fill_latents(self, job: VideoSpec, base: Base, clips: Sequence[Clip], reporter: Reporter) -> None:
        distinct = {(clip.path, clip.shape): clip for clip in clips}
        told, problems = _Told(reporter, "clips", len(distinct)), Problems()
        with video_model.vae(base, job.device) as vae, torch.no_grad():
            for number, (key, clip) in enumerate(distinct.items()):
                try:
                    frames = video_clips.read(clip.path, clip.shape, job.hyperparameters.fps)
                except Problem as problem:
                    problems.note(clip.row.index, f"its clip {problem}")
                    continue
                pixels = _pixels(torch.from_numpy(frames), job.device)
                parameters = vae.encode(pixels).latent_dist.parameters[0]
                save_file({"parameters": parameters.float().cpu().contiguous()}, self._latents_file(number))
                self._latents[key] = number
                told(number + 1)
        problems.refuse()

    def _text_file(self, number: int) -> Path:
        return self._folder / f"text-{number}.safetensors"

    def _latents_file(self, number: int) -> Path:
        return self._folder / f"latents-{number}.safetensors"


def _pixels(frames: torch.Tensor, device: str) -> torch.Tensor:
    """Return bytes [frames, height, width, RGB] as the autoencoder takes them: [1, RGB, frames, height, width] from -1 to 1."""
    # In place: of the largest clips one such copy is 3 GiB.
    pixels = frames.to(device).permute(3, 0, 1, 2)[None].float().div_(127.5).sub_(1.0)
    return pixels.to(video_model.dtype_on(device))


def _tell_long(tokenizer: Any, base: Base, clips: Sequence[Clip], reporter: Reporter) -> None:
    """Say which captions have more tokens than the model reads: the rest of them is not learned."""
    long = [clip.row.index + 1 for clip in clips if len(tokenizer(clip.row.caption)["input_ids"]) > base.text_tokens]
    if long:
        lines = ", ".join(map(str, long[:NAMED_ROWS_MAX])) + (", …" if len(long) > NAMED_ROWS_MAX else "")
        reporter.log(f"{len(long)} captions are cut at {base.text_tokens} tokens: line {lines}", level="warning")


class _Told:
    """Says how far the work is, every few seconds and at its end, and breaks it off where the parent stops it."""

    def __init__(self, reporter: Reporter, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._reporter, self._what, self._total, self._clock = reporter, what, total, clock
        self._told = clock()

    def __call__(self, count: int) -> None:
        # There is nothing yet that could be saved.
        if self._reporter.stop_requested.is_set() or self._reporter.save_requested.is_set():
            raise Stopped
        if count == self._total or self._clock() - self._told >= TOLD_S:
            self._told = self._clock()
            self._reporter.log(f"encoded {count} of {self._total} {self._what}")
