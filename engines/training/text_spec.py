"""What supervised fine-tuning and preference optimisation of a text model are told to do."""

from pydantic import Field, field_validator

from engines.training.spec import INT_MAX, Count, EarlyStop, EvalEvery, EvalFraction, JobSpec, KeepBest, Strict, needs_held_out


class SftHyperparameters(Strict):
    """The `hyperparameters` of a job with `method: sft`."""

    learning_rate: float = Field(2e-5, gt=0, lt=1, description="Learning rate of AdamW, at its highest.")
    num_epochs: Count = Field(1, description="Passes over the dataset. Ignored where `max_steps` is set.")
    max_steps: Count | None = Field(None, description="Optimizer steps; wins over `num_epochs`.")
    global_batch_size: Count = Field(16, description="Rows in each optimizer step.")
    max_length: Count = Field(2048, description="Longer rows, in tokens with the prompt, are left out.")
    completion_only: bool = Field(True, description="Learn from what the model is to answer alone, not from what it is asked.")
    packing: bool = Field(False, description="Put several short rows into one sequence.")
    seed: int = Field(42, ge=0, le=INT_MAX, description="Seed of shuffling and adapter initialisation.")
    lora_rank: int | None = Field(None, ge=1, le=1024, description="Train a LoRA adapter of this rank; null trains all weights.")
    checkpoint_every: Count | None = Field(None, description="Steps between checkpoints; null makes about four of a run.")
    warmup_steps: int = Field(0, ge=0, le=INT_MAX, description="Steps in which the learning rate rises from 0.")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="Weight decay of AdamW.")
    eval_fraction: EvalFraction = None
    eval_every: EvalEvery = None
    early_stop_patience: EarlyStop = None
    keep_best: KeepBest = False

    _held_out = field_validator("eval_every", "early_stop_patience", "keep_best")(needs_held_out)


class DpoHyperparameters(Strict):
    """The `hyperparameters` of a job with `method: dpo`."""

    learning_rate: float = Field(1e-6, gt=0, lt=1, description="Learning rate of AdamW, at its highest.")
    num_epochs: Count = Field(1, description="Passes over the dataset. Ignored where `max_steps` is set.")
    max_steps: Count | None = Field(None, description="Optimizer steps; wins over `num_epochs`.")
    global_batch_size: Count = Field(16, description="Pairs in each optimizer step.")
    beta: float = Field(0.1, gt=0, description="How strongly the model is held to the base model.")
    max_length: Count = Field(2048, description="Pairs of which one, in tokens with the prompt, is longer are left out.")
    seed: int = Field(42, ge=0, le=INT_MAX, description="Seed of shuffling and adapter initialisation.")
    lora_rank: int | None = Field(None, ge=1, le=1024, description="Train a LoRA adapter of this rank; null trains all weights.")
    checkpoint_every: Count | None = Field(None, description="Steps between checkpoints; null makes about four of a run.")
    warmup_steps: int = Field(0, ge=0, le=INT_MAX, description="Steps in which the learning rate rises from 0.")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="Weight decay of AdamW.")
    eval_fraction: EvalFraction = None
    eval_every: EvalEvery = None
    early_stop_patience: EarlyStop = None
    keep_best: KeepBest = False

    _held_out = field_validator("eval_every", "early_stop_patience", "keep_best")(needs_held_out)


class SftSpec(JobSpec):
    """Everything that one attempt at an SFT job needs."""

    hyperparameters: SftHyperparameters


class DpoSpec(JobSpec):
    """Everything that one attempt at a DPO job needs."""

    hyperparameters: DpoHyperparameters
