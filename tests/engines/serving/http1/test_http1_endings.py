"""How the connections of the gateway's client end: by whom, when, and with nothing left over."""

import asyncio
import random
import socket
import ssl

import pytest

from engines.serving.http1 import Broken, Client, Response, TooSlow, Unanswered, Unreachable
from tests.engines.serving.http1.wire import Peer, Scripted, always, ask, chunked, scripted, sockets, stalling, until, whole

pytestmark = pytest.mark.anyio
PATH = "/v1/completions"
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nHi\r\n"


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
