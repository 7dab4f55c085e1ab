"""What a step of training computes: noise on a batch of latents, and how far the transformer is from seeing through it.

The loss is that of diffusers' own training of CogVideoX (examples/cogvideo): the transformer's velocity is turned into the clip
that it means, and the squared difference to the true one is weighted by 1 / (1 - ᾱ), which makes it the squared error of the
velocity.

Every random number of a step hangs on the job's seed and the step's number alone, and is drawn on the CPU: a run that resumes
draws what the first would have drawn, on any device, and sampling in between changes nothing.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

from engines.training import video_model

Rotary = tuple[torch.Tensor, torch.Tensor]


def generator(seed: int, purpose: str, number: int) -> torch.Generator:
    """Return a source of random numbers of its own for each number of each purpose."""
    digest = hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@dataclass(frozen=True)
class Batch:
    """Clips of one shape: `latents` and `noise` [clips, frames, channels, height, width], `text` [clips, tokens, width]."""

    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    text: torch.Tensor


class Objective:
    """The loss of a transformer on batches. `scaling` is the factor between the autoencoder's latents and the transformer's."""

    def __init__(self, scheduler: Any, transformer_config: Any, scaling: float, device: str) -> None:
        self._scheduler = scheduler
        self._config = transformer_config
        self._scaling = scaling
        self._device = device
        self._rotary: dict[tuple[int, ...], Rotary] = {}

    def batch(self, parameters: list[torch.Tensor], texts: list[torch.Tensor], random: torch.Generator) -> Batch:
        """Draw a batch: a latent of each distribution, its noise, and how much of that is in it."""
        mean, log_variance = torch.stack(parameters).chunk(2, dim=1)
        spread = torch.exp(0.5 * log_variance.clamp(-30.0, 20.0))
        drawn = mean + spread * torch.randn(mean.shape, generator=random)
        latents = (drawn * self._scaling).permute(0, 2, 1, 3, 4)
        noise = torch.randn(latents.shape, generator=random)
        timesteps = torch.randint(0, self._scheduler.config.num_train_timesteps, (len(parameters),), generator=random)
        place = self._device
        return Batch(latents.to(place), noise.to(place), timesteps.to(place), torch.stack(texts).to(place))

    def loss(self, transformer: Any, batch: Batch) -> torch.Tensor:
        """Return the mean over the batch."""
        noisy = self._scheduler.add_noise(batch.latents, batch.noise, batch.timesteps)
        dtype = video_model.dtype_on(self._device)
        with video_model.computing(self._device):
            velocity = transformer(
                hidden_states=noisy.to(dtype),
                encoder_hidden_states=batch.text.to(dtype),
                timestep=batch.timesteps,
                image_rotary_emb=self._positions(noisy),
                return_dict=False,
            )[0].float()
        meant = self._scheduler.get_velocity(velocity, noisy, batch.timesteps)
        kept = self._scheduler.alphas_cumprod.to(noisy.device)[batch.timesteps].float()
        weights = (1 / (1 - kept)).view(-1, 1, 1, 1, 1)
        return (weights * (meant - batch.latents) ** 2).flatten(1).mean(dim=1).mean()

    def _positions(self, latents: torch.Tensor) -> Rotary | None:
        """Return the rotary positions of a batch, as the pipeline makes them; None where the model adds sines by itself."""
        config = self._config
        if not config.use_rotary_positional_embeddings:
            return None
        frames, _, height, width = latents.shape[1:]
        key = (frames, height, width)
        if key not in self._rotary:
            size = config.patch_size
            grid = (height // size, width // size)
            crops = get_resize_crop_region_for_grid(grid, config.sample_width // size, config.sample_height // size)
            self._rotary[key] = get_3d_rotary_pos_embed(
                embed_dim=config.attention_head_dim,
                crops_coords=crops,
                grid_size=grid,
                temporal_size=frames,
                device=latents.device,
            )
        return self._rotary[key]
