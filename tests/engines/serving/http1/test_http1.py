"""What the gateway's client makes of an answer: however it is framed and cut, wherever it ends, whatever it is."""

import asyncio
import re

import pytest

from engines.serving.http1 import Broken, Client, Dropped, Response, TooSlow, Unanswered, Unreachable
from engines.serving.http1_connection import MANY_PIECES, Connection, Terms
from tests.engines.serving.http1.wire import Line, Peer, always, chunked, scripted, whole

pytestmark = pytest.mark.anyio
PATH = "/v1/chat/completions"
CLOSED = b"HTTP/1.1 200 OK\r\n\r\nHello there"
# Name: what the server sends, what the body is, whether the connection may be used again.
ANSWERS: dict[str, tuple[bytes, bytes, bool]] = {
    "by length": (whole(b"Hello there", b"X-One: 1"), b"Hello there", True),
    "empty": (whole(b""), b"", True),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "without a reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nHi", b"Hi", True),
    "chunked": (chunked(b"Hello", b" there"), b"Hello there", True),
    "chunked, with extensions": (chunked(b"Hello").replace(b"5\r\n", b"5;a=b;c\r\n"), b"Hello", True),
    "chunked, with trailers": (chunked(b"Hello", trailers=b"x-sum: 1\r\nstatus: 9\r\n"), b"Hello", True),
    "chunked, empty": (chunked(), b"", True),
    "after others": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + whole(b"Hi"), b"Hi", True),
    "last": (whole(b"Hi", b"connection: close"), b"Hi", False),
    "HTTP/1.0": (whole(b"Hi").replace(b"HTTP/1.1", b"HTTP/1.0"), b"Hi", False),
    "HTTP/1.0, kept": (whole(b"Hi", b"connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"), b"Hi", True),
}
NONSENSE: dict[str, bytes] = {
    "text": b"Hello there\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length below nothing": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "a length past counting": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
    "a chunk without a length": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    "a chunk past counting": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
    "a zero in a header": b"HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
    "no end of a line": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
}
ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "a header": (b"HTTP/1.1 200 OK\r\na: ", b"b"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "a reason": (b"HTTP/1.1 200 ", b"OK"),
    "other answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "an extension": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;", b"a"),
    "trailers": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
}


def begun(max_body_bytes: int = 1000) -> tuple[Line, Connection, list[Connection], Response]:
    """Return a connection without a socket, that has sent a request."""
    idle: list[Connection] = []
    connection = Connection("engine:1", idle, Terms(4.0, max_body_bytes))
    line = Line(connection)
    return line, connection, idle, connection.send(b"request", 60.0)


async def outcome(answer: Response) -> bytes | type[Unanswered]:
    """Return the body, or the kind of failure."""
    try:
        return await answer.read()
    except Unanswered as error:
        return type(error)


async def test_a_request_is_these_bytes(client: Client) -> None:
    async with scripted(always(whole(b""))) as server:
        host = server.base.removeprefix("http://")
        await client.post(f"{server.base}/team/", PATH, b'{"a":1}', {"authorization": "Bearer key"})
        await client.get(server.base, "/health")
    agent = b"user-agent: burnish\r\naccept: */*\r\naccept-encoding: identity\r\n"
    post = f"POST /team{PATH} HTTP/1.1\r\nhost: {host}\r\n".encode() + agent
    post += b'content-type: application/json\r\nauthorization: Bearer key\r\ncontent-length: 7\r\n\r\n{"a":1}'
    assert server.requests == [post, f"GET /health HTTP/1.1\r\nhost: {host}\r\n".encode() + agent + b"\r\n"]


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_read_however_it_is_cut(name: str) -> None:
    data, body, kept = ANSWERS[name]
    for place in range(1, len(data) + 1):
        line, connection, idle, answer = begun()
        for part in filter(None, (data[:place], data[place:])):
            connection.data_received(part)
        assert (answer.status, await answer.read(), line.aborted, idle) == (
            204 if name == "without a body" else 200,
            body,
            not kept,
            [connection] if kept else [],
        )


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("error", [None, ConnectionResetError("reset")], ids=["ended", "reset"])
async def test_a_connection_may_end_at_any_moment(name: str, error: Exception | None) -> None:
    data, body, kept = ANSWERS[name]
    found = []
    for place in range(len(data) + 1):
        _, connection, idle, answer = begun()
        if place:
            connection.data_received(data[:place])
        if place < len(data) or kept:
            connection.connection_lost(error)
        found.append(await outcome(answer))
        assert idle == []
    assert found == [Dropped, *[Broken] * (len(data) - 1), body]


async def test_an_answer_of_no_length_ends_with_the_connection() -> None:
    head = CLOSED.index(b"Hello")
    for place in range(1, len(CLOSED) + 1):
        for error in (None, ConnectionResetError()):
            _, connection, idle, answer = begun()
            connection.data_received(CLOSED[:place])
            connection.connection_lost(error)
            expected = CLOSED[head:place] if error is None and place >= head else Broken
            assert (await outcome(answer), idle) == (expected, [])


@pytest.mark.parametrize("name", [*ANSWERS, "to the end"])
async def test_an_answer_comes_byte_by_byte(client: Client, name: str) -> None:
    data, body, kept = ANSWERS.get(name, (CLOSED, b"Hello there", False))

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.spell(data)
            if not kept:
                return

    async with scripted(script) as server:
        first = await client.post(server.base, PATH, b"{}")
        pieces = []
        while piece := await first.chunk():
            pieces.append(piece)
        second = await client.get(server.base, PATH)
        assert (b"".join(pieces), await second.read(), await first.chunk()) == (body, body, b"")
        assert len(server.peers) == (1 if kept else 2)


async def test_headers_are_named_in_lower_case_and_trailers_are_none(client: Client) -> None:
    answer = chunked(b"Hi", trailers=b"x-late: 1\r\n").replace(b"\r\n", b"\r\nX-Two: a\r\nx-tWO:  b \r\nEmpty:\r\n", 1)
    async with scripted(always(answer)) as server:
        first = await client.post(server.base, PATH, b"{}")
        assert await first.read() == b"Hi"
        second = await client.post(server.base, PATH, b"{}")
    expected = {b"x-two": b"a, b", b"empty": b"", b"transfer-encoding": b"chunked"}
    assert first.headers == second.headers == expected


async def test_a_server_that_dies_at_any_moment_leaves_a_word(client: Client) -> None:
    data = whole(b"Hello there")
    lengths = list(range(len(data)))

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(data[: lengths[len(server.requests) - 1]])

    async with scripted(script) as server:
        found = []
        for _ in lengths:
            with pytest.raises(Unanswered, match=re.escape(server.base.removeprefix("http://"))) as caught:
                await (await client.post(server.base, PATH, b"{}")).read()
            found.append(caught.type)
    assert found == [Dropped, *[Broken] * (len(data) - 1)]
    assert len(server.requests) == len(data)


@pytest.mark.parametrize("name", NONSENSE)
async def test_what_is_no_answer_breaks_the_connection(name: str) -> None:
    line, connection, idle, answer = begun()
    connection.data_received(NONSENSE[name])
    assert (await outcome(answer), line.aborted, idle) == (Broken, True, [])
    line, connection, idle, answer = begun()
    for place in range(len(NONSENSE[name])):
        if not line.aborted:
            connection.data_received(NONSENSE[name][place : place + 1])
    assert (await outcome(answer), line.aborted, idle) == (Broken, True, [])


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_endless_head_is_not_waited_for(client: Client, name: str) -> None:
    first, more = ENDLESS[name]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(first)
        while True:
            await peer.say(more * 1000)

    async with scripted(script) as server:
        with pytest.raises(Broken, match="none of the body"):
            await (await client.post(server.base, PATH, b"{}")).read()
        await asyncio.wait_for(server.peers[0].gone(), 10)


@pytest.mark.parametrize("extra", [b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", b"garbage"])
@pytest.mark.parametrize("answer", [whole(b"Hi"), chunked(b"Hi")])
async def test_what_follows_an_answer_is_nobodys(answer: bytes, extra: bytes) -> None:
    """Or it would be the beginning of the next caller's."""
    line, connection, idle, response = begun()
    connection.data_received(answer + extra)
    assert (await response.read(), idle, line.aborted) == (b"Hi", [], True)
    line, connection, idle, response = begun()
    connection.data_received(answer)
    assert idle == [connection]
    connection.data_received(extra)
    assert (await response.read(), idle, line.aborted) == (b"Hi", [], True)


async def test_an_answer_before_the_question_was_read_ends_the_connection() -> None:
    line, connection, idle, answer = begun()
    line.unsent = 1
    connection.data_received(whole(b"Too large", status=b"413 Too Large"))
    assert (answer.status, await answer.read(), idle, line.aborted) == (413, b"Too large", [], True)


async def test_a_body_that_is_too_long_is_not_kept(client: Client) -> None:
    small = Client(max_body_bytes=100_000)
    body = b"x" * 100_001
    for answer in (whole(body), chunked(body), whole(body).replace(b"content-length", b"x-length", 1)):

        async def script(peer: Peer, answer: bytes = answer) -> None:
            await peer.request()
            await peer.say(answer)

        async with scripted(script) as server:
            with pytest.raises(Broken, match="longer than 100000 bytes"):
                await (await small.post(server.base, PATH, b"{}")).read()
            assert await (await client.post(server.base, PATH, b"{}")).read() == body
            response = await small.post(server.base, PATH, b"{}")
            length = 0
            while piece := await response.chunk():
                length += len(piece)
            assert length == len(body)
    await small.close()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n", whole(b"Hi")[:-1], chunked(b"Hi")[:-7]]
)
async def test_a_silent_server_is_given_up(client: Client, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        await peer.gone()

    async with scripted(script) as server:
        with pytest.raises(TooSlow, match=r"silent for 0\.05 s"):
            await (await client.post(server.base, PATH, b"{}", silence_s=0.05)).read()
        await asyncio.wait_for(server.peers[0].left.wait(), 10)
        assert len(server.peers) == 1


async def test_a_body_that_comes_in_bytes_takes_no_more_room_than_it_is_long() -> None:
    _, connection, _, answer = begun(max_body_bytes=20_000)
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    reading = answer.read()
    reading.send(None)
    for place in range(20_000):
        connection.data_received(b"ab"[place % 2 : place % 2 + 1])
        assert len(answer._pieces) <= MANY_PIECES
    connection.connection_lost(None)
    with pytest.raises(StopIteration) as ended:
        reading.send(None)
    assert ended.value.value == b"ab" * 10_000


async def test_what_came_before_a_failure_is_read_first() -> None:
    _, connection, _, answer = begun()
    connection.data_received(chunked(b"Hello")[:-5])
    connection.connection_lost(None)
    assert await answer.chunk() == b"Hello"
    for _ in range(2):
        with pytest.raises(Broken):
            await answer.chunk()


@pytest.mark.parametrize(
    "headers",
    [
        {"a": "b\r\nc: d"},
        {"a\r\n": "b"},
        {"a b": "c"},
        {"": "c"},
        {"a": "\0"},
        {"a": "€"},
        {"Content-Length": "1"},
        {"host": "x"},
    ],
)
async def test_what_is_no_header_is_not_sent(client: Client, headers: dict[str, str]) -> None:
    async with scripted(always(whole(b""))) as server:
        with pytest.raises(ValueError, match="not a header"):
            await client.post(server.base, PATH, b"{}", headers)
        with pytest.raises(ValueError, match="not a header"):
            await client.get(server.base, PATH, headers)
    assert server.peers == []


@pytest.mark.parametrize("path", ["", "v1", "/v1 /x", "/v1\r\nhost: x", "/ü"])
async def test_what_is_no_path_is_not_sent(client: Client, path: str) -> None:
    async with scripted(always(whole(b""))) as server:
        with pytest.raises(ValueError, match="not a path"):
            await client.post(server.base, path, b"{}")
    assert server.peers == []


@pytest.mark.parametrize(
    "base",
    [
        "",
        "engine:1",
        "ftp://engine",
        "http://",
        "http://engine:x",
        "http://engine:99999",
        "http://engine/?a",
        "http://engine/a b",
    ],
)
async def test_what_is_no_address_is_refused(client: Client, base: str) -> None:
    with pytest.raises(ValueError):
        await client.post(base, PATH, b"{}")


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", f"http://{'x' * 64}.test", "http://[::1]:1"])
async def test_a_server_that_is_not_there_is_unreachable(client: Client, base: str) -> None:
    with pytest.raises(Unreachable, match="no connection"):
        await client.post(base, PATH, b"{}")
