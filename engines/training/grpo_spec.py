"""What a GRPO job is told to do: its hyperparameters, and where its reward comes from."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from engines.training.spec import INT_MAX, Count, EarlyStop, EvalEvery, EvalFraction, JobSpec, KeepBest, Strict, needs_held_out


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
    max_tool_turns: int = Field(8, ge=1, le=100, description="Calls of an environment's tools in one rollout, at most.")
    eval_fraction: EvalFraction = None
    eval_every: EvalEvery = None
    early_stop_patience: EarlyStop = None
    keep_best: KeepBest = False

    _held_out = field_validator("eval_every", "early_stop_patience", "keep_best")(needs_held_out)

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


class EnvironmentChoice(Strict):
    """What a job says of an environment: the splits whose tasks are trained on, and which of a server's environments it is."""

    splits: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(default_factory=lambda: ["train"], min_length=1)
    variant: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")

    @field_validator("splits")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("names a split twice")
        return value


class EnvironmentSource(EnvironmentChoice):
    """An OpenReward environment that the policy acts in, and the account's key for it. `id` is `owner/name` or `name`."""

    id: str
    api_key: str | None = Field(None, repr=False)


class OpenRewardHosts(Strict):
    """Where environments are reached, and how long one answer of theirs may take."""

    api_url: str
    session_url: str
    timeout_s: float = Field(600.0, gt=0)


class GrpoSpec(JobSpec):
    """Everything that one attempt at a GRPO job needs: its reward is a file of the user's, or what the environments give."""

    hyperparameters: GrpoHyperparameters
    reward: RewardSource | None = None
    environments: list[EnvironmentSource] | None = Field(None, min_length=1)
    openreward: OpenRewardHosts | None = None

    @model_validator(mode="after")
    def _one_reward(self) -> Self:
        if (self.reward is None) == (self.environments is None):
            raise ValueError("exactly one of reward and environments is needed")
        if (self.environments is None) != (self.openreward is None):
            raise ValueError("environments need the hosts of OpenReward, and only they do")
        return self
