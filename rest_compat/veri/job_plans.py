"""Before a training job: the ways to train, and what would come of a job."""

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import BurnishError, SchemaInvalid
from burnish.kit.money import usd_float
from engines.compute.hardware import as_json
from resolvers import jobs, methods
from resolvers.context import Context
from resolvers.jobs import JobInput
from rest_compat import http
from rest_compat.errors import VERI
from rest_compat.operation import Operation
from rest_compat.veri.jobs import TAG, Gpu, MemoryObject
from rest_compat.wire import Items, Wire


class ParameterObject(Wire):
    """A hyperparameter. A `default` of null means that it is off, or made from others."""

    name: str
    type: Literal["integer", "number", "boolean"]
    default: float | int | bool | None
    nullable: bool = Field(description="Whether null can be given.")
    description: str
    minimum: float | None
    maximum: float | None
    exclusive_minimum: float | None = Field(description="What it must be above.")
    exclusive_maximum: float | None = Field(description="What it must be below.")


class MethodObject(Wire):
    """A way to train."""

    object: Literal["training_method"] = "training_method"
    name: str = Field(description="The `method` of a job.")
    description: str
    takes_reward: bool = Field(description="Whether it learns from a reward; else a job has none.")
    unavailable: str | None = Field(description="Why this installation cannot train this way; null where it can.")
    hyperparameters: list[ParameterObject]
    hyperparameters_schema: dict[str, Any] = Field(description="The same as JSON Schema.")


class ProblemLine(Wire):
    """A row that cannot be used. `line` counts from 1."""

    line: int | None
    message: str


class ProblemObject(Wire):
    """Something that would keep the job from being made, as the error that its creation would answer with."""

    type: str
    code: str | None
    message: str
    param: str | None = Field(description="The field that it is about, as a dotted path.")
    details: list[ProblemLine] | None = Field(None, description="The rows of the dataset that it is about; null for all else.")


class PlanObject(Wire):
    """What would come of a job. Nothing was made."""

    object: Literal["training_job_plan"] = "training_job_plan"
    valid: bool = Field(description="Whether the job could be made as it is.")
    errors: list[ProblemObject] = Field(description="Everything that is wrong, at once.")
    hyperparameters: dict[str, Any] | None = Field(description="All of them, the defaults too; null where they are wrong.")
    gpu: Gpu | None = Field(description="What it would really run on; null for unknown hardware.")
    provider: str | None
    cost_per_hour_usd: float | None
    needed_usd: float | None = Field(description="What its start would set aside.")
    balance_usd: float
    free_usd: float = Field(description="What of the balance is not set aside.")
    covered: bool = Field(description="Whether the credit covers the start.")
    memory: MemoryObject | None = Field(
        description="The memory that it would take; null where that cannot be told, or the rest is wrong."
    )
    memory_unknown: str | None = Field(description="Why the memory cannot be told; null where it can.")


async def list_methods(ctx: Context, request: Request) -> Items[MethodObject]:
    """List the ways to train.

    Each has its hyperparameters with their defaults and ranges, as a list and as JSON Schema.
    """
    return Items[MethodObject](items=[_method(found) for found in methods.all_(ctx)])


async def plan(ctx: Context, request: Request) -> PlanObject:
    """Check a training job without making it.

    The body is that of a creation; all that is wrong with it is in the answer at once, whatever it is, beside what the job would
    run on, what its start would set aside, and the credit.
    """
    found = await jobs.plan(ctx, await http.json_object(request, ctx.core.settings))
    offer = found.offer
    return PlanObject(
        valid=not found.problems,
        errors=[shown for problem in found.problems for shown in _problems(problem)],
        hyperparameters=found.hyperparameters,
        gpu=None if offer is None else Gpu.model_validate(as_json(offer.shape)),
        provider=None if offer is None else offer.provider,
        cost_per_hour_usd=None if offer is None else usd_float(offer.hour_micros),
        needed_usd=None if found.needed_micros is None else usd_float(found.needed_micros),
        balance_usd=usd_float(found.balance_micros),
        free_usd=usd_float(found.free_micros),
        covered=found.covered,
        memory=None if found.memory is None else MemoryObject.model_validate(vars(found.memory)),
        memory_unknown=found.memory_unknown,
    )


def _method(found: methods.Method) -> MethodObject:
    return MethodObject(
        name=found.name,
        description=found.description,
        takes_reward=found.takes_reward,
        unavailable=found.unavailable,
        hyperparameters=[ParameterObject.model_validate(vars(parameter)) for parameter in found.parameters],
        hyperparameters_schema=found.schema,
    )


def _problems(error: BurnishError) -> list[ProblemObject]:
    if isinstance(error, SchemaInvalid) and error.details:
        each = [(f"{item['param']}: {item['message']}", item["param"]) for item in error.details]
    else:
        each = [(f"{error.message} {error.hint}" if error.hint else error.message, error.param)]
    kind = VERI.types[error.status]
    lines = [ProblemLine.model_validate(item) for item in error.details or () if "line" in item] or None
    return [ProblemObject(type=kind, code=error.code, message=message, param=param, details=lines) for message, param in each]


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/training_jobs/methods",
        handler=list_methods,
        tag=TAG,
        answers=Items[MethodObject],
    ),
    Operation(
        method="POST",
        path="/v1/training_jobs/plan",
        handler=plan,
        tag=TAG,
        answers=PlanObject,
        body=JobInput,
        scope="read",
        errors=(413,),
    ),
]
