"""What fine-tuning of a video model is told to do: its hyperparameters and their limits."""

from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from engines.training.spec import INT_MAX, Count, JobSpec, Strict

# How many frames, and how many pixels each way, become one of what the model sees.
FRAMES_AT_ONCE = 4
PIXELS_AT_ONCE = 16
# Pixels of all frames of a clip together: as bytes 768 MiB, as what the autoencoder takes 3 GiB.
MAX_CLIP_PIXELS = 2**28


class VideoHyperparameters(Strict):
    """The `hyperparameters` of a job with `method: sft_video_gen`."""

    learning_rate: float = Field(1e-3, gt=0, lt=1, description="Learning rate of AdamW.")
    num_epochs: Count = Field(30, description="Passes over the dataset. Ignored where `max_steps` is set.")
    lora_rank: int = Field(64, ge=1, le=1024, description="Rank of the LoRA adapter that is trained.")
    lora_alpha: int = Field(64, ge=1, le=INT_MAX, description="Scale of the adapter; it counts as `lora_alpha / lora_rank`.")
    max_steps: Count | None = Field(None, description="Optimizer steps; wins over `num_epochs`.")
    batch_size: int = Field(1, ge=1, le=1024, description="Clips in each optimizer step.")
    num_frames: int = Field(
        49, ge=1, le=1024, description=f"Frames of a clip: a multiple of {FRAMES_AT_ONCE}, and one; longer clips are cut."
    )
    height: int = Field(480, ge=PIXELS_AT_ONCE, le=4096, description=f"Height in pixels, a multiple of {PIXELS_AT_ONCE}.")
    width: int = Field(720, ge=PIXELS_AT_ONCE, le=4096, description=f"Width in pixels, a multiple of {PIXELS_AT_ONCE}.")
    fps: int = Field(8, ge=1, le=240, description="Frames a second taken of a clip that has more; one with fewer is taken whole.")
    seed: int = Field(42, ge=0, le=INT_MAX, description="Seed of sampling, shuffling and adapter initialisation.")
    checkpoint_every: Count | None = Field(None, description="Steps between checkpoints; null makes about four of a run.")
    warmup_steps: int = Field(0, ge=0, le=INT_MAX, description="Steps in which the learning rate rises from 0.")
    buckets: bool = Field(
        False,
        description="Train each clip at the shape nearest its own, of about as many pixels, and a short one with fewer frames; "
        "else all are cropped to one shape.",
    )
    sample_prompts: int = Field(2, ge=0, le=16, description="Clips made with a fixed seed at the start and at each checkpoint.")
    sample_steps: int = Field(30, ge=1, le=1000, description="Denoising steps of these clips.")

    @field_validator("num_frames")
    @classmethod
    def _whole_groups(cls, value: int) -> int:
        if (value - 1) % FRAMES_AT_ONCE:
            below = value - (value - 1) % FRAMES_AT_ONCE
            raise ValueError(
                f"num_frames - 1 must be a multiple of {FRAMES_AT_ONCE}; {below} and {below + FRAMES_AT_ONCE} are possible"
            )
        return value

    @field_validator("height", "width")
    @classmethod
    def _whole_patches(cls, value: int) -> int:
        if value % PIXELS_AT_ONCE:
            raise ValueError(f"must be a multiple of {PIXELS_AT_ONCE}; {value} is not")
        return value

    @model_validator(mode="after")
    def _fits_memory(self) -> Self:
        pixels = self.num_frames * self.height * self.width
        if pixels > MAX_CLIP_PIXELS:
            told = (
                f"{self.num_frames} frames of {self.width} x {self.height} are {pixels:,} pixels, and a clip has at most "
                f"{MAX_CLIP_PIXELS:,}; lower num_frames, height or width"
            )
            raise _at("num_frames", self.num_frames, told)
        return self


def _at(field: str, value: Any, message: str) -> ValidationError:
    """Return an error of one field that only all of them together show."""
    ctx = {"error": ValueError(message)}
    return ValidationError.from_exception_data(field, [{"type": "value_error", "loc": (field,), "input": value, "ctx": ctx}])


class VideoSpec(JobSpec):
    """Everything that one attempt at fine-tuning a video model needs. `media_dir` holds the clips of an uploaded archive, each
    called as `engines.data.archive.media_name` says; those that rows name by URL are fetched.
    """

    hyperparameters: VideoHyperparameters
    media_dir: str | None = None
    open_networks: str = ""
