"""Equal subscriptions share one execution, and each of them still gets everything once."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from graphql import parse
from sqlmodel import select

from models.api_key import ApiKey
from resolvers import api_keys, cursors
from resolvers.api_keys import ApiKeyInput
from schema import connections, sharing
from schema.logs import LogLine
from schema.sharing import Broadcasts, Frame, Seat
from schema.sockets import begin_variables
from tests.conftest import Server, Tenant
from tests.schema.conftest import Answer, Live, NewRun, Run, Sockets, hello, seats, until

pytestmark = pytest.mark.anyio

LOGS = """subscription($id: ID!, $after: Cursor, $tail: Int! = 200) { jobLogs(jobId: $id, after: $after, tail: $tail) {
  __typename ... on LogBatch { cursor lines { message } } ... on StreamEnd { reason cursor }
  ... on StreamGap { dropped from to } ... on Heartbeat { cursor } } }"""
EVENTS = """subscription($id: ID!, $after: Cursor) { jobEvents(jobId: $id, after: $after) {
  __typename ... on JobEventBatch { cursor events { type } } ... on StreamEnd { reason } } }"""


def messages(frames: list[Answer]) -> list[str]:
    return [line["message"] for frame in frames if frame["__typename"] == "LogBatch" for line in frame["lines"]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which lines have been made into objects, one entry for each time."""
    found: list[str] = []
    original = LogLine.of.__func__  # type: ignore[attr-defined]

    def of(cls: type[LogLine], resource_id: str, row: Any) -> LogLine:
        found.append(row.data["message"])
        line: LogLine = original(cls, resource_id, row)
        return line

    monkeypatch.setattr(LogLine, "of", classmethod(of))
    return found


async def another_key(server: Server, scopes: list[str] | None = None) -> Tenant:
    """Make another key of the server's tenant."""
    _, secret = await api_keys.create(await server.context(), ApiKeyInput(name="another", scopes=scopes))
    assert secret is not None
    return Tenant(server.tenant.account, secret)


async def test_equal_subscriptions_execute_once(sockets: Sockets, new_run: NewRun, made: list[str]) -> None:
    run = await new_run()
    other_key = await another_key(sockets.server)
    async with sockets() as one, sockets(other_key) as two:
        first = await one.start(LOGS, id=run.id)
        cursor = (await first.frame())["cursor"]
        # The same but for where they begin: on another socket, with another key of the account, by a tail, by a cursor.
        rest = [await two.start(LOGS, id=run.id, tail=0), await one.start(LOGS, id=run.id, after=cursor, tail=3)]
        await until(lambda: seats(sockets.server) == [3])
        made.clear()
        await run.log("shared")
        for operation in (first, *rest):
            assert messages([await operation.frame()]) == ["shared"]
        assert run.followers == 1
    assert made == ["shared"]


async def test_what_differs_is_executed_by_itself(server: Server, sockets: Sockets, new_run: NewRun, made: list[str]) -> None:
    run = await new_run()
    reader = await another_key(server, ["read"])
    filtered = LOGS.replace("tail: $tail)", 'tail: $tail, filter: {search: "SHARED"})')
    async with sockets() as one, sockets(reader) as two:
        operations = [await one.start(LOGS, id=run.id), await two.start(LOGS, id=run.id), await one.start(filtered, id=run.id)]
        await until(lambda: sorted(seats(server)) == [1, 1, 1])
        for operation in operations[:2]:
            await operation.frame()
        made.clear()
        await run.log("shared", "unwanted")
        assert [messages([await operation.frame()]) for operation in operations] == [["shared", "unwanted"]] * 2 + [["shared"]]
    assert sorted(made) == ["shared"] * 3 + ["unwanted"] * 2


def test_only_variables_that_say_where_to_begin_are_left_out() -> None:
    for document, variables in (
        (LOGS, {"after", "tail"}),
        ("subscription($t: Int!) { jobLogs(jobId: 1, tail: $t) { ... on LogBatch { x(n: $t) } } }", set()),
        ("subscription($a: Cursor) { deploymentStatus(id: 1) { deployment { logs(after: $a) { nodes { message } } } } }", set()),
        ("subscription($a: Cursor) { x: jobEvents(jobId: 1, after: $a) { __typename } }", {"a"}),
        ("subscription($a: Cursor) { ...F } fragment F on Subscription { jobEvents(jobId: 1, after: $a) { x } }", set()),
    ):
        assert begin_variables(parse(document)) == frozenset(variables), document


async def test_whoever_joins_at_any_moment_gets_every_line_once(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    whole = ["Status: queued"]
    dice = random.Random(5)
    cursors: list[str | None] = [None]
    enough = asyncio.Event()

    async def write() -> None:
        while not enough.is_set():
            lines = [f"line {len(whole) + index}" for index in range(dice.randint(1, 9))]
            whole.extend(lines)
            await run.log(*lines)
        await run.end()

    async def join(socket: Live) -> tuple[str | None, list[str]]:
        cursor = dice.choice(cursors)
        frames = [await (operation := await socket.start(LOGS, id=run.id, after=cursor, tail=10_000)).frame()]
        cursors.append(frames[0]["cursor"])
        return cursor, messages(frames + await operation.until_end())

    async with sockets() as one, sockets() as two:
        writer = asyncio.create_task(write())
        joining = []
        for number in range(1, 41):
            joining.append(asyncio.create_task(join(dice.choice((one, two)))))
            # One after the other begins, wherever the writing happens to be by then.
            await until(lambda number=number: len(cursors) > number)  # type: ignore[misc]
        enough.set()
        await writer
        found = await asyncio.gather(*joining)
    for cursor, seen in found:
        assert seen == whole[len(whole) - len(seen) :]
        assert cursor is not None or seen == whole


class Outlet:
    """A socket that takes frames only when it is let."""

    def __init__(self) -> None:
        self.queued = 0
        self.sent: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    def write(self, text: str) -> bool:
        if self.open.is_set():
            self.sent.append(text)
        return self.open.is_set()

    async def put(self, text: str) -> None:
        await self.open.wait()
        self.sent.append(text)


class Source:
    """A schema whose execution yields what it is fed."""

    def __init__(self) -> None:
        self.fed: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = False

    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        return self._results()

    async def _results(self) -> AsyncIterator[Any]:
        try:
            while (result := await self.fed.get()) is not None:
                yield result
        finally:
            self.closed = True


def seat_of(broadcasts: Broadcasts, outlet: Outlet) -> Seat:
    return Seat(broadcasts, b"key", outlet, '{"id":"1","payload":')


async def test_a_reader_that_stops_slows_nobody_and_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_QUEUED", 1000)
    stalled, quick = Outlet(), Outlet()
    stalled.open.clear()
    broadcasts = Broadcasts(Source())  # type: ignore[arg-type]
    broadcast = broadcasts.running[b"key"] = sharing.Broadcast.__new__(sharing.Broadcast)
    broadcast.__dict__.update(cursor=0, next=0, seats={}, _broadcasts=broadcasts, _key=b"key", _moved=asyncio.Event())
    slow, fast = seat_of(broadcasts, stalled), seat_of(broadcasts, quick)
    passing = []
    for seat in (slow, fast):
        seat.take(broadcast)
        passing.append(asyncio.create_task(seat.pass_on()))
    for number in range(1, 101):
        broadcast._send(Frame(f'"{"x" * 98}"', number))
        await until(lambda number=number: len(quick.sent) == number)  # type: ignore[misc]
        assert stalled.queued <= 1000
    assert (slow.behind, slow.slow, list(broadcast.seats)) == (True, True, [fast])
    assert (stalled.queued, stalled.sent, slow.cursor) == (0, [], None)
    stalled.open.set()
    await passing[0]
    # The frame that was on its way arrives, and the operation catches up from after it.
    assert (len(stalled.sent), slow.cursor) == (1, 1)
    fast.end()
    await passing[1]
    assert fast.cursor == 100


async def test_one_socket_has_one_allowance_for_all_of_its_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_QUEUED", 1000)
    outlet = Outlet()
    broadcasts = Broadcasts(Source())  # type: ignore[arg-type]
    one, two = seat_of(broadcasts, outlet), seat_of(broadcasts, outlet)
    assert [one.offer(Frame("x" * 400, 1)), two.offer(Frame("x" * 400, 1)), two.offer(Frame("x" * 400, 2))] == [True, True, False]
    assert (outlet.queued, one.behind, two.behind) == (400, False, True)
    one.leave()
    assert outlet.queued == 0
    # However large it is, one frame always has room.
    assert one.offer(Frame("x" * 5000, 2)) is True


async def a_stalled_and_a_quick_reader(
    sockets: Sockets, run: Run, query: str, write: Callable[[int], Awaitable[None]]
) -> tuple[list[Answer], list[Answer]]:
    """Return what a reader got who stopped reading until it had lost its place, and one who never did."""
    async with sockets() as one, sockets() as two:
        slow, quick = await one.start(query, id=run.id), await two.start(query, id=run.id)
        frames: tuple[list[Answer], list[Answer]] = [await slow.frame()], [await quick.frame()]
        await until(lambda: seats(sockets.server) == [2])
        one.reading.clear()
        # Small, so that the kernel takes megabytes, not dozens of them, before the server notices.
        one.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        for number in range(1000):
            await write(number)
            frames[1].append(await quick.frame())
            if seats(sockets.server) == [1]:
                break
        assert seats(sockets.server) == [1]
        one.reading.set()
        await until(lambda: seats(sockets.server) == [2])
        await write(-1)
        await run.end()
        return frames[0] + await slow.until_end(), frames[1] + await quick.until_end()


async def test_a_log_admits_what_a_slow_reader_lost(sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_QUEUED", 200_000)
    run = await new_run()
    slow, quick = await a_stalled_and_a_quick_reader(sockets, run, LOGS, lambda number: run.log(f"{number} " + "x" * 100_000))
    (gap,) = [frame for frame in slow if frame["__typename"] == "StreamGap"]
    assert len(messages(slow)) + gap["dropped"] == len(messages(quick))
    before = slow[slow.index(gap) - 1]
    assert gap["from"] == before["cursor"]
    # The query for what was lost gives exactly that.
    query = """query($id: ID!, $after: Cursor, $first: Int!) { job(id: $id) {
      logs(after: $after, first: $first) { nodes { message } pageInfo { endCursor } } } }"""
    async with sockets() as socket:
        page = (await (await socket.start(query, id=run.id, after=gap["from"], first=gap["dropped"])).frame())["logs"]
    assert page["pageInfo"]["endCursor"] == gap["to"]
    lost = [node["message"] for node in page["nodes"]]
    kept = messages(slow)
    at = len(messages(slow[: slow.index(gap)]))
    assert kept[:at] + lost + kept[at:] == messages(quick)


async def test_events_are_never_lost_on_a_slow_reader(sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_QUEUED", 200_000)
    run = await new_run()

    async def write(number: int) -> None:
        await run.append("events", [{"type": f"{number} " + "x" * 100_000, "at": "2026-01-01T00:00:00+00:00", "metadata": {}}])

    slow, quick = await a_stalled_and_a_quick_reader(sockets, run, EVENTS, write)

    def types(frames: list[Answer]) -> list[str]:
        return [event["type"] for frame in frames if "events" in frame for event in frame["events"]]

    assert types(slow) == types(quick)
    assert types(quick)[-1].startswith("-1 ")
    assert {frame["__typename"] for frame in slow} == {"JobEventBatch", "StreamEnd"}


async def test_an_execution_that_fails_is_caught_up_with_by_each(
    sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await new_run()
    async with sockets() as socket:
        operations = [await socket.start(LOGS, id=run.id) for _ in range(2)]
        for operation in operations:
            await operation.frame()
        await until(lambda: seats(sockets.server) == [2])
        failing = iter((True,))
        encode = sharing.encode

        def once(result: Any) -> str:
            if next(failing, False):
                raise RuntimeError("the first time only")
            return encode(result)

        monkeypatch.setattr(sharing, "encode", once)
        await run.log("one")
        for operation in operations:
            assert messages([await operation.frame()]) == ["one"]
        await until(lambda: seats(sockets.server) == [2])
        await run.log("two")
        for operation in operations:
            assert messages([await operation.frame()]) == ["two"]


async def test_a_cursor_ahead_of_its_stream_is_refused(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    await run.log("one")
    ahead = cursors.position(run.id, "logs", 3)
    async with sockets() as socket:
        (error,) = (await (await socket.start(LOGS, id=run.id, after=ahead)).next())["payload"]
    assert error["message"] == "This cursor is ahead of the stream."


async def test_a_key_has_so_many_connections(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    other = await sockets.server.new_tenant("other")
    async with sockets(), sockets() as second:
        async with sockets.raw() as third:
            await hello(third, {"apiKey": sockets.server.tenant.key})
            await until(lambda: third.close_code is not None)
            assert (third.close_code, third.close_reason) == (1013, "This API key has too many connections open.")
        async with sockets(other):
            pass
        await second.socket.close()
        async with sockets() as again:
            await again.socket.send(json.dumps({"type": "ping"}))


async def test_an_expired_keys_sockets_close(server: Server, sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WATCH_S", 0.05)
    other = await another_key(server)
    async with sockets() as stays, sockets(other) as goes:
        async with server.platform.db.transaction() as session:
            for row in (await session.exec(select(ApiKey).where(ApiKey.name == "another"))).all():
                row.expires_at = row.created_at
                session.add(row)
        await until(lambda: goes.socket.close_code == 4403)
        assert stays.socket.close_code is None
