"""What a GRPO job is told to do: the user's hyperparameters and the plain spec that the host hands to the child.

Both models refuse unknown keys and values of the wrong type, so that an error names the key and nothing is ever ignored.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

INT_MAX = 2**31 - 1

Count = Annotated[int, Field(ge=1, le=INT_MAX)]


class Strict(BaseModel):
    """Takes what it knows, as the type it has."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """JSON has one kind of number: 8.0 is a count of 8."""
        return int(value) if type(value) is float and value.is_integer() else value


class GrpoHyperparameters(Strict):
    """The `hyperparameters` of a job with `method: grpo`."""

    learning_rate: float = Field(1e-6, gt=0, lt=1, description="Learning rate of AdamW, constant after the warm-up.")
    num_epochs: Count = Field(1, description="Passes over the dataset. Ignored where `max_steps` is set.")
    max_steps: Count | None = Field(None, description="Optimizer steps; wins over `num_epochs`.")
    rollouts_per_prompt: int = Field(8, ge=2, le=64, description="Completions sampled for each prompt: the group of GRPO.")
    kl_coef: float = Field(0.001, ge=0, description="Weight of the KL penalty against the base model; 0 turns it off.")
    max_prompt_length: Count = Field(1024, description="Longer prompts, in tokens, are left out.")
    max_response_length: Count = Field(2048, description="Completions are cut after this many tokens.")
    global_batch_size: Count = Field(64, validate_default=True, description="Completions in each optimizer step.")
    seed: int = Field(42, ge=0, le=INT_MAX, description="Seed of sampling, shuffling and adapter initialisation.")
    lora_rank: int | None = Field(None, ge=1, le=1024, description="Train a LoRA adapter of this rank; null trains all weights.")
    load_in_4bit: bool = Field(False, description="Hold the base model in 4 bits; needs `lora_rank` and a GPU.")
    checkpoint_every: Count | None = Field(None, description="Steps between checkpoints; null makes about four of a run.")
    temperature: float = Field(1.0, gt=0, le=10, description="Sampling temperature of the rollouts.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling of the rollouts.")
    clip_eps: float = Field(0.2, gt=0, lt=1, description="Clipping range of the policy ratio.")
    warmup_steps: int = Field(0, ge=0, le=INT_MAX, description="Steps in which the learning rate rises from 0.")

    @field_validator("global_batch_size")
    @classmethod
    def _whole_groups(cls, value: int, info: ValidationInfo) -> int:
        rollouts = info.data.get("rollouts_per_prompt")
        if rollouts and value % rollouts:
            raise ValueError(f"must be a multiple of rollouts_per_prompt ({rollouts}); {value} is not")
        return value

    @field_validator("load_in_4bit")
    @classmethod
    def _adapter_for_4bit(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("lora_rank") is None:
            raise ValueError("needs lora_rank: weights held in 4 bits cannot be trained themselves")
        return value

    @property
    def prompts_per_step(self) -> int:
        return self.global_batch_size // self.rollouts_per_prompt


class ModelSource(Strict):
    """Where the base model comes from: a folder on this machine, or a repository of the hub. `name` is the folder's."""

    name: str | None = None
    path: str | None = None
    repo: str | None = None
    revision: str | None = None
    token: str | None = Field(None, repr=False)
    cache_dir: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.repo is None):
            raise ValueError("exactly one of path and repo is needed")
        if self.repo is not None and self.cache_dir is None:
            raise ValueError("a repo needs a cache_dir")
        return self

    @property
    def called(self) -> str | None:
        """The model's name as a user writes it."""
        return self.name or self.repo


class RewardSource(Strict):
    """The user's reward file, how it is called, and what the operator allows it (`engines.rewards.jail.Rules`)."""

    path: str
    name: str = "reward.py"
    format: Literal["trl", "miles", "verl"] = "trl"
    weights: dict[str, float] = Field(default_factory=dict)
    deadline_s: float = Field(60.0, gt=0)
    memory_bytes: int = Field(4 * 2**30, gt=0)
    libraries: list[str] | None = None
    require_landlock: bool = False
    unprotected: bool = False


class GrpoSpec(Strict):
    """Everything that one attempt at a job needs. `resume_path` is a folder with a checkpoint to go on from,
    of this job or of another.
    """

    job_id: str
    attempt: int = Field(1, ge=0)
    model: ModelSource
    dataset_path: str
    reward: RewardSource
    hyperparameters: GrpoHyperparameters
    work_dir: str
    resume_path: str | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Count | None = None
