"""The short way of a frame to its socket, and what an execution keeps of events that are over."""

import asyncio
import gc
import json
from typing import Any

import pytest
from graphql.execution.executor import Executor
from websockets.asyncio.client import ClientConnection

from burnish import websocket
from schema.sockets import Socket
from tests.schema.conftest import DEADLINE_S, NewRun, Sockets, hello, seats, until

pytestmark = pytest.mark.anyio

LOGS = """subscription($id: ID!) { jobLogs(jobId: $id) { __typename ... on LogBatch { lines { message } } } }"""


async def subscribed(socket: ClientConnection, sockets: Sockets, run_id: str) -> None:
    await hello(socket, {"apiKey": sockets.server.tenant.key})
    payload = {"query": LOGS, "variables": {"id": run_id}}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
    await socket.recv()
    await until(lambda: seats(sockets.server) == [1])


async def lines(socket: ClientConnection) -> list[str]:
    message = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    return [line["message"] for line in message["payload"]["data"]["jobLogs"]["lines"]]


@pytest.mark.parametrize("size", [0, 1, 100, 125, 126, 60_000, 65_535, 65_536, 70_000])
async def test_a_client_reads_frames_of_every_size(
    sockets: Sockets, new_run: NewRun, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    short: list[bool] = []
    write = websocket.WebSocketProtocol.write

    def told(self: websocket.WebSocketProtocol, text: str) -> bool:
        short.append(write(self, text))
        return short[-1]

    monkeypatch.setattr(websocket.WebSocketProtocol, "write", told)
    run = await new_run()
    async with sockets.raw(max_size=None) as socket:
        await subscribed(socket, sockets, run.id)
        for text in ("x" * size, "ü" * (size // 2), "after"):
            await run.log(text)
            assert await lines(socket) == [text]
    assert short == [True, True, True]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 100_000])
def test_a_frame_has_the_header_of_its_size(size: int) -> None:
    header = websocket._header(size)
    assert header[0] == 0x81
    long = {126: header[2:4], 127: header[2:10]}.get(header[1])
    assert (header[1] if long is None else int.from_bytes(long)) == size
    assert len(header) == (2 if size < 126 else 4 if size < 65_536 else 10)


async def test_without_the_short_way_frames_go_the_long_one(
    sockets: Sockets, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Socket, "write", lambda self, text: False)
    run = await new_run()
    async with sockets.raw() as socket:
        await subscribed(socket, sockets, run.id)
        await run.log("one")
        assert await lines(socket) == ["one"]


async def test_an_execution_keeps_nothing_of_its_events(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    async with sockets.raw() as socket:
        await subscribed(socket, sockets, run.id)
        for number in range(50):
            await run.log(str(number))
            await lines(socket)
        kept: list[Any] = [item._relevant_sub_fields for item in gc.get_objects() if issubclass(type(item), Executor)]
    assert max(map(len, kept), default=0) < 20
