"""What can be followed of an eval run: its progress, and what happens to it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from burnish.kit.stream import Row
from resolvers import cursors, eval_runs
from resolvers.cursors import Cursor
from schema.context import Info
from schema.eval_runs import EvalRun
from schema.feeds import Feed, Resume, start_of
from schema.frames import Heartbeat, StreamEnd, StreamGap
from schema.streams import EvalRunEvent

RunId = Annotated[strawberry.ID, strawberry.argument(description="The id of the run, `run_…`.")]


@strawberry.type(description="How far a run was at a moment.")
class EvalRunPoint:
    at: datetime = strawberry.field(description="The moment.")
    total: int | None = strawberry.field(description="The answers there are to be.")
    answered: int = strawberry.field(description="The answers that had come.")
    processed: int = strawberry.field(description="The answers that were scored.")

    @classmethod
    def of(cls, row: Row) -> Self:
        data = row.data
        processed = data["processed"]
        return cls(
            at=datetime.fromisoformat(data["at"]),
            total=data.get("total"),
            answered=max(data.get("answered") or 0, processed),
            processed=processed,
        )


@strawberry.type(description="How far a run was, twice a second at most while it changes.")
class EvalRunPoints:
    points: list[EvalRunPoint] = strawberry.field(description="The moments, oldest first.")
    cursor: Cursor = strawberry.field(description="The place after them.")


@strawberry.type(description="A run whose status has moved.")
class EvalRunUpdate:
    run: EvalRun = strawberry.field(description="The run as it is now.")
    events: list[EvalRunEvent] = strawberry.field(description="What has happened to it, in order.")
    cursor: Cursor = strawberry.field(description="The place after them.")


EvalRunProgressFrame = Annotated[
    EvalRunPoints | StreamGap | Heartbeat | StreamEnd,
    strawberry.union("EvalRunProgressFrame", description="A frame of a run's progress."),
]
EvalRunEventFrame = Annotated[
    EvalRunUpdate | Heartbeat | StreamEnd, strawberry.union("EvalRunEventFrame", description="A frame of a run's events.")
]


@strawberry.type
class EvalSubscriptions:
    @strawberry.subscription(description="How far a run of an eval is, as it goes on.")
    async def eval_run_progress(
        self, info: Info, run_id: RunId, after: Resume = None
    ) -> AsyncGenerator[EvalRunProgressFrame, None]:
        async def make(rows: list[Row]) -> Sequence[tuple[EvalRunPoints, int]]:
            cursor = cursors.position(run_id, "progress", rows[-1].seq)
            return [(EvalRunPoints(points=[EvalRunPoint.of(row) for row in rows], cursor=cursor), rows[-1].seq)]

        ctx = info.context.known
        start = await start_of(ctx, eval_runs.streams, run_id, "progress", after)
        return Feed(eval_runs.streams, ctx, run_id, "progress", start, make).frames(info.context)

    @strawberry.subscription(description="A run each time something happens to it: first as it is, with all that has happened.")
    async def eval_run_events(self, info: Info, run_id: RunId, after: Resume = None) -> AsyncGenerator[EvalRunEventFrame, None]:
        ctx = info.context.known

        async def make(rows: list[Row]) -> Sequence[tuple[EvalRunUpdate, int]]:
            row = await eval_runs.get(ctx, run_id)
            events = [EvalRunEvent.of(run_id, item) for item in rows]
            return [(EvalRunUpdate(run=EvalRun.of(row), events=events, cursor=events[-1].cursor), rows[-1].seq)]

        start = await start_of(ctx, eval_runs.streams, run_id, "events", after)
        return Feed(eval_runs.streams, ctx, run_id, "events", start, make, lossy=False).frames(info.context)
