"""What can be followed of a batch: its progress, and what happens to it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from burnish.kit.stream import Row
from resolvers import batch_progress, batches, cursors
from resolvers.cursors import Cursor
from schema.batches import Batch, dollars
from schema.context import Info
from schema.feeds import Feed, Resume, start_of
from schema.frames import Heartbeat, StreamEnd, StreamGap
from schema.nodes import Money
from schema.scalars import BigInt
from schema.streams import BatchEvent

BatchId = Annotated[strawberry.ID, strawberry.argument(description="The id of the batch, `batch_…`.")]


@strawberry.type(description="How far a batch was at a moment.")
class BatchPoint:
    at: datetime = strawberry.field(description="The moment.")
    total: int = strawberry.field(description="All lines.")
    completed: int = strawberry.field(description="Those that were answered well.")
    failed: int = strawberry.field(description="Those that were not.")
    prompt_tokens: BigInt = strawberry.field(description="The tokens of the prompts.")
    completion_tokens: BigInt = strawberry.field(description="The tokens of the answers.")
    cost: Money = strawberry.field(description="The lines' share of their replicas' time.")
    in_flight: int = strawberry.field(description="The lines that are being answered.")
    per_second: float | None = strawberry.field(description="The lines done per second, lately.")
    eta_seconds: int | None = strawberry.field(description="The time left, estimated from that.")

    @classmethod
    def of(cls, row: Row) -> Self:
        data = row.data
        left = data["total"] - data["completed"] - data["failed"]
        return cls(
            at=datetime.fromisoformat(data["at"]),
            total=data["total"],
            completed=data["completed"],
            failed=data["failed"],
            prompt_tokens=BigInt(data["prompt_tokens"]),
            completion_tokens=BigInt(data["completion_tokens"]),
            cost=dollars(data["cost_nanos"]),
            in_flight=data["in_flight"],
            per_second=data["per_second"],
            eta_seconds=batch_progress.eta_s(data["per_second"], left),
        )


@strawberry.type(description="How far a batch was, twice a second at most while it changes.")
class BatchPoints:
    points: list[BatchPoint] = strawberry.field(description="The moments, oldest first.")
    cursor: Cursor = strawberry.field(description="The place after them.")


@strawberry.type(description="A batch whose status has moved.")
class BatchUpdate:
    batch: Batch = strawberry.field(description="The batch as it is now.")
    events: list[BatchEvent] = strawberry.field(description="What has happened to it, in order.")
    cursor: Cursor = strawberry.field(description="The place after them.")


BatchProgressFrame = Annotated[
    BatchPoints | StreamGap | Heartbeat | StreamEnd,
    strawberry.union("BatchProgressFrame", description="A frame of a batch's progress."),
]
BatchEventFrame = Annotated[
    BatchUpdate | Heartbeat | StreamEnd, strawberry.union("BatchEventFrame", description="A frame of a batch's events.")
]


@strawberry.type
class BatchSubscriptions:
    @strawberry.subscription(description="How far a batch is, as it goes on.")
    async def batch_progress(
        self, info: Info, batch_id: BatchId, after: Resume = None
    ) -> AsyncGenerator[BatchProgressFrame, None]:
        async def make(rows: list[Row]) -> Sequence[tuple[BatchPoints, int]]:
            cursor = cursors.position(batch_id, "progress", rows[-1].seq)
            return [(BatchPoints(points=[BatchPoint.of(row) for row in rows], cursor=cursor), rows[-1].seq)]

        ctx = info.context.known
        start = await start_of(ctx, batches.streams, batch_id, "progress", after)
        return Feed(batches.streams, ctx, batch_id, "progress", start, make).frames(info.context)

    @strawberry.subscription(description="A batch each time something happens to it: first as it is, with all that has happened.")
    async def batch_events(self, info: Info, batch_id: BatchId, after: Resume = None) -> AsyncGenerator[BatchEventFrame, None]:
        ctx = info.context.known

        async def make(rows: list[Row]) -> Sequence[tuple[BatchUpdate, int]]:
            row = await batches.get(ctx, batch_id)
            events = [BatchEvent.of(batch_id, item) for item in rows]
            return [(BatchUpdate(batch=Batch.of(row), events=events, cursor=events[-1].cursor), rows[-1].seq)]

        start = await start_of(ctx, batches.streams, batch_id, "events", after)
        return Feed(batches.streams, ctx, batch_id, "events", start, make, lossy=False).frames(info.context)
