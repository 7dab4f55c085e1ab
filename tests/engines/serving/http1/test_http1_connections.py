"""The connections of the gateway's client: used again, replaced, and held back."""

import asyncio

import pytest

from engines.serving.http1 import Broken, Client, TooSlow, Unreachable
from engines.serving.http1_connection import WAITING_BYTES, Connection, Terms
from tests.engines.serving.http1.wire import Line, Peer, always, ask, scripted, stalling, until, whole

pytestmark = pytest.mark.anyio
PATH = "/v1/completions"
# What a transport reads at once.
READ_BYTES = 262_144
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nHi\r\n"


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


async def test_a_connection_that_is_ending_is_not_taken() -> None:
    idle: list[Connection] = []
    connection = Connection("engine:1", idle, Terms(4.0, 1000))
    Line(connection)
    connection.send(b"", 60.0)
    connection.data_received(whole(b"Hi"))
    assert idle == [connection]
    connection.eof_received()
    assert idle == []


class Ended(Connection):
    """A connection that has ended before its maker hears that it is made."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport.abort()
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost:
            super().connection_lost(exc)


async def test_a_connection_that_ended_as_it_was_made_is_not_waited_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.serving.http1.Connection", Ended)
    async with scripted(always(whole(b"Hi"))) as server:
        with pytest.raises(Unreachable, match="at once"):
            await asyncio.wait_for(ask(client, server), 10)
    assert not client._terms.open
