"""The ways to train, and what a form needs to ask for their hyperparameters."""

from enum import Enum
from typing import Self

import strawberry

from resolvers import methods
from schema.context import Info
from schema.scalars import JSON


@strawberry.enum(description="How a model is trained.")
class Method(Enum):
    GRPO = strawberry.enum_value("grpo", description="Group relative policy optimisation, by TRL.")
    SFT = strawberry.enum_value("sft", description="Supervised fine-tuning on answers.")
    DPO = strawberry.enum_value("dpo", description="Direct preference optimisation on pairs of answers.")
    SFT_VIDEO_GEN = strawberry.enum_value("sft_video_gen", description="Supervised fine-tuning of a video model.")


def value_of(method: Method | None) -> str | None:
    """Return a method as resolvers call it."""
    return None if method is None else str(method.value)


@strawberry.type(description="A hyperparameter.")
class Hyperparameter:
    name: str = strawberry.field(description="Its name in `hyperparameters`.")
    type: str = strawberry.field(description="`integer`, `number` or `boolean`.")
    default: JSON | None = strawberry.field(description="What it is where it is not given; null where it is off then.")
    nullable: bool = strawberry.field(description="Whether null can be given.")
    description: str = strawberry.field(description="What it does.")
    minimum: float | None = strawberry.field(description="The least that is taken.")
    maximum: float | None = strawberry.field(description="The most that is taken.")
    exclusive_minimum: float | None = strawberry.field(description="What it must be above.")
    exclusive_maximum: float | None = strawberry.field(description="What it must be below.")

    @classmethod
    def of(cls, found: methods.Parameter) -> Self:
        return cls(**{**vars(found), "default": None if found.default is None else JSON(found.default)})


@strawberry.type(description="A way to train.")
class TrainingMethod:
    method: Method = strawberry.field(description="The way.")
    description: str = strawberry.field(description="What it does.")
    takes_reward: bool = strawberry.field(description="Whether it learns from a reward; else a job has none.")
    unavailable: str | None = strawberry.field(description="Why this installation cannot train this way; null where it can.")
    hyperparameters: list[Hyperparameter] = strawberry.field(description="What it can be told, in the order of a job's own.")
    hyperparameters_schema: JSON = strawberry.field(description="The same as JSON Schema.")

    @classmethod
    def of(cls, found: methods.Method) -> Self:
        return cls(
            method=Method(found.name),
            description=found.description,
            takes_reward=found.takes_reward,
            unavailable=found.unavailable,
            hyperparameters=[Hyperparameter.of(parameter) for parameter in found.parameters],
            hyperparameters_schema=JSON(found.schema),
        )


@strawberry.type
class MethodQueries:
    @strawberry.field(description="All ways to train, with their hyperparameters, defaults and ranges.")
    async def methods(self, info: Info) -> list[TrainingMethod]:
        return [TrainingMethod.of(found) for found in methods.all_(info.context.known)]
