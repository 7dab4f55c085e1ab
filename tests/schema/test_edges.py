"""What happens at the edges: to those who complete, are refused, lose their place, do not read, or are nobody."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from strawberry.types import ExecutionResult

from resolvers import api_keys, auth, metrics
from schema import connections, sharing
from schema.connections import Connections
from schema.context import RequestContext
from schema.rate_limits import Allowance
from schema.sharing import Broadcasts
from schema.sockets import Handler
from tests.conftest import Server
from tests.schema.conftest import DEADLINE_S, Api, NewRun, Sockets, seats, until, view_of
from tests.schema.test_rate_limits import limit
from tests.schema.test_sharing import LOGS, Outlet, Source, another_key, messages, seat_of

pytestmark = pytest.mark.anyio
__all__ = ["limit"]
NOTHING = "{ __typename }"


async def test_complete_does_not_cut_a_mutation(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    ended: list[str] = []
    create = api_keys.create

    async def slow(*given: Any, **options: Any) -> Any:
        began.set()
        try:
            await go_on.wait()
            made = await create(*given, **options)
        except asyncio.CancelledError:
            ended.append("cut")
            raise
        ended.append("done")
        return made

    monkeypatch.setattr(api_keys, "create", slow)
    async with sockets() as socket:
        operation = await socket.ask({"query": 'mutation { createApiKey(input: {name: "made"}) { secret } }'})
        async with asyncio.timeout(DEADLINE_S):
            await began.wait()
        await socket.stop(operation)
        # Frames are taken in their order: what is answered comes after the operation was completed.
        await (await socket.ask({"query": NOTHING})).next()
        go_on.set()
        await until(lambda: bool(ended))
    assert ended == ["done"]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> list[Handler]:
    """The handlers of the sockets that are opened."""
    found: list[Handler] = []
    handle = Handler.handle

    async def remembered(self: Handler) -> None:
        found.append(self)
        await handle(self)

    monkeypatch.setattr(Handler, "handle", remembered)
    return found


async def test_a_completed_subscribe_leaves_nothing(
    sockets: Sockets, handlers: list[Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def hang(self: RequestContext) -> None:
        began.set()
        await asyncio.Event().wait()

    async with sockets() as socket:
        monkeypatch.setattr(RequestContext, "authenticate", hang)
        operation = await socket.ask({"query": NOTHING})
        async with asyncio.timeout(DEADLINE_S):
            await began.wait()
        (handler,) = handlers
        assert list(handler.asked) == [operation.id]
        await socket.stop(operation)
        await until(lambda: not handler.operations)
        assert handler.asked == {}


async def test_a_refused_subscribe_leaves_nothing(
    sockets: Sockets, handlers: list[Handler], new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await new_run()
    async with sockets() as socket:
        await (await socket.start(LOGS, id=run.id)).frame()
        (handler,) = handlers
        monkeypatch.setattr(handler, "max_subscriptions_per_connection", 1)
        assert (await (await socket.ask({"query": NOTHING})).next())["type"] == "error"
        assert handler.asked == {}


async def test_a_number_costs_the_same_however_it_is_written(api: Api) -> None:
    query = "query($first: Int!) { jobs(first: $first) { nodes { id } } }"
    whole, real, dearest = [(await api(query, first=first)) for first in (100, 100.0, 1e300)]
    assert real["data"] == whole["data"] == {"jobs": {"nodes": []}}
    assert real["extensions"]["cost"]["requested"] == whole["extensions"]["cost"]["requested"] == 21
    assert dearest["errors"][0]["extensions"]["code"] == "COST_LIMIT"


async def test_a_place_lost_before_its_first_frame_loses_no_line(
    sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await new_run()
    running = view_of(sockets.server).broadcasts.running
    async with sockets() as socket:
        operation = await socket.start(LOGS, id=run.id, tail=0)
        await until(lambda: seats(sockets.server) == [1])
        (first,) = running.values()
        failing = iter((True,))
        encode = sharing.encode

        def once(result: Any) -> str:
            if next(failing, False):
                raise RuntimeError("the first time only")
            return encode(result)

        monkeypatch.setattr(sharing, "encode", once)
        await run.log("one")
        await until(lambda: seats(sockets.server) == [1] and first not in running.values())
        await run.log("two")
        assert messages([await operation.frame()]) == ["one"]
        assert messages([await operation.frame()]) == ["two"]


class Lingering(Source):
    """A source that takes its time to close."""

    def __init__(self) -> None:
        super().__init__()
        self.closing, self.go_on = asyncio.Event(), asyncio.Event()

    async def _results(self) -> AsyncIterator[Any]:
        try:
            while (result := await self.fed.get()) is not None:
                yield result
        finally:
            self.closing.set()
            await self.go_on.wait()


class Leading:
    """A context whose operation is the source's."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def leading(self, broadcast: sharing.Broadcast) -> "Leading":
        return self

    async def stream(self, schema: Any) -> AsyncIterator[Any]:
        return await self.source.stream()


async def test_a_broadcast_without_seats_takes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_QUEUED", 100)
    source = Lingering()
    broadcasts = Broadcasts(source)  # type: ignore[arg-type]
    stalled = Outlet()
    stalled.open.clear()
    slow, next_one = seat_of(broadcasts, stalled), seat_of(broadcasts, Outlet())
    broadcast = slow.open(Leading(source), 0)  # type: ignore[arg-type]
    slow.take(broadcast)
    for _ in range(2):
        source.fed.put_nowait(ExecutionResult(data={"x": "y" * 60}, errors=None))
    async with asyncio.timeout(DEADLINE_S):
        await source.closing.wait()
    assert (slow.behind, broadcast.seats) == (True, {})
    assert next_one.broadcast() is None
    source.go_on.set()
    await broadcast._task


class Connection:
    """A socket whose client reads, or does not."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.asked: list[int] = []
        self.closed = False

    async def close(self, code: int, reason: str) -> None:
        self.asked.append(code)
        await self.reads.wait()
        self.closed = True


async def test_the_watcher_survives_any_error_and_waits_for_no_client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WATCH_S", 0.005)
    callers = [await server.context(), await server.context(await another_key(server))]
    over: list[str] = []
    looks = 0

    async def ended(core: Any, key_ids: list[str]) -> list[str]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("the first time only")
        return [key_id for key_id in key_ids if key_id in over]

    monkeypatch.setattr(auth, "ended", ended)
    watched = Connections()
    deaf, reading = Connection(), Connection()
    reading.reads.set()
    try:
        for connection, caller in zip((deaf, reading), callers, strict=True):
            assert watched.enter(connection, caller)
        over.append(callers[0].key.id)
        await until(lambda: 4403 in deaf.asked)
        over.append(callers[1].key.id)
        await until(lambda: reading.closed)
        assert not deaf.closed
    finally:
        deaf.reads.set()
        watched.leave(deaf)
        watched.leave(reading)
    await until(lambda: deaf.closed)


async def test_strangers_are_counted_by_get_too(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "requests_per_minute", 20)
    async with api.server.client() as client:
        client.headers.pop("authorization")
        answers = [await client.get("/graphql", params={"query": NOTHING}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_what_is_no_operation_is_charged(api: Api, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(api.server.platform.core.settings, "points_per_minute", 30)
    assert (await api.post({"query": 3})).status_code == 400
    assert (await api.post([])).status_code == 400
    async with api.server.client(api.tenant) as client:
        assert (await client.get("/graphql", params={"query": NOTHING, "variables": "{"})).status_code == 400
    assert (await api(NOTHING))["extensions"]["cost"]["remaining"] == 26


async def test_strangers_of_one_ipv6_network_share(server: Server) -> None:
    def caller(address: str) -> str:
        return Allowance.of(RequestContext(server.platform, "req_test", {}, address)).caller

    assert caller("2001:db8:1:2::1") == caller("2001:db8:1:2:ffff:ffff:ffff:ffff") != caller("2001:db8:1:3::1")
    assert caller("192.0.2.1") != caller("192.0.2.2")
    assert caller("fe80::1%eth0") != caller("")


async def test_one_answer_of_metrics_has_so_many_points(api: Api, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_VALUES", 100)
    run = await new_run()
    await run.append("metrics", [{"step": step, "values": dict.fromkeys("abcde", 1.0)} for step in range(1, 201)])
    query = "query($id: ID!, $keys: [String!]) { job(id: $id) { metrics(keys: $keys, maxPoints: 200) { key steps } } }"
    whole = (await api.data(query, id=run.id))["job"]["metrics"]
    assert [len(column["steps"]) for column in whole] == [20] * 5
    (single,) = (await api.data(query, id=run.id, keys=["a"]))["job"]["metrics"]
    assert (len(single["steps"]), single["steps"][0], single["steps"][-1]) == (100, 1, 200)
