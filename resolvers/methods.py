"""The ways to train: what each is told by its hyperparameters, and whether this installation can do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters
from engines.training.video_spec import VideoHyperparameters
from resolvers.context import Context


@dataclass(frozen=True)
class Parameter:
    """A hyperparameter as a form shows it. A `default` of None means that it is off, or made from others.

    `type` is `integer`, `number` or `boolean`. `minimum` and `maximum` are the least and the most that is taken; the exclusive
    ones are not taken themselves.
    """

    name: str
    type: str
    default: Any
    nullable: bool
    description: str
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None


@dataclass(frozen=True)
class Method:
    """A way to train. `unavailable` says why it cannot be used here, None where it can."""

    name: str
    description: str
    hyperparameters: type[BaseModel]
    takes_reward: bool
    unavailable: str | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The hyperparameters as JSON Schema."""
        return self.hyperparameters.model_json_schema()

    @property
    def parameters(self) -> list[Parameter]:
        return [_parameter(name, shown) for name, shown in self.schema["properties"].items()]


GRPO = Method("grpo", "Group relative policy optimisation: the model learns from a reward.", GrpoHyperparameters, True)
SFT = Method("sft", "Supervised fine-tuning: the model learns to answer as the dataset does.", SftHyperparameters, False)
DPO = Method(
    "dpo", "Direct preference optimisation: the model learns which of two answers is preferred.", DpoHyperparameters, False
)
VIDEO = Method("sft_video_gen", "Supervised fine-tuning of a video model on clips with captions.", VideoHyperparameters, False)
METHODS: Mapping[str, Method] = {method.name: method for method in (GRPO, SFT, DPO, VIDEO)}


def all_(ctx: Context) -> list[Method]:
    """Return all ways to train, with the schema of their hyperparameters."""
    ctx.require("read")
    return list(METHODS.values())


def _parameter(name: str, shown: dict[str, Any]) -> Parameter:
    kinds = shown.get("anyOf", [shown])
    kind = next(kind for kind in kinds if kind.get("type") != "null")
    return Parameter(
        name=name,
        type=kind["type"],
        default=shown["default"],
        nullable={"type": "null"} in kinds,
        description=shown["description"],
        minimum=kind.get("minimum"),
        maximum=kind.get("maximum"),
        exclusive_minimum=kind.get("exclusiveMinimum"),
        exclusive_maximum=kind.get("exclusiveMaximum"),
    )
