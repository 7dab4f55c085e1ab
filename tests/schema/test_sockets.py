"""The websocket itself: who may open one, and what a frame may be."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from schema import app
from schema.limits import MAX_BODY_BYTES
from tests.schema.conftest import DEADLINE_S, Sockets, hello

pytestmark = pytest.mark.anyio

SLUG = "{ viewer { account { slug } } }"


async def drain(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    """Read until the server closes; return its code and reason."""
    async with asyncio.timeout(DEADLINE_S):
        await drain(socket)
    return socket.close_code, socket.close_reason


async def test_a_key_is_taken_in_either_form(sockets: Sockets) -> None:
    key = sockets.server.tenant.key
    for payload in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"apiKey": key}):
        async with sockets.raw() as socket:
            await hello(socket, payload)
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SLUG}}))
            message = json.loads(await socket.recv())
            assert message["payload"].pop("extensions")["cost"]["requested"] == 1
            assert message == {"id": "1", "type": "next", "payload": {"data": {"viewer": {"account": {"slug": "tenant"}}}}}
            assert json.loads(await socket.recv()) == {"id": "1", "type": "complete"}


async def test_a_wrong_key_closes_4403(sockets: Sockets) -> None:
    for payload in ({}, None, {"apiKey": "vk_wrong"}, {"apiKey": 3}, {"Authorization": sockets.server.tenant.key}):
        async with sockets.raw() as socket:
            await socket.send(json.dumps({"type": "connection_init", **({} if payload is None else {"payload": payload})}))
            assert (await closed(socket))[0] == 4403, payload


async def test_an_operation_before_the_key_closes_4401(sockets: Sockets) -> None:
    async with sockets.raw() as socket:
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SLUG}}))
        assert await closed(socket) == (4401, "Unauthorized")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the server starts: wait a moment for a key instead of ten seconds."""
    assert app.INIT_S == 10.0
    monkeypatch.setattr(app, "INIT_S", 0.1)


async def test_a_socket_that_shows_no_key_in_time_closes_4408(impatient: None, sockets: Sockets) -> None:
    async with sockets.raw() as socket:
        assert await closed(socket) == (4408, "Connection initialisation timeout")


MALFORMED: tuple[Any, ...] = (
    [],
    3,
    "text",
    None,
    {},
    {"type": 3},
    {"type": "nothing"},
    {"type": "x" * 500},
    {"type": "subscribe"},
    {"type": "subscribe", "id": "1"},
    {"type": "subscribe", "id": ["1"], "payload": {"query": SLUG}},
    {"type": "subscribe", "id": "", "payload": {"query": SLUG}},
    {"type": "subscribe", "id": "1", "payload": [SLUG]},
    {"type": "subscribe", "id": "1", "payload": {"query": 3}},
    {"type": "subscribe", "id": "1", "payload": {"query": SLUG, "variables": []}},
    {"type": "complete", "id": {}},
    {"type": "connection_init", "payload": []},
)


async def test_a_frame_that_is_not_of_the_protocol_closes_4400(sockets: Sockets) -> None:
    for frame in MALFORMED:
        async with sockets.raw() as socket:
            if not (isinstance(frame, dict) and frame.get("type") == "connection_init"):
                await hello(socket, {"apiKey": sockets.server.tenant.key})
            await socket.send(json.dumps(frame))
            assert (await closed(socket))[0] == 4400, frame
    for text in ("{", "[" * 50_000):
        async with sockets.raw() as socket:
            await socket.send(text)
            assert (await closed(socket))[0] == 4400


async def test_binary_and_huge_frames_close(sockets: Sockets) -> None:
    for frame, code in ((b"{}", 1003), (" " * (MAX_BODY_BYTES + 1), 1009)):
        async with sockets.raw() as socket:
            await socket.send(frame)
            assert (await closed(socket))[0] == code


async def test_an_operation_that_does_not_parse_leaves_the_others_alone(sockets: Sockets) -> None:
    async with sockets() as socket:
        for query in ("{ viewer {", "subscription { nothing }", "{" * 700):
            message = await (await socket.start(query)).next()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"] == {"code": "BAD_REQUEST"}
        assert (await (await socket.start(SLUG)).frame())["account"]["slug"] == "tenant"


async def test_only_graphql_transport_ws_is_spoken(sockets: Sockets) -> None:
    url = sockets.server.url.replace("http", "ws") + "/graphql"
    async with connect(url) as socket:
        assert (await closed(socket))[0] == 4406
    async with connect(url, subprotocols=[Subprotocol("graphql-ws")]) as socket:
        assert (await closed(socket))[0] == 4406


async def test_another_origin_is_refused(sockets: Sockets) -> None:
    for origin in ("https://evil.example", "null", sockets.server.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(InvalidStatus, match="403"):
            async with sockets.raw(origin=Origin(origin)):
                pass
    async with sockets.raw(origin=Origin(sockets.server.url)) as socket:
        await hello(socket, {"apiKey": sockets.server.tenant.key})


async def test_a_public_origin_is_admitted_behind_a_proxy(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sockets.server.platform.core.settings.__dict__, "base_url", "https://burnish.example")
    async with sockets.raw(origin=Origin("https://burnish.example")) as socket:
        await hello(socket, {"apiKey": sockets.server.tenant.key})


async def test_a_socket_has_a_hundred_operations_at_most(sockets: Sockets, new_run: Any) -> None:
    run = await new_run()
    query = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }"
    async with sockets() as socket:
        running = [await socket.start(query, id=run.id) for _ in range(100)]
        for operation in running:
            await operation.frame()
        message = await (await socket.start(query, id=run.id)).next()
    assert message["payload"][0]["message"] == "Subscription limit reached"
