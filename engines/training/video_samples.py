"""Sample clips: the same prompts from the same noise at every look, so what differs between two looks is what was learned."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import CogVideoXPipeline

from engines.protocol import Completion, Group
from engines.training import video_clips, video_model, video_objective
from engines.training.video_base import Base
from engines.training.video_cache import Cache
from engines.training.video_rows import VideoRow
from engines.training.video_spec import VideoSpec

# The pipeline's own default.
GUIDANCE = 6.0


def choose(rows: Sequence[VideoRow], count: int) -> list[VideoRow]:
    """Return the first rows with different captions."""
    distinct = {row.caption: row for row in reversed(rows)}
    return sorted(distinct.values(), key=lambda row: row.index)[:count]


class Sampler:
    """Makes a clip for each of a few rows. `interrupt` is called before each denoising step and raises where it is to end."""

    def __init__(
        self, job: VideoSpec, base: Base, transformer: Any, cache: Cache, rows: Sequence[VideoRow], interrupt: Callable[[], None]
    ) -> None:
        self._job = job
        self._base = base
        self._transformer = transformer
        self._cache = cache
        self._rows = choose(rows, job.hyperparameters.sample_prompts)
        self._interrupt = interrupt

    @property
    def count(self) -> int:
        return len(self._rows)

    def sample(self, step: int) -> list[Group]:
        """Return what the transformer makes of each prompt now, as rollouts with an mp4 each in the job's folder."""
        with video_model.vae(self._base, self._job.device) as vae:
            if _tiles_fit(vae):
                # The clips are only looked at: seams between tiles are worth the memory.
                vae.enable_tiling()
            pipeline = CogVideoXPipeline(
                tokenizer=None,
                text_encoder=None,
                vae=vae,
                transformer=self._transformer,
                scheduler=video_model.sampling_scheduler(self._base),
            )
            pipeline.set_progress_bar_config(disable=True)
            return [self._group(pipeline, step, number, row) for number, row in enumerate(self._rows)]

    def _group(self, pipeline: Any, step: int, number: int, row: VideoRow) -> Group:
        hyper = self._job.hyperparameters
        with video_model.computing(self._job.device), torch.no_grad():
            frames = pipeline(
                height=hyper.height,
                width=hyper.width,
                num_frames=hyper.num_frames,
                num_inference_steps=hyper.sample_steps,
                guidance_scale=GUIDANCE,
                generator=video_objective.generator(hyper.seed, "sample", number),
                prompt_embeds=self._embedding(row.caption),
                negative_prompt_embeds=self._embedding(""),
                output_type="np",
                callback_on_step_end=self._between,
            ).frames[0]
        path = Path(self._job.work_dir) / f"sample-{step}-{number}.mp4"
        video_clips.write(path, np.round(np.nan_to_num(frames) * 255).astype(np.uint8), hyper.fps)
        completion: Completion = {
            "text": "",
            "reward": None,
            "components": {},
            "advantage": None,
            "tokens": len(frames),
            "truncated": False,
            "score_error": None,
            "media": str(path),
        }
        return {"dataset_row": row.index, "prompt": row.caption, "completions": [completion], "weights": {}}

    def _embedding(self, caption: str) -> torch.Tensor:
        return self._cache.text(caption)[None].to(self._job.device)

    def _between(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self._interrupt()
        return {}


def _tiles_fit(vae: Any) -> bool:
    """Say whether tiles of the decoder meet: diffusers rounds their edges in latents and in pixels each by itself."""
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    edges = (
        (vae.tile_latent_min_height, vae.tile_sample_min_height, vae.tile_overlap_factor_height),
        (vae.tile_latent_min_width, vae.tile_sample_min_width, vae.tile_overlap_factor_width),
    )
    return all(int(latents * (1 - share)) * scale == pixels - int(pixels * share) for latents, pixels, share in edges)
