"""Evals and their runs: made, started, cancelled and deleted."""

from typing import Annotated, Any

import strawberry

from resolvers import eval_runs, evals
from resolvers.context import Context
from resolvers.eval_inputs import EvalInput, EvalRunInput
from resolvers.inputs import parse
from schema.context import Info
from schema.errors import Payload, settle
from schema.eval_runs import EvalRun
from schema.evals import Eval
from schema.hardware import HardwareInput
from schema.nodes import Input
from schema.scalars import JSON


@strawberry.input(description="An eval to make.")
class CreateEvalInput:
    name: str = strawberry.field(description="What to call it.")
    dataset_id: strawberry.ID = strawberry.field(description="What to ask.")
    scorers: list[JSON] = strawberry.field(
        description='How to score answers: objects such as `{"type": "exact-match"}`. Types are `exact-match`, `regex`, '
        "`json-schema`, `reward-function` and `judge`."
    )
    generation_params: JSON | None = strawberry.field(
        default=None, description='How the answers of every run are sampled: an object such as `{"temperature": 0.6, "n": 4}`.'
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="An eval to delete.")
class DeleteEvalInput:
    id: strawberry.ID = strawberry.field(description="The id of the eval.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.input(description="A run to start.")
class StartEvalRunInput:
    eval_id: strawberry.ID = strawberry.field(description="The eval to run.")
    model: str = strawberry.field(
        description="Whom to ask: a deployment's id or name, a training job's id or its checkpoint's, or the name of a model. "
        "For the last two an active deployment of just that answers; where there is none, one is made for the run."
    )
    num_samples: int | None = strawberry.field(
        default=None, description="How many rows of the dataset to ask, from the first on; all by default."
    )
    generation_params: JSON | None = strawberry.field(default=None, description="What differs from the eval's.")
    hardware: HardwareInput | None = strawberry.field(
        default=None, description="What a deployment that is made for it runs on; the cheapest that holds the model by default."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key starts nothing twice.")


@strawberry.input(description="A run to cancel.")
class CancelEvalRunInput:
    id: strawberry.ID = strawberry.field(description="The id of the run.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The eval.")
class EvalPayload(Payload):
    eval: Eval | None = strawberry.field(default=None, description="The eval.")


@strawberry.type(description="The eval that is gone.")
class DeleteEvalPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")


@strawberry.type(description="The run.")
class EvalRunPayload(Payload):
    run: EvalRun | None = strawberry.field(default=None, description="The run.")


@strawberry.type
class EvalMutations:
    @strawberry.mutation(description="Make an eval: a dataset and how to score answers to it. Nothing is asked yet.")
    async def create_eval(self, info: Info, input: Annotated[CreateEvalInput, Input]) -> EvalPayload:
        async def act(ctx: Context) -> EvalPayload:
            given = {"name": input.name, "dataset_id": input.dataset_id, "scorers": input.scorers}
            given |= _sampling(input.generation_params)
            return EvalPayload(eval=Eval.of(await evals.create(ctx, parse(EvalInput, given))))

        return await settle(info, input, EvalPayload, act)

    @strawberry.mutation(description="Delete an eval with its runs and their answers, unless one of them goes on.")
    async def delete_eval(self, info: Info, input: Annotated[DeleteEvalInput, Input]) -> DeleteEvalPayload:
        async def act(ctx: Context) -> DeleteEvalPayload:
            return DeleteEvalPayload(deleted_id=strawberry.ID((await evals.delete(ctx, input.id)).id))

        return await settle(info, input, DeleteEvalPayload, act, {"eval_id": "id"})

    @strawberry.mutation(description="Start a run of an eval: a model answers its dataset and is scored.")
    async def start_eval_run(self, info: Info, input: Annotated[StartEvalRunInput, Input]) -> EvalRunPayload:
        async def act(ctx: Context) -> EvalRunPayload:
            given: dict[str, Any] = {"model": input.model} | _sampling(input.generation_params)
            given |= {} if input.num_samples is None else {"num_samples": input.num_samples}
            if input.hardware is not None:
                given |= {"gpu": input.hardware.as_gpu, "provider": input.hardware.provider}
            return EvalRunPayload(run=EvalRun.of(await eval_runs.start(ctx, input.eval_id, parse(EvalRunInput, given))))

        return await settle(info, input, EvalRunPayload, act)

    @strawberry.mutation(description="Cancel a run: at once. A deployment that was made for it stops.")
    async def cancel_eval_run(self, info: Info, input: Annotated[CancelEvalRunInput, Input]) -> EvalRunPayload:
        async def act(ctx: Context) -> EvalRunPayload:
            return EvalRunPayload(run=EvalRun.of(await eval_runs.cancel(ctx, input.id)))

        return await settle(info, input, EvalRunPayload, act, {"run_id": "id"})


def _sampling(given: JSON | None) -> dict[str, Any]:
    return {} if given is None else {"generation_params": given}
