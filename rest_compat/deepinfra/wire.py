"""What DeepInfra's clients send and read of deployments."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, RootModel, model_validator

from engines.compute import hardware
from resolvers.deployment_inputs import MAX_REPLICAS, MAX_TOKEN
from resolvers.inputs import MAX_NAME, Input
from rest_compat.deepinfra.gpus import GpuName
from rest_compat.wire import Wire

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"
Status = Literal["initializing", "downloading", "deploying", "running", "stopped", "failed", "deleted"]
STATUSES: tuple[Status, ...] = get_args(Status)
Count = Annotated[int, Field(ge=0, le=MAX_REPLICAS)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class ScaleSettings(Input):
    """Between how many instances a deployment scales; the fewest are no more than the most."""

    min_instances: Count = Field(1, description="The fewest instances; 0 lets an idle deployment give up its last one.")
    max_instances: int = Field(1, ge=1, le=MAX_REPLICAS, description="The most instances.")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError("min_instances is more than max_instances")
        return self


class HFWeightsInput(Input):
    """Where a model's weights are."""

    repo: Text = Field(description="A repository of the Hugging Face hub, a model registered here, or a job or checkpoint.")
    revision: Text | None = Field(None, description="A commit or a branch of the repository.")
    token: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_TOKEN,
        pattern=r"^[\x21-\x7e]+$",
        repr=False,
        description="A token that may read the repository. It is kept encrypted and never given back.",
    )


class DeployLLMInput(Input):
    """A model to deploy, given as `hf`, as `base_model` or as both: then the weights of `hf` are served."""

    model_name: str = Field(
        pattern=NAME, max_length=MAX_NAME, description="`username/model-name`, unlike those of the other live deployments."
    )
    gpu: GpuName = Field(description="The hardware of each instance; `other` is a CPU.")
    num_gpus: int = Field(1, ge=1, le=hardware.MAX_COUNT, description="How many GPUs each instance has.")
    max_batch_size: int = Field(96, ge=1, le=256, description="How many requests an instance works on at once.")
    hf: HFWeightsInput | None = Field(None, description="The weights to serve.")
    base_model: Text | None = Field(None, description="A public model, or anything else that `hf.repo` may be.")
    container_image: str | None = Field(None, description="Only null: instances run engines of this installation.")
    settings: ScaleSettings | None = Field(None, description="How it scales; one instance by default.")
    extra_args: list[str] | None = Field(None, max_length=64, description="Flags of the engine, from a list of allowed ones.")

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if self.hf is None and self.base_model is None:
            raise ValueError("at least one of hf and base_model is required")
        return self

    @property
    def weights(self) -> HFWeightsInput:
        return self.hf or HFWeightsInput(repo=self.base_model or "")


class DeployLLMUpdate(Input):
    """What changes of a deployment."""

    settings: ScaleSettings = Field(description="How it scales from now on; what is left out of it has its default.")


class ListQuery(Input):
    """Which deployments to return."""

    status: str | None = Field(None, description=f"Statuses, with commas between them: {','.join(STATUSES)}. All by default.")


class Instances(Wire):
    """How many instances there are."""

    running: int = Field(description="How many answer.")
    pending: int = Field(description="How many are being started.")


class HFWeights(Wire):
    """Where the weights are."""

    repo: str = Field(description="What was asked for.")
    revision: str | None = Field(description="The commit or branch that was asked for.")
    token: None = Field(None, description="Always null.")


class DeployLLMConfig(Wire):
    """What was asked for; it never changes."""

    gpu: GpuName = Field(description="The hardware of each instance; `other` is what has no name here, a CPU among it.")
    num_gpus: int = Field(description="How many GPUs each instance has.")
    max_batch_size: int = Field(description="How many requests an instance works on at once.")
    weights: HFWeights | None = Field(description="The weights; null where another server has them.")


class Settings(Wire):
    """How a deployment scales."""

    min_instances: int = Field(description="The fewest instances.")
    max_instances: int = Field(description="The most instances.")


class DeploymentOut(Wire):
    """A model kept ready to answer. Chat calls take its `model_name`, or `deploy_id:` and its id, as their `model`."""

    deploy_id: str
    model_name: str = Field(description="Its name.")
    version: str = Field(description="The commit or the checkpoint that is served; empty until it is known.")
    task: Literal["text-generation"] = Field("text-generation", description="What the model does.")
    status: Status
    fail_reason: str = Field(description="Why it failed; empty where it did not.")
    created_at: str
    updated_at: str
    type: Literal["llm"] = Field("llm", description="What kind of deployment it is.")
    instances: Instances = Field(description="The instances that there are just now.")
    config: DeployLLMConfig = Field(description="What was asked for.")
    settings: Settings = Field(description="How it scales.")


class DeploymentList(RootModel[list[DeploymentOut]]):
    """Deployments, newest first."""


class DeployStatusOut(Wire):
    """Which deployment it was."""

    deploy_id: str
