"""Following a log over whatever happens: other parsers, the other interface, restarts, a key that ends, readers that stop."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import httpx2
import pytest
from openai._streaming import SSEDecoder
from sqlalchemy.exc import OperationalError

from burnish.kit import live, stream
from burnish.kit.core import Core
from burnish.kit.live import Batch
from burnish.kit.settings import Settings
from models import events, job
from resolvers import accounts, auth, cursors, jobs
from rest_compat import keys, sse
from tests.conftest import Server, Tenant, serving
from tests.kit.conftest import Broker, broker
from tests.rest_compat import things
from tests.schema.conftest import Sockets

__all__ = ["broker"]
pytestmark = pytest.mark.anyio
LIVE = """subscription($id: ID!, $after: Cursor) { jobLogs(jobId: $id, after: $after) { __typename
  ... on LogBatch { lines { cursor message } cursor } ... on StreamEnd { reason cursor } } }"""
DEADLINE_S = 30


def path(job_id: str) -> str:
    return f"/v1/training_jobs/{job_id}/logs"


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def write(core: Core, job_id: str, *messages: str, end: bool = False) -> None:
    """Write lines as another process does."""
    async with core.db.transaction() as session:
        await stream.append(session, job_id, "logs", [events.log_line(message) for message in messages], attempt=1)
        if end:
            await stream.end(session, job_id, job.STREAMS, job.COMPLETED)


async def client_of(core: Core) -> httpx2.AsyncClient:
    """Return a client with a key of its own, for an API that may not run yet."""
    tenant = Tenant(*await accounts.create(core, "tenant", credit_micros=10**9))
    return httpx2.AsyncClient(base_url=core.settings.local_url, headers=tenant.headers, timeout=30, verify=False)


class Reader:
    """Reads as a program should: it keeps the last id, and comes back with it."""

    def __init__(self, client: httpx2.AsyncClient, job_id: str, cursor: str = "") -> None:
        self.client, self.job_id, self.cursor = client, job_id, cursor
        self.lines: list[str] = []
        self.connections = 0

    async def run(self) -> list[str]:
        """Return all lines once the job has ended."""
        async with asyncio.timeout(DEADLINE_S):
            while not (self.lines and self.lines[-1].startswith("[Job ")):
                try:
                    await self._connected()
                except httpx2.TransportError:
                    await asyncio.sleep(0.01)
        return self.lines

    async def _connected(self) -> None:
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        async with self.client.sse(path(self.job_id), headers=headers) as source:
            self.connections += 1
            async for event in source:
                self.cursor = event.id
                self.lines.append(event.data)


async def test_a_log_begun_over_sse_goes_on_over_graphql_and_back(client: httpx2.AsyncClient, server: Server) -> None:
    job_id = (await things.queued_job(client))["id"]
    await things.said(server, job_id, "a", "b", "c", "d", "e")
    async with client.sse(path(job_id)) as source:
        found = source.__aiter__()
        read = [await anext(found) for _ in range(3)]
    async with Sockets(server)() as socket:
        operation = await socket.start(LIVE, id=job_id, after=read[-1].id)
        lines = (await operation.frame())["lines"]
    assert [event.data for event in read] == ["Status: queued", "a", "b"]
    assert [line["message"] for line in lines] == ["c", "d", "e"]
    await client.post(f"/v1/training_jobs/{job_id}/cancel")
    ending = ["Status: cancelled, by the user", "[Job cancelled]"]
    assert await Reader(client, job_id, lines[1]["cursor"]).run() == ["e", *ending]
    assert await Reader(client, job_id, lines[2]["cursor"]).run() == ending


async def test_each_side_gives_a_line_the_same_cursor(client: httpx2.AsyncClient, server: Server) -> None:
    job_id = (await things.queued_job(client))["id"]
    await things.said(server, job_id, *map(str, range(20)))
    await client.post(f"/v1/training_jobs/{job_id}/cancel")
    async with client.sse(path(job_id)) as source:
        over_sse = [(event.id, event.data) async for event in source]
    async with Sockets(server)() as socket:
        *batches, end = await (await socket.start(LIVE, id=job_id)).until_end()
    over_graphql = [(line["cursor"], line["message"]) for batch in batches for line in batch["lines"]]
    assert over_sse == [*over_graphql, (end["cursor"], "[Job cancelled]")]


async def test_the_parsers_of_others_see_the_lines_and_nothing_else(
    client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.02)
    job_id = (await things.queued_job(client))["id"]

    async def whole() -> bytes:
        """Return the bytes of a log with an empty line and silences before, between and after its lines."""
        got = b""
        async with client.stream("GET", path(job_id)) as answer:
            async for data in answer.aiter_raw():
                got += data
                if got.count(b": keepalive") >= 2 and b"data: a\n" not in got:
                    await things.said(server, job_id, "a", "", "b")
                if got.endswith(b": keepalive\nid: %b\n" % cursors.position(job_id, "logs", 4).encode()):
                    await client.post(f"/v1/training_jobs/{job_id}/cancel")
        return got

    raw = await asyncio.wait_for(whole(), DEADLINE_S)
    texts = ["Status: queued", "a", "", "b", "Status: cancelled, by the user", "[Job cancelled]"]
    expected = [(cursors.position(job_id, "logs", min(seq, 5)), text) for seq, text in enumerate(texts, 1)]
    answer = httpx2.Response(
        200, headers={"content-type": sse.MEDIA_TYPE}, content=raw, request=httpx2.Request("GET", "http://x")
    )
    assert [(event.id, event.data) for event in httpx2.EventSource(answer)] == expected
    assert [(event.id, event.data) for event in SSEDecoder().iter_bytes(iter([raw]))] == expected


async def test_a_reader_that_comes_back_after_restarts_has_every_line_once(settings: Settings, core: Core) -> None:
    client = await client_of(core)
    async with serving(settings):
        job_id = (await things.queued_job(client))["id"]
        reader = Reader(client, job_id)
        reading = asyncio.create_task(reader.run())
        await write(core, job_id, "0", "1")
        await until(lambda: len(reader.lines) == 3)
    await write(core, job_id, "2", "3")
    async with serving(settings):
        await until(lambda: len(reader.lines) == 5)
        await write(core, job_id, "4")
    await write(core, job_id, "5", end=True)
    async with serving(settings):
        assert await reading == ["Status: queued", *"012345", "[Job completed]"]
        assert reader.connections == 3
        await client.aclose()


async def test_an_outage_of_the_broker_neither_loses_nor_doubles_a_line(
    settings: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEAL_S", 0.02)
    monkeypatch.setattr(live, "RECONNECT_S", 0.01)
    settings.redis_url = broker.url
    writer = Core(settings)
    async with serving(settings):
        async with await client_of(writer) as client:
            job_id = (await things.queued_job(client))["id"]
            reader = Reader(client, job_id)
            reading = asyncio.create_task(reader.run())
            for number in range(30):
                if number == 10:
                    broker.kill()
                if number == 20:
                    broker.start()
                await write(writer, job_id, str(number))
                if number % 10 == 5:
                    await until(lambda: len(reader.lines) == number + 2)  # noqa: B023
            await write(writer, job_id, end=True)
            assert await reading == ["Status: queued", *map(str, range(30)), "[Job completed]"]
            assert reader.connections == 1
    await writer.close()


async def test_a_revoked_key_ends_its_streams_and_no_other(
    client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "CHECK_S", 0.02)
    monkeypatch.setattr(keys, "LOOK_S", 0.02)
    job_id = (await things.queued_job(client))["id"]
    made = (await client.post("/v1/api_keys", json={"name": "lost"})).json()
    mine = Reader(client, job_id)
    reading = asyncio.create_task(mine.run())
    async with server.client(Tenant(server.tenant.account, made["key"])) as other, other.sse(path(job_id)) as one:
        async with other.sse(path(job_id)) as two:
            streams = [one.__aiter__(), two.__aiter__()]
            assert [(await anext(found)).data for found in streams] == ["Status: queued"] * 2
            await client.delete(f"/v1/api_keys/{made['id']}")
            async with asyncio.timeout(DEADLINE_S):
                ends = [[event async for event in found] for found in streams]
    wanted = {"type": "invalid_request_error", "code": None, "message": "Invalid API key", "param": None}
    assert [[(event.event, event.json()) for event in events] for events in ends] == [[("error", {"error": wanted})]] * 2
    await things.said(server, job_id, "after")
    await client.post(f"/v1/training_jobs/{job_id}/cancel")
    assert await reading == ["Status: queued", "after", "Status: cancelled, by the user", "[Job cancelled]"]


async def test_a_database_that_is_away_ends_no_stream(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "CHECK_S", 0.02)
    monkeypatch.setattr(keys, "LOOK_S", 0.02)
    job_id = (await things.queued_job(client))["id"]
    refusals = 0

    async def away(*arguments: Any) -> None:
        nonlocal refusals
        refusals += 1
        raise OperationalError("select", None, ConnectionError())

    reader = Reader(client, job_id)
    reading = asyncio.create_task(reader.run())
    await until(lambda: reader.lines)
    with monkeypatch.context() as patch:
        patch.setattr(auth, "ended", away)
        await until(lambda: refusals >= 3)
    await client.post(f"/v1/training_jobs/{job_id}/cancel")
    assert await reading == ["Status: queued", "Status: cancelled, by the user", "[Job cancelled]"]
    assert reader.connections == 1


@pytest.fixture
def impatient(settings: Settings) -> None:
    settings.stall_s = 0.5


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_stops_reading_is_cut_and_holds_up_nobody(
    client: httpx2.AsyncClient, server: Server, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    left: list[int] = []
    follow = jobs.follow

    async def counted(*arguments: Any, **options: Any) -> AsyncGenerator[Batch, None]:
        place = len(taken)
        taken.append(0)
        try:
            async with aclosing(follow(*arguments, **options)) as batches:
                async for batch in batches:
                    taken[place] += len(batch.rows)
                    yield batch
        finally:
            left.append(place)

    monkeypatch.setattr(jobs, "follow", counted)
    job_id = (await things.queued_job(client))["id"]
    for _ in range(4):
        await write(core, job_id, *["x" * 8000] * 1000)
    with socket.socket() as stalled:
        await ask_and_stop(stalled, server, path(job_id))
        await until(lambda: taken)
        reader = Reader(client, job_id)
        reading = asyncio.create_task(reader.run())
        await until(lambda: len(reader.lines) == 4001)
        await until(lambda: left == [0])
        assert taken[0] < 4001
    await write(core, job_id, "last", end=True)
    assert (await reading)[-2:] == ["last", "[Job completed]"]
    assert (len(reader.lines), reader.connections) == (4003, 1)


async def ask_and_stop(stalled: socket.socket, server: Server, target: str) -> None:
    """Send a request whose answer nobody reads."""
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stalled, ("127.0.0.1", httpx2.URL(server.url).port))
    head = f"GET {target} HTTP/1.1\r\nHost: burnish\r\nAuthorization: Bearer {server.tenant.key}\r\n\r\n"
    await loop.sock_sendall(stalled, head.encode())
