"""The connections of the gateway's client: used again, replaced, held back, ended, and none left over."""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from engines.serving.http1 import Broken, Client, Response, TooSlow, Unanswered, Unreachable
from engines.serving.http1_connection import WAITING_BYTES, Connection, Terms
from tests.engines.serving.wire import Line, Peer, Scripted, always, chunked, scripted, sockets, whole

pytestmark = pytest.mark.anyio
PATH = "/v1/completions"
# What a transport reads at once.
READ_BYTES = 262_144
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nHi\r\n"


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Each test ends with as many sockets and tasks as it began with."""
    before, tasks = sockets(), len(asyncio.all_tasks())
    yield
    await until(lambda: (sockets(), len(asyncio.all_tasks())) == (before, tasks))


@pytest.fixture
async def client(nothing_is_left: None) -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def ask(client: Client, server: Scripted) -> bytes:
    return await (await client.post(server.base, PATH, b"{}")).read()


def stalling(said: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Send these bytes, then nothing until the client is gone."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        await peer.gone()

    return script


async def test_one_after_the_other_uses_one_connection(client: Client) -> None:
    async with scripted(always(whole(b"Hi"))) as server:
        for _ in range(5):
            assert await ask(client, server) == b"Hi"
        assert [len(peer.requests) for peer in server.peers] == [5]


async def test_a_connection_is_free_as_soon_as_its_answer_has_come(client: Client) -> None:
    """However long its reader takes."""
    async with scripted(always(whole(b"Hi"))) as server:
        first = await client.post(server.base, PATH, b"{}")
        second = await client.post(server.base, PATH, b"{}")
        first.close()
        assert (await first.read(), await second.read(), len(server.peers)) == (b"Hi", b"Hi", 1)


async def test_as_many_as_ask_at_once_have_one_each_and_all_are_used_again(client: Client) -> None:
    gate = asyncio.Barrier(8)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await gate.wait()
            await peer.say(whole(b"Hi"))

    async with scripted(script) as server:
        for _ in range(3):
            assert await asyncio.gather(*(ask(client, server) for _ in range(8))) == [b"Hi"] * 8
        assert [len(peer.requests) for peer in server.peers] == [3] * 8


async def test_a_whole_answer_wakes_its_reader_once(client: Client) -> None:
    """Also where head and body come one after the other."""
    for parts in ((whole(b"Hello"),), (whole(b"Hello")[:-5], b"Hello"), (whole(b"Hello")[:9], whole(b"Hello")[9:-2], b"lo")):
        connection = Connection("engine:1", [], Terms(4.0, 1000))
        Line(connection)
        answer = connection.send(b"", 60.0)
        arrival = answer.arrival()
        arrival.send(None)
        for part in parts[:-1]:
            connection.data_received(part)
            assert answer._waiter is not None
        connection.data_received(parts[-1])
        with pytest.raises(StopIteration):
            arrival.send(None)
        with pytest.raises(StopIteration) as ended:
            answer.read().send(None)
        assert ended.value.value == b"Hello"


async def test_a_stale_connection_is_replaced_once(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(whole(b"Hi"))
        # It had closed, and the client did not know yet.
        await peer.request()

    async with scripted(script) as server:
        for _ in range(4):
            assert await ask(client, server) == b"Hi"
    assert [len(peer.requests) for peer in server.peers] == [2, 2, 2, 1]


async def test_a_fresh_connection_is_not_replaced(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if len(server.peers) == 1:
            await peer.say(whole(b"Hi"))
            await peer.request()

    async with scripted(script) as server:
        assert await ask(client, server) == b"Hi"
        with pytest.raises(Unreachable, match="without an answer"):
            await ask(client, server)
        with pytest.raises(Unreachable, match="without an answer"):
            await ask(client, server)
    assert [len(peer.requests) for peer in server.peers] == [2, 1, 1]


@pytest.mark.parametrize("said", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", whole(b"Hi")[:-1]])
async def test_a_connection_that_said_a_byte_is_not_replaced(client: Client, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(whole(b"Hi"))
        await peer.request()
        await peer.say(said)

    async with scripted(script) as server:
        assert await ask(client, server) == b"Hi"
        with pytest.raises(Broken):
            await ask(client, server)
    assert [len(peer.requests) for peer in server.peers] == [2]


async def test_a_silent_connection_is_not_replaced(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(whole(b"Hi"))
        await stalling(b"")(peer)

    async with scripted(script) as server:
        assert await ask(client, server) == b"Hi"
        with pytest.raises(TooSlow):
            await client.post(server.base, PATH, b"{}", silence_s=0.05)
    assert [len(peer.requests) for peer in server.peers] == [2]


async def test_a_connection_that_the_server_ended_is_not_used(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(whole(b"Hi"))

    async with scripted(script) as server:
        for _ in range(3):
            assert await ask(client, server) == b"Hi"
            await until(lambda: not client._terms.open)
    assert [len(peer.requests) for peer in server.peers] == [1, 1, 1]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", BEGUN, whole(b"Hi")[:-1], whole(b"x" * 200_000)[:-1]])
async def test_cancelling_the_caller_ends_the_connection(client: Client, said: bytes) -> None:
    async def chunks() -> None:
        answer = await client.post(server.base, PATH, b"{}")
        while await answer.chunk():
            pass

    async with scripted(stalling(said)) as server:
        for ways in (ask(client, server), chunks()):
            task = asyncio.ensure_future(ways)
            await until(lambda: any(not peer.left.is_set() and peer.requests for peer in server.peers))
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.peers[-1].left.wait(), 10)


async def test_closing_before_the_end_ends_the_connection(client: Client) -> None:
    async with scripted(stalling(BEGUN)) as server:
        answer = await client.post(server.base, PATH, b"{}")
        assert (answer.status, await answer.chunk()) == (200, b"Hi")
        answer.close()
        answer.close()
        await asyncio.wait_for(server.peers[0].left.wait(), 10)
        for way in (answer.read, answer.chunk):
            with pytest.raises(Broken, match="its reader has closed it"):
                await way()


async def test_closing_wakes_who_reads(client: Client) -> None:
    async with scripted(stalling(BEGUN)) as server:
        answer = await client.post(server.base, PATH, b"{}")
        assert await answer.chunk() == b"Hi"
        reading = asyncio.ensure_future(answer.chunk())
        await asyncio.sleep(0)
        answer.close()
        with pytest.raises(Broken):
            await reading


async def test_an_idle_connection_ends_when_its_time_is_over() -> None:
    client = Client(idle_s=0.05)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(whole(b"Hi"))
        await peer.gone()

    async with scripted(script) as server:
        assert await ask(client, server) == b"Hi"
        await asyncio.wait_for(server.peers[0].left.wait(), 10)
        await until(lambda: not client._terms.open)
        assert await ask(client, server) == b"Hi"
    assert len(server.peers) == 2
    await client.close()


async def test_an_answer_may_take_longer_than_idleness_may() -> None:
    client = Client(idle_s=0.02)
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(whole(b"Hi"))
        await peer.request()
        await peer.say(BEGUN)
        await go.wait()
        await peer.say(b"0\r\n\r\n")

    async with scripted(script) as server:
        assert await ask(client, server) == b"Hi"
        answer = await client.post(server.base, PATH, b"{}")
        async with scripted(stalling(b"")) as clock:
            with pytest.raises(TooSlow):
                await client.post(clock.base, PATH, b"{}", silence_s=0.1)
        go.set()
        assert await answer.read() == b"Hi"
    await client.close()


async def test_a_slow_reader_holds_the_server_back(client: Client) -> None:
    """Whatever it misses, no more than the bound and one read of the socket wait for it."""
    part = b"x" * 50_000
    total = 400 * len(part)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(400):
            await peer.say(b"%x\r\n%b\r\n" % (len(part), part))
        await peer.say(b"0\r\n\r\n")

    async with scripted(script) as server, scripted(always(whole(b"Hi"))) as other:
        answer = await client.post(server.base, PATH, b"{}")
        [connection] = client._terms.open
        await until(lambda: connection._paused)
        lengths = []
        while piece := await answer.chunk():
            lengths.append(len(piece))
            # Others go on, and give the server all the time that it wants.
            assert await ask(client, other) == b"Hi"
        assert (sum(lengths), max(lengths) <= WAITING_BYTES + READ_BYTES) == (total, True)


async def test_a_whole_answer_is_read_past_the_bound(client: Client) -> None:
    body = b"x" * 3_000_000
    async with scripted(always(whole(body))) as server:
        answer = await client.post(server.base, PATH, b"{}")
        [connection] = client._terms.open
        await until(lambda: connection._paused)
        assert await answer.read() == body
        assert await ask(client, server) == body
        assert len(server.peers) == 1


async def test_a_server_that_is_held_back_is_not_silent(client: Client) -> None:
    body = b"x" * 3_000_000
    async with scripted(always(whole(body))) as server, scripted(stalling(b"")) as clock:
        answer = await client.post(server.base, PATH, b"{}", silence_s=0.02)
        [connection] = client._terms.open
        await until(lambda: connection._paused)
        with pytest.raises(TooSlow):
            await client.post(clock.base, PATH, b"{}", silence_s=0.1)
        assert await answer.read() == body


async def test_a_long_question_arrives(client: Client) -> None:
    body = bytes(range(256)) * 40_000
    async with scripted(always(whole(b"Hi"))) as server:
        answer = await client.post(server.base, PATH, body)
        assert await answer.read() == b"Hi"
    assert server.requests[0].endswith(b"\r\n\r\n" + body)


async def test_a_connection_that_is_not_made_in_time_is_unreachable() -> None:
    client = Client(connect_s=0.05)
    async with scripted(Peer.gone) as server:
        with pytest.raises(Unreachable, match=r"no connection within 0\.05 s"):
            await client.post(server.base.replace("http:", "https:"), PATH, b"{}")
        await asyncio.wait_for(server.peers[0].left.wait(), 10)
    await client.close()


async def test_a_server_without_tls_is_unreachable_by_it(client: Client) -> None:
    async with scripted(always(whole(b"Hi"))) as server:

        async def script(peer: Peer) -> None:
            await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with scripted(script) as plain:
            with pytest.raises(Unreachable, match="no connection"):
                await client.post(plain.base.replace("http:", "https:"), PATH, b"{}")
        assert await ask(client, server) == b"Hi"


async def test_closing_the_client_ends_everything(client: Client) -> None:
    async with scripted(stalling(BEGUN)) as server, scripted(stalling(b"")) as silent, scripted(always(whole(b"Hi"))) as other:
        answer = await client.post(server.base, PATH, b"{}")
        waiting = asyncio.ensure_future(ask(client, silent))
        assert await ask(client, other) == b"Hi"
        await until(lambda: bool(silent.requests))
        await client.close()
        with pytest.raises(Broken, match="the client was closed"):
            await waiting
        assert await answer.chunk() == b"Hi"
        with pytest.raises(Broken, match="the client was closed"):
            await answer.chunk()
        with pytest.raises(Unreachable, match="the client is closed"):
            await ask(client, other)
        for peer in (*server.peers, *silent.peers):
            await asyncio.wait_for(peer.left.wait(), 10)


async def test_closing_the_client_while_it_connects(client: Client) -> None:
    async with scripted(always(whole(b"Hi"))) as server:
        asking = asyncio.ensure_future(ask(client, server))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(Unreachable):
            await asking


async def test_a_server_that_ends_each_connection_at_once_is_unreachable(client: Client) -> None:
    async def script(peer: Peer) -> None:
        pass

    async with scripted(script) as server:
        for _ in range(100):
            with pytest.raises(Unreachable):
                await asyncio.wait_for(ask(client, server), 10)


async def test_as_many_addresses_as_are_remembered_are_kept(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.serving.http1.MAX_ORIGINS", 3)
    monkeypatch.setattr("engines.serving.http1.MAX_PATHS", 3)
    async with scripted(always(whole(b"Hi"))) as server:
        for number in range(9):
            assert await (await client.post(f"{server.base}/{number}", PATH, b"{}")).read() == b"Hi"
            assert await (await client.post(server.base, f"/{number}", b"{}")).read() == b"Hi"
        assert len(client._origins) == 3
        assert all(len(origin.posts) <= 3 for origin in client._origins.values())


async def test_nothing_is_left_of_a_storm() -> None:
    """Answers of every kind, cut off, cancelled and closed at random moments, ten at a time."""
    rng = random.Random(7)
    client = Client(idle_s=0.05)
    answers = [
        whole(b"Hi"),
        chunked(b"a", b"b" * 70_000),
        whole(b"x" * 300_000),
        whole(b"Hi", b"connection: close"),
        b"garbage\r\n",
    ]

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            answer = rng.choice(answers)
            cut = rng.randrange(len(answer)) if rng.random() < 0.3 else len(answer)
            for place in range(0, cut, 40_000):
                await peer.say(answer[place : min(place + 40_000, cut)])
            if cut < len(answer):
                return

    async def read(answer: Response) -> None:
        while rng.random() < 0.9 and await answer.chunk():
            pass
        answer.close()

    async def one(server: Scripted) -> None:
        async def call() -> None:
            answer = await client.post(server.base, PATH, b"x" * rng.choice((2, 200_000)))
            await (answer.read() if rng.random() < 0.5 else read(answer))

        task = asyncio.ensure_future(call())
        if rng.random() < 0.3:
            for _ in range(rng.randrange(30)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, Unanswered)

    async def many(server: Scripted) -> None:
        for _ in range(30):
            await one(server)

    async with scripted(script) as server:
        await asyncio.gather(*(many(server) for _ in range(10)))
        await until(lambda: not client._terms.open)
    assert all(origin.idle == [] for origin in client._origins.values())
    await client.close()


async def test_what_a_socket_is_counted_by() -> None:
    """The check of each test sees a socket that is open, also one of TLS."""
    before = sockets()
    with socket.socket() as one, ssl.create_default_context().wrap_socket(socket.socket(), server_hostname="x") as two:
        assert sockets() == before + 2
        assert one.fileno() != two.fileno()
    assert sockets() == before
