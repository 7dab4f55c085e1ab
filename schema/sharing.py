"""One execution for all who follow the same: the operation runs once an event, and its encoded result goes to everybody.

Two subscriptions are equal when account, scopes, document, operation and variables are, apart from the variables that only say
where to begin. Each replays by itself up to where the shared execution, the `Broadcast`, stands, and then takes a `Seat` there:
between the look at the broadcast's cursor and the taking of the seat nothing is awaited, so that no row is lost or comes twice.

A seat holds what its socket has not taken yet, as references to frames that all seats share. A socket with more than
`MAX_QUEUED` waiting loses its place: what waited is dropped, and once the socket takes frames again its operation catches up
from its own cursor, with a `StreamGap` where the stream admits one.
"""

import asyncio
from collections import deque
from collections.abc import Set
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, Self

import orjson
import structlog
from strawberry import Schema
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionResult

from schema.admitted import Admitted
from schema.context import RequestContext
from schema.loaders import Loaders

log = structlog.get_logger(__name__)
MAX_QUEUED = 1_000_000


class Frame(NamedTuple):
    """An encoded result, and where the stream stands after it."""

    payload: str
    cursor: int


class Outlet(Protocol):
    """A socket, as seats know it: `queued` counts the characters that wait for it in all of its seats."""

    queued: int

    def write(self, text: str) -> bool: ...

    async def put(self, text: str) -> None: ...


class Seat:
    """One subscription's place. `cursor` is the place after what its socket has taken; None before it has taken anything."""

    def __init__(self, broadcasts: "Broadcasts", key: bytes, outlet: Outlet, prefix: str) -> None:
        self.cursor: int | None = None
        self.behind = self.slow = False
        self._broadcasts = broadcasts
        self._key = key
        self._outlet = outlet
        self._prefix = prefix
        self._frames: deque[Frame] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._broadcast: Broadcast | None = None
        self._over = False

    @property
    def taken(self) -> bool:
        return self._broadcast is not None

    def broadcast(self) -> "Broadcast | None":
        """Return the shared execution, where there is one."""
        return self._broadcasts.running.get(self._key)

    def open(self, context: "LiveContext", cursor: int) -> "Broadcast":
        """Return a new shared execution that begins after the cursor."""
        return self._broadcasts.open(self._key, context, cursor)

    def take(self, broadcast: "Broadcast") -> None:
        self.behind = self.slow = self._over = False
        self._broadcast = broadcast
        broadcast.seats[self] = None

    def leave(self) -> None:
        """Give the place up; safe to call twice."""
        self._drop()
        if self._broadcast is not None:
            self._broadcast.left(self)
            self._broadcast = None

    def offer(self, frame: Frame) -> bool:
        """Send a frame at once where the socket takes it, else queue it; False where too much waits for the socket already, and
        the place is lost.
        """
        if self._is_idle and self._outlet.write(f"{self._prefix}{frame.payload}}}"):
            self.cursor = frame.cursor
            return True
        size = len(frame.payload)
        if self._outlet.queued and self._outlet.queued + size > MAX_QUEUED:
            self._drop()
            self.slow = True
            self.lose()
            return False
        self._outlet.queued += size
        self._frames.append(frame)
        self._wake()
        return True

    def lose(self) -> None:
        """Have the operation catch up by itself once its socket has taken what is on the way."""
        self.behind = True
        self._wake()

    def end(self) -> None:
        """Nothing more will come."""
        self._over = True
        self._wake()

    async def pass_on(self) -> None:
        """Send what comes until the stream ends, or until the place is lost."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._outlet.queued -= len(frame.payload)
                await self._outlet.put(f"{self._prefix}{frame.payload}}}")
                self.cursor = frame.cursor
            if self.behind or self._over:
                return
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    @property
    def _is_idle(self) -> bool:
        """Whether all that came has been sent, and the operation waits for more."""
        return self._waiting is not None and not self._waiting.done() and not self._frames

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _drop(self) -> None:
        self._outlet.queued -= sum(len(frame.payload) for frame in self._frames)
        self._frames.clear()


class Broadcast:
    """A shared execution. `cursor` is the place after what all of its seats have been offered."""

    def __init__(self, broadcasts: "Broadcasts", key: bytes, context: "LiveContext", cursor: int) -> None:
        self.cursor = cursor
        self.next = cursor
        self.seats: dict[Seat, None] = {}
        self._broadcasts = broadcasts
        self._key = key
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._run(context.leading(self)))

    async def moved(self) -> None:
        """Wait until the cursor moves, or the broadcast is over."""
        await self._moved.wait()

    def advance(self, cursor: int) -> None:
        """Move on past rows that make no frame."""
        self.cursor = self.next = cursor
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def left(self, seat: Seat) -> None:
        self.seats.pop(seat, None)
        if not self.seats:
            self.close()
            self._task.cancel()

    async def _run(self, context: "LiveContext") -> None:
        try:
            if await self._send_all(context):
                for seat in self.seats:
                    seat.end()
                return
        except Exception as error:
            log.error("broadcast_failed", exc_info=error)
        finally:
            self.close()
            self._moved.set()
        # Each seat finds out by itself, from its own cursor, whether the trouble lasts.
        for seat in self.seats:
            seat.lose()

    async def _send_all(self, context: "LiveContext") -> bool:
        """Send every result on; False where the execution failed as a whole."""
        results = await context.stream(self._broadcasts.schema)
        async with aclosing(results):
            async for result in results:
                if not isinstance(result, ExecutionResult) or result.data is None:
                    return False
                self._send(Frame(encode(result), self.next))
                if not self.seats:
                    self.close()
                    break
        return True

    def _send(self, frame: Frame) -> None:
        for seat in [seat for seat in self.seats if not seat.offer(frame)]:
            del self.seats[seat]
        self.advance(frame.cursor)

    def close(self) -> None:
        """Take no more seats."""
        if self._broadcasts.running.get(self._key) is self:
            del self._broadcasts.running[self._key]


class Broadcasts:
    """The shared executions of one process."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.running: dict[bytes, Broadcast] = {}

    def open(self, key: bytes, context: "LiveContext", cursor: int) -> Broadcast:
        self.running[key] = made = Broadcast(self, key, context, cursor)
        return made


class LiveContext(RequestContext):
    """The context of one admitted operation on a socket: with its own seat, or leading a broadcast for many."""

    seat: Seat | None = None
    broadcast: Broadcast | None = None

    @classmethod
    def of(cls, context: RequestContext) -> Self:
        """Return a context of its own for an operation on the context's socket."""
        made = cls.__new__(cls)
        made.__dict__.update(context.__dict__)
        made.loaders = Loaders(made)
        return made

    def seated(self, seat: Seat) -> Self:
        made = self.of(self)
        made.seat = seat
        return made

    def leading(self, broadcast: Broadcast) -> Self:
        made = self.of(self)
        made.seat, made.broadcast = None, broadcast
        return made

    async def stream(self, schema: Schema) -> StreamResult:
        """Execute the operation that was admitted."""
        admitted = self.admitted
        if admitted is None:
            raise TypeError("an operation is admitted before it runs")
        return await schema.stream(admitted.query, admitted.variables, self, operation_name=admitted.name)


def encode(result: ExecutionResult) -> str:
    """Return a result as the payload of a `next` message."""
    payload: dict[str, Any] = {"data": result.data}
    if result.errors:
        payload["errors"] = [error.formatted for error in result.errors]
    return orjson.dumps(payload).decode()


def share_key(context: RequestContext, admitted: Admitted, begin: Set[str]) -> bytes:
    """Return what equal subscriptions have in common; the variables of `begin` only say where each begins."""
    caller = context.known
    variables = {name: value for name, value in (admitted.variables or {}).items() if name not in begin}
    shared = [caller.account.id, sorted(caller.scopes), admitted.query, admitted.name, variables]
    return orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)
