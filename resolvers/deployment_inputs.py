"""What callers say of a deployment: what it serves and on what, how it scales, and what takes its place."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from burnish.kit.errors import Invalid
from engines.compute import hardware
from engines.serving.engine_args import BadFlag, EngineArgs
from resolvers.hardware import GpuInput
from resolvers.inputs import MAX_NAME, Input

NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$"
MAX_REPLICAS = 64
MAX_TOKEN = 1024
DAY_S = 86_400


class DeploymentInput(Input):
    """`model` is a training job's id or a checkpoint's where `source` is `training_job`, else a registered name or a Hugging Face
    id, which `revision` pins and `hf_token` opens. `max_batch_size` is how many requests a replica works on at once.
    """

    model: str = Field(min_length=1, max_length=200)
    name: str = Field(pattern=NAME, max_length=MAX_NAME)
    source: Literal["training_job", "huggingface"] = "training_job"
    gpu: GpuInput
    provider: str | None = None
    hf_token: str | None = Field(None, min_length=1, max_length=MAX_TOKEN, pattern=r"^[\x21-\x7e]+$", repr=False)
    revision: str | None = Field(None, min_length=1, max_length=200)
    min_replicas: int = Field(1, ge=0, le=MAX_REPLICAS)
    max_replicas: int = Field(1, ge=1, le=MAX_REPLICAS)
    target_rps: float = Field(10.0, gt=0, le=1_000_000)
    target_latency_p95_ms: float = Field(5000.0, gt=0, le=3_600_000)
    stabilisation_window: int = Field(300, ge=0, le=DAY_S)
    max_batch_size: int | None = Field(None, ge=1, le=1024)
    extra_args: list[str] = Field(default_factory=list, max_length=64)

    def check_engine_args(self) -> None:
        """Invalid (`invalid_engine_args`), which names the flag, where one may not be set or contradicts another or the rest."""
        gpus = 1 if hardware.canonical(self.gpu.type) == hardware.CPU else self.gpu.count
        try:
            EngineArgs.of(self.extra_args, max_batch_size=self.max_batch_size, gpus=gpus)
        except BadFlag as error:
            raise Invalid(f"extra_args: {error}.", code="invalid_engine_args", param="extra_args") from None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is more than max_replicas")
        if self.source == "training_job" and (self.revision or self.hf_token):
            raise ValueError("revision and hf_token belong to models of Hugging Face")
        return self


class ScalingInput(Input):
    """How a deployment scales from now on; what is not given stays as it is."""

    min_replicas: int | None = Field(None, ge=0, le=MAX_REPLICAS)
    max_replicas: int | None = Field(None, ge=1, le=MAX_REPLICAS)
    target_rps: float | None = Field(None, gt=0, le=1_000_000)
    target_latency_p95_ms: float | None = Field(None, gt=0, le=3_600_000)
    stabilisation_window: int | None = Field(None, ge=0, le=DAY_S)

    @property
    def given(self) -> dict[str, Any]:
        """The columns that change."""
        names = {"stabilisation_window": "stabilisation_window_s"}
        return {names.get(key, key): value for key, value in self.model_dump(exclude_none=True).items()}


class VersionInput(Input):
    """What a deployment is to serve instead, in the words of `DeploymentInput`."""

    model: str = Field(min_length=1, max_length=200)
    source: Literal["training_job", "huggingface"] = "training_job"
    revision: str | None = Field(None, min_length=1, max_length=200)
