"""Batches: made, cancelled and tried again."""

from typing import Annotated

import strawberry

from resolvers import batch_retries, batches
from resolvers.batches import BatchInput
from resolvers.context import Context
from resolvers.inputs import parse
from schema.batches import Batch, BatchEndpoint
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import Input
from schema.scalars import JSON


@strawberry.input(description="A batch to make.")
class CreateBatchInput:
    input_file_id: strawberry.ID = strawberry.field(
        description="A file of requests, a line each: `custom_id`, `method`, `url` and `body`. Its purpose is `BATCH`."
    )
    endpoint: BatchEndpoint = strawberry.field(
        default=BatchEndpoint.CHAT_COMPLETIONS, description="What every line asks: its `url`."
    )
    completion_window: str = strawberry.field(
        default="24h", description="What is not answered in this time fails: `1h` to `168h`."
    )
    metadata: JSON | None = strawberry.field(
        default=None, description="Up to 16 labels: an object of texts of up to 512 characters, under names of up to 64."
    )
    output_expires_after_seconds: int | None = strawberry.field(
        default=None, description="After how long its output and error files are deleted: an hour to 30 days; never by default."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A batch to act on.")
class BatchActionInput:
    id: strawberry.ID = strawberry.field(description="The id of the batch.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The batch.")
class BatchPayload(Payload):
    batch: Batch | None = strawberry.field(default=None, description="The batch.")


@strawberry.type
class BatchMutations:
    @strawberry.mutation(description="Begin a batch: its whole file is checked, then its lines are sent.")
    async def create_batch(self, info: Info, input: Annotated[CreateBatchInput, Input]) -> BatchPayload:
        async def act(ctx: Context) -> BatchPayload:
            return BatchPayload(batch=Batch.of(await batches.create(ctx, _given(input))))

        names = {"output_expires_after": "outputExpiresAfterSeconds"}
        return await settle(info, input, BatchPayload, act, names)

    @strawberry.mutation(description="Cancel a batch: no more of it is asked, and what was answered is kept.")
    async def cancel_batch(self, info: Info, input: Annotated[BatchActionInput, Input]) -> BatchPayload:
        async def act(ctx: Context) -> BatchPayload:
            return BatchPayload(batch=Batch.of(await batches.cancel(ctx, input.id)))

        return await settle(info, input, BatchPayload, act)

    @strawberry.mutation(description="Begin a batch of just the lines of another that failed, once that has ended.")
    async def retry_batch(self, info: Info, input: Annotated[BatchActionInput, Input]) -> BatchPayload:
        async def act(ctx: Context) -> BatchPayload:
            return BatchPayload(batch=Batch.of(await batch_retries.retry(ctx, input.id)))

        return await settle(info, input, BatchPayload, act)


def _given(input: CreateBatchInput) -> BatchInput:
    expiry = input.output_expires_after_seconds
    return parse(
        BatchInput,
        {
            "input_file_id": input.input_file_id,
            "endpoint": input.endpoint.value,
            "completion_window": input.completion_window,
            "metadata": input.metadata,
            "output_expires_after": None if expiry is None else {"seconds": expiry},
        },
    )
