"""What a subscription follows, as frames: replayed for the one who asks, or led for all who share a broadcast.

Every frame that carries rows carries the cursor after them, so that whoever comes back with it misses nothing and sees nothing
twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from burnish.kit import clock
from burnish.kit.errors import Invalid
from burnish.kit.live import Batch
from burnish.kit.stream import MAX_SEQ, Row
from resolvers import cursors
from resolvers.context import Context
from resolvers.cursors import Cursor
from resolvers.streams import Streams
from schema.context import RequestContext
from schema.frames import Heartbeat, StreamEnd, StreamGap
from schema.scalars import BigInt
from schema.sharing import Broadcast, LiveContext, Seat

HEARTBEAT_S = 15.0
MAX_TAIL = 10_000

Resume = Annotated[
    Cursor | None,
    strawberry.argument(description="Go on after this cursor of an earlier frame or page; from the start by default."),
]

F = TypeVar("F")


@dataclass(frozen=True)
class Feed(Generic[F]):
    """The rows of one stream after `start`. `make` turns rows into frames, each with the sequence number that it ends at; rows
    that make no frame are passed over. `lossy` feeds admit a gap to a reader who was too slow.
    """

    streams: Streams
    ctx: Context
    resource_id: str
    kind: str
    start: int
    make: Callable[[list[Row]], Awaitable[Sequence[tuple[F, int]]]]
    lossy: bool = True

    def frames(self, context: RequestContext) -> AsyncGenerator[Any, None]:
        """Return the frames, for the seat or for the broadcast that the context is of."""
        if not isinstance(context, LiveContext):
            raise TypeError("a subscription runs on a socket")
        if context.broadcast is not None:
            return self._led(context.broadcast)
        if context.seat is None:
            raise TypeError("an operation on a socket has a seat")
        return self._replayed(context, context.seat)

    async def _replayed(self, context: LiveContext, seat: Seat) -> AsyncGenerator[F | StreamEnd | StreamGap, None]:
        """Yield what is stored until the broadcast has been caught up with; leave with the seat taken, or at the stream's end."""
        seq = self.start if seat.cursor is None else seat.cursor
        if self.lossy and (gap := self._gap(seat, seq)) is not None:
            frame, seq = gap
            yield frame
            seat.cursor = seq
        if seat.cursor is None:
            seat.cursor = seq
        near = False
        while True:
            broadcast = seat.broadcast()
            if broadcast is not None and seq > broadcast.cursor:
                await broadcast.moved()
                continue
            if broadcast is not None and (near or seq == broadcast.cursor):
                # What comes from now on waits in the seat: nobody has to outrun a fast writer to get there.
                seat.take(broadcast)
                until = broadcast.cursor
            else:
                until = MAX_SEQ if broadcast is None else broadcast.cursor
            while seq < until:
                batch = await self.streams.page(self.ctx, self.resource_id, self.kind, after=seq, until=until)
                for made, seq in await self.make(batch.rows) if batch.rows else ():
                    yield made
                    seat.cursor = seq
                seq = batch.cursor
                if batch.end_reason is not None and not seat.taken:
                    yield self._end(batch.end_reason, seq)
                    return
                if not batch.more:
                    break
            if seat.taken:
                return
            near = True
            if broadcast is None and seat.broadcast() is None:
                seat.take(seat.open(context, seq))
                return

    async def _led(self, broadcast: Broadcast) -> AsyncGenerator[F | Heartbeat | StreamEnd, None]:
        """Yield what comes after the broadcast's cursor, a heartbeat in each silence, and the end."""
        following = self.streams.follow(self.ctx, self.resource_id, self.kind, after=broadcast.cursor)
        async with aclosing(_with_silences(following)) as batches:
            async for batch in batches:
                if batch is None:
                    yield Heartbeat(at=clock.now(), cursor=self._cursor(broadcast.cursor))
                    continue
                for made, broadcast.next in await self.make(batch.rows) if batch.rows else ():
                    yield made
                broadcast.advance(batch.cursor)
                if batch.end_reason is not None:
                    # Whoever came now would miss the end: they read it from the database.
                    broadcast.close()
                    yield self._end(batch.end_reason, batch.cursor)

    def _gap(self, seat: Seat, seq: int) -> tuple[StreamGap, int] | None:
        broadcast = seat.broadcast()
        if not seat.slow or broadcast is None or broadcast.cursor <= seq:
            return None
        end = broadcast.cursor
        return StreamGap(dropped=BigInt(end - seq), start=self._cursor(seq), end=self._cursor(end)), end

    def _end(self, reason: str, seq: int) -> StreamEnd:
        return StreamEnd(reason=reason, cursor=self._cursor(seq))

    def _cursor(self, seq: int) -> Cursor:
        return cursors.position(self.resource_id, self.kind, seq)


async def start_of(
    ctx: Context, streams: Streams, resource_id: str, kind: str, after: Cursor | None, tail: int | None = None
) -> int:
    """Return where to begin; NotFound here, before the first frame, for what is nobody's or another's."""
    last = await streams.last(ctx, resource_id, kind)
    if after is None:
        return 0 if tail is None else max(0, last - _tail(tail))
    start = cursors.read_position(after, resource_id, kind)
    if start > last:
        raise Invalid("This cursor is ahead of the stream.", code="invalid_cursor", param="after")
    return start


def _tail(tail: int) -> int:
    if not 0 <= tail <= MAX_TAIL:
        raise Invalid(f"tail is 0 to {MAX_TAIL}.", param="tail")
    return tail


async def _with_silences(batches: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch | None, None]:
    """Yield the batches, and None whenever none has come for a while."""
    async with aclosing(batches):
        pending: asyncio.Task[Batch | None] | None = None
        try:
            while True:
                pending = pending or asyncio.create_task(_next(batches))
                if not (await asyncio.wait({pending}, timeout=HEARTBEAT_S))[0]:
                    yield None
                    continue
                batch, pending = pending.result(), None
                if batch is None:
                    return
                yield batch
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.wait({pending})


async def _next(batches: AsyncIterator[Batch]) -> Batch | None:
    return await anext(batches, None)
