"""What every kind of training is told: the base of each plain spec that the host hands to a child, and what it is made of.

All models refuse unknown keys and values of the wrong type, so that an error names the key and nothing is ever ignored.
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


# What the methods that learn from text share: rows held out of the training, and what is made of their score.
EvalFraction = Annotated[
    float | None,
    Field(gt=0, le=0.5, description="Share of the rows that is held out and never trained on; null holds out none."),
]
EvalEvery = Annotated[
    Count | None, Field(description="Steps between looks at the held-out rows; null looks as often as checkpoints are saved.")
]
EarlyStop = Annotated[
    Count | None,
    Field(description="Looks at the held-out rows without a better score after which training ends; null never ends it."),
]
KeepBest = Annotated[
    bool,
    Field(description="Whether the trained model is that of the best score on the held-out rows, not that of the last step."),
]


def needs_held_out(value: Any, info: ValidationInfo) -> Any:
    """Refuse an option of the held-out rows where none are held out. The fields that it validates come after `eval_fraction`."""
    if value and info.data.get("eval_fraction") is None:
        raise ValueError("needs eval_fraction: without held-out rows there is no score")
    return value


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


class JobSpec(Strict):
    """What one attempt at a job needs, whatever its method. `resume_path` is a folder with a checkpoint to go on from, of this
    job or of another; `gpus` is how many it may use.
    """

    job_id: str
    attempt: int = Field(1, ge=0)
    model: ModelSource
    dataset_path: str
    work_dir: str
    resume_path: str | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    gpus: Count = 1
    threads: Count | None = None
