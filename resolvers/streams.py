"""Reading and following what a resource has said, for whoever may see the resource."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from burnish.kit import scanning, stream
from burnish.kit.db import Session
from burnish.kit.live import Batch
from burnish.kit.scanning import Scan, Sought
from resolvers.context import Context

Find = Callable[[Session, Context, str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Extent:
    """Rows `first` to `last` of a stream are kept; where there are none, `first` is past `last`."""

    first: int
    last: int
    end_reason: str | None


class Streams:
    """The streams of one noun. `find` raises NotFound for a resource that is not the caller's."""

    def __init__(self, find: Find) -> None:
        self._find = find

    async def rows(self, ctx: Context, resource_id: str, kind: str, *, after: int = 0, limit: int = 1000) -> list[stream.Row]:
        """Return rows of a stream after a cursor."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
            return await stream.read(session, resource_id, kind, after=after, limit=limit)

    async def last_rows(self, ctx: Context, resource_id: str, kind: str, count: int) -> list[stream.Row]:
        """Return the last `count` rows of a stream."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
            return await stream.tail(session, resource_id, kind, count)

    async def last(self, ctx: Context, resource_id: str, kind: str) -> int:
        """Return the cursor of the stream's last row, 0 where it is empty."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
            return await stream.last_seq(session, resource_id, kind)

    async def extent(self, ctx: Context, resource_id: str, kind: str) -> Extent:
        """Return which rows of a stream are kept."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
            last, reason = await stream.head(session, resource_id, kind)
            return Extent(await stream.first_seq(session, resource_id, kind), last, reason)

    async def scan(
        self,
        ctx: Context,
        resource_id: str,
        kind: str,
        sought: Sought,
        *,
        after: int = 0,
        before: int = stream.MAX_SEQ,
        limit: int,
        most: int,
        backwards: bool = False,
    ) -> Scan:
        """Look through a stream for some rows, either way; looks at about `most` of them."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
            return await scanning.scan(
                session, resource_id, kind, sought, after=after, before=before, limit=limit, most=most, backwards=backwards
            )

    async def page(self, ctx: Context, resource_id: str, kind: str, *, after: int, until: int) -> Batch:
        """Return what is stored after a cursor, up to and including `until`; at most a page."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
        return await ctx.core.hub.page(resource_id, kind, after, until)

    async def follow(self, ctx: Context, resource_id: str, kind: str, *, after: int = 0) -> AsyncGenerator[Batch, None]:
        """Follow a stream: what there is after the cursor, then what comes, until it ends."""
        ctx.require("read")
        async with ctx.db.read() as session:
            await self._find(session, ctx, resource_id)
        async with aclosing(ctx.core.hub.follow(resource_id, kind, after)) as batches:
            async for batch in batches:
                yield batch
