"""Following streams live: replay from the database, then frames from Redis, healed by a look at the database each second.

One `Hub` a process holds one Redis subscription, however many follow. Redis only makes it fast: with Redis gone, followers still
get every row within a second, because the cursor is the database's.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson
import structlog
from redis.asyncio import Redis
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select, tuple_

from burnish.kit import stream
from burnish.kit.db import Database
from burnish.kit.stream import Frame, Row
from burnish.kit.tables import StreamHead

log = structlog.get_logger(__name__)
CHANNEL = "burnish:live:"
HEAL_S = 1.0
RECONNECT_S = 1.0
PAGE = 1000
# A row of these can be megabytes.
PAGE_OF_KIND = {"rollouts": 16}
PAGE_CHARACTERS = 500_000
BUFFERED_FRAMES = 256
# A gateway tells of thousands a second, mostly to nobody: who follows elsewhere reads more than these bytes from the database.
SENT_OF_KIND = {"requests": 2**14}
DELETED = "deleted"
TOPICS_AT_ONCE = 500
SEND_S = 2.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in order; `cursor` resumes after them. `end_reason` is set on the last batch of a stream that has ended, which may
    hold no rows; `more` where the database is known to hold what follows.
    """

    rows: list[Row]
    cursor: int
    end_reason: str | None = None
    more: bool = False


@dataclass(eq=False, slots=True)
class _Follower:
    cursor: int
    frames: list[Frame] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, frame: Frame) -> None:
        # A follower too slow to take its frames reads from the database again: nothing is lost, and nothing piles up here.
        if len(self.frames) >= BUFFERED_FRAMES:
            self.frames.clear()
        self.frames.append(frame)
        self.wake.set()


def pack(frame: Frame) -> bytes:
    """Write a frame; of one with more rows than its kind is sent of only that they are there, as a gap before what follows."""
    is_sent = len(frame.json) <= SENT_OF_KIND.get(frame.kind, len(frame.json))
    first_seq, rows = (frame.first_seq, frame.json) if is_sent else (frame.first_seq + 1, b"[]")
    head = [frame.resource_id, frame.kind, first_seq, frame.attempt, frame.end_reason]
    return orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE) + rows


def unpack(raw: bytes) -> Frame:
    """Read a frame; ValueError or TypeError for what is none."""
    head, _, rows = raw.partition(b"\n")
    resource_id, kind, first_seq, attempt, end_reason = orjson.loads(head)
    frame = Frame(resource_id, kind, first_seq, attempt, rows, end_reason)
    if not isinstance(frame.rows, list):
        raise ValueError("no rows")
    return frame


class Hub:
    """`run()` must be running while anyone follows; `publish` works without it."""

    def __init__(self, db: Database, redis: Redis) -> None:
        self._db = db
        self._redis = redis
        self._topics: dict[tuple[str, str], set[_Follower]] = {}
        self._unsent: deque[Frame] = deque(maxlen=BUFFERED_FRAMES)
        self._sending: asyncio.Task[None] | None = None
        self._watchers: dict[str, list[Callable[[str], None]]] = {}

    def watch(self, kind: str, heard: Callable[[str], None]) -> None:
        """Call `heard` with a resource's id whenever any process writes to its stream of this kind: a hint that may be lost."""
        self._watchers.setdefault(kind, []).append(heard)

    async def publish(self, frames: list[Frame]) -> None:
        """Tell the followers of all processes; those of this one hear of it even with Redis gone.

        Returns at once: a commit never waits for Redis. What Redis is too slow to take is dropped, and healed.
        """
        for frame in frames:
            self._deliver(frame)
        self._unsent.extend(frames)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Send what was published."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        while self._unsent:
            frames = [self._unsent.popleft() for _ in range(len(self._unsent))]
            try:
                async with asyncio.timeout(SEND_S), self._redis.pipeline(transaction=False) as pipe:
                    for frame in frames:
                        pipe.publish(f"{CHANNEL}{frame.resource_id}/{frame.kind}", pack(frame))
                    await pipe.execute()
            except Exception as error:
                log.debug("live_publish_lost", error=str(error))

    async def run(self) -> None:
        """Deliver what other processes publish, for ever; runs beside the healer."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._heal())

    async def follow(self, resource_id: str, kind: str, after: int = 0) -> AsyncGenerator[Batch, None]:
        """Yield every row after the cursor, first those there are, then those that come, each exactly once; return when the
        stream ends.
        """
        follower = _Follower(after)
        topic = self._topics.setdefault((resource_id, kind), set())
        topic.add(follower)
        try:
            async for batch in self._replay(resource_id, kind, after):
                yield batch
                after = follower.cursor = batch.cursor
                if batch.end_reason:
                    return
            while True:
                await follower.wake.wait()
                follower.wake.clear()
                frames, follower.frames = follower.frames, []
                batch = _join(frames, after) or await self._healed(resource_id, kind, after)
                if batch.rows or batch.end_reason:
                    yield batch
                    after = follower.cursor = batch.cursor
                if batch.end_reason:
                    return
                if batch.more:
                    follower.wake.set()
        finally:
            topic.discard(follower)
            if not topic:
                self._topics.pop((resource_id, kind), None)

    async def _replay(self, resource_id: str, kind: str, after: int) -> AsyncIterator[Batch]:
        while True:
            batch = await self.page(resource_id, kind, after)
            if batch.rows or batch.end_reason:
                yield batch
            if not batch.more:
                return
            after = batch.cursor

    async def page(self, resource_id: str, kind: str, after: int, until: int = stream.MAX_SEQ) -> Batch:
        """Return what is stored after the cursor, up to and including `until`: at most a page, `more` where it goes on."""
        limit = min(_page(kind), until - after)
        async with self._db.read() as session:
            last, reason = await stream.head(session, resource_id, kind)
            rows = await stream.read(session, resource_id, kind, after=after, limit=limit) if last > after else []
        if _is_removed(last, after):
            return Batch([], after, DELETED)
        rows = _some([row for row in rows if row.seq <= until])
        # Rows that retention has deleted count as read.
        cursor = rows[-1].seq if rows else max(after, min(last, until))
        return Batch(rows, cursor, reason if cursor >= last else None, more=cursor < min(last, until))

    async def _healed(self, resource_id: str, kind: str, after: int) -> Batch:
        while True:
            try:
                return await self.page(resource_id, kind, after)
            except DBAPIError as error:
                # Whoever follows already waits out a database that is away.
                log.warning("live_read_waits", resource=resource_id, error=str(error.orig))
                await asyncio.sleep(HEAL_S)

    def _deliver(self, frame: Frame) -> None:
        self._tell(frame.resource_id, frame.kind)
        for follower in self._topics.get((frame.resource_id, frame.kind), ()):
            follower.offer(frame)

    def _tell(self, resource_id: str, kind: str) -> None:
        for heard in self._watchers.get(kind, ()):
            heard(resource_id)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.psubscribe(CHANNEL + "*")
                    async for message in pubsub.listen():
                        if message["type"] == "pmessage":
                            self._hear(message["channel"], message["data"])
            except Exception as error:
                # Whatever happened to the connection, the reader must go on.
                log.info("live_reader_reconnects", error=str(error))
                await asyncio.sleep(RECONNECT_S)

    def _hear(self, channel: bytes, raw: bytes) -> None:
        resource_id, _, kind = channel.decode(errors="replace").removeprefix(CHANNEL).partition("/")
        if (resource_id, kind) not in self._topics:
            self._tell(resource_id, kind)
            return
        try:
            self._deliver(unpack(raw))
        except (ValueError, TypeError) as error:
            log.warning("live_frame_unreadable", error=str(error))

    async def _heal(self) -> None:
        """Wake every follower that is behind its stream's head: a frame was lost."""
        while True:
            await asyncio.sleep(HEAL_S)
            topics = list(self._topics)
            if not topics:
                continue
            try:
                heads = await self._heads(topics)
            except Exception as error:
                log.warning("live_heal_failed", error=str(error))
                continue
            for topic in topics:
                last, reason = heads.get(topic, (0, None))
                for follower in self._topics.get(topic, ()):
                    if follower.cursor < last or reason or _is_removed(last, follower.cursor):
                        follower.wake.set()

    async def _heads(self, topics: list[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, str | None]]:
        found: dict[tuple[str, str], tuple[int, str | None]] = {}
        async with self._db.read() as session:
            for start in range(0, len(topics), TOPICS_AT_ONCE):
                some = tuple_(col(StreamHead.resource_id), col(StreamHead.kind)).in_(topics[start : start + TOPICS_AT_ONCE])
                for head in (await session.exec(select(StreamHead).where(some))).all():
                    found[head.resource_id, head.kind] = (head.last_seq, head.end_reason)
        return found


def _is_removed(last: int, cursor: int) -> bool:
    """Tell whether a stream that rows were read of is there no more: it was deleted with its resource."""
    return last == 0 < cursor


def _page(kind: str) -> int:
    return PAGE_OF_KIND.get(kind, PAGE)


def _some(rows: list[Row]) -> list[Row]:
    """Return the first of the rows, as many as have about `PAGE_CHARACTERS`: long lines come a few at a time."""
    found = 0
    for index, row in enumerate(rows):
        found += len(row.data.get("message", ""))
        if found > PAGE_CHARACTERS:
            return rows[: index + 1]
    return rows


def _join(frames: list[Frame], after: int) -> Batch | None:
    """Return the frames as one batch where they continue the cursor without a gap, else None."""
    rows: list[Row] = []
    cursor, reason = after, None
    for frame in sorted(frames, key=lambda frame: frame.first_seq):
        if frame.first_seq > cursor + 1:
            return None
        fresh = [Row(frame.first_seq + index, frame.attempt, data) for index, data in enumerate(frame.rows)]
        rows.extend(row for row in fresh if row.seq > cursor)
        cursor = max(cursor, frame.first_seq + len(frame.rows) - 1)
        reason = reason or frame.end_reason
    return Batch(rows, cursor, reason) if frames else None
