"""What the GraphQL tests share: a client over HTTP, a client over websocket, and things to look at."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from burnish.kit import stream
from models import events, job, transitions
from models.job import Job
from resolvers import datasets, jobs, reward_functions
from schema.app import View
from tests.conftest import Server, Tenant

PROTOCOL = Subprotocol("graphql-transport-ws")
REWARD = "def reward(prompts, completions, **columns):\n    return [float(len(text)) for text in completions]\n"
LINES = b'{"prompt": "1 + 1 = ?", "answer": "2"}\n{"prompt": "2 + 3 = ?", "answer": "5"}\n'
DEADLINE_S = 10.0

Answer = dict[str, Any]


@dataclass
class Api:
    """The API of a running server as one tenant sees it; called with an operation."""

    server: Server
    tenant: Tenant

    async def __call__(self, query: str, **variables: Any) -> Answer:
        response = await self.post({"query": query, "variables": variables})
        answer: Answer = response.json()
        return answer

    async def data(self, query: str, **variables: Any) -> Any:
        """Return the data of an operation that must succeed."""
        answer = await self(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def post(self, body: Any, **options: Any) -> httpx2.Response:
        async with self.server.client(self.tenant) as client:
            return await client.post("/graphql", json=body, **options)

    async def upload(self, content: bytes = LINES) -> str:
        """PUT a file; return the id of the upload."""
        made = (await self.data("mutation { createUpload(input: {}) { upload { id url } errors { message } } }"))["createUpload"]
        async with httpx2.AsyncClient(verify=False) as client:
            assert (await client.put(made["upload"]["url"], content=content)).status_code == 201
        upload_id: str = made["upload"]["id"]
        return upload_id


@dataclass
class Operation:
    """One operation on a socket."""

    id: str
    arrived: "asyncio.Queue[Answer]" = field(default_factory=asyncio.Queue)

    async def next(self) -> Answer:
        """Return the next message of this operation."""
        return await asyncio.wait_for(self.arrived.get(), DEADLINE_S)

    async def frame(self) -> Answer:
        """Return the one field of the next frame."""
        message = await self.next()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (found,) = message["payload"]["data"].values()
        frame: Answer = found
        return frame

    async def until_end(self) -> list[Answer]:
        """Return all frames up to `StreamEnd`, which is the last of them."""
        frames = [await self.frame()]
        while frames[-1]["__typename"] != "StreamEnd":
            frames.append(await self.frame())
        assert (await self.next())["type"] == "complete"
        return frames


class Live:
    """A websocket of a tenant, past `connection_ack`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._operations: dict[str, Operation] = {}
        self._ids = itertools.count(1)
        self.reading = asyncio.Event()
        self.reading.set()

    async def start(self, query: str, **variables: Any) -> Operation:
        return await self.ask({"query": query, "variables": variables})

    async def ask(self, payload: Answer) -> Operation:
        """Start an operation by its payload."""
        operation = Operation(str(next(self._ids)))
        self._operations[operation.id] = operation
        await self.socket.send(json.dumps({"id": operation.id, "type": "subscribe", "payload": payload}))
        return operation

    async def stop(self, operation: Operation) -> None:
        await self.socket.send(json.dumps({"id": operation.id, "type": "complete"}))

    async def read(self) -> None:
        with suppress(ConnectionClosed):
            async for raw in self.socket:
                message = json.loads(raw)
                if message.get("id") in self._operations:
                    self._operations[message["id"]].arrived.put_nowait(message)
                await self.reading.wait()


@dataclass
class Sockets:
    server: Server

    def raw(self, **options: Any) -> connect:
        return connect(self.server.url.replace("http", "ws") + "/graphql", subprotocols=[PROTOCOL], **options)

    @asynccontextmanager
    async def __call__(self, tenant: Tenant | None = None) -> AsyncIterator[Live]:
        async with self.raw() as socket:
            await hello(socket, {"Authorization": f"Bearer {(tenant or self.server.tenant).key}"})
            live = Live(socket)
            reader = asyncio.create_task(live.read())
            try:
                yield live
            finally:
                live.reading.set()
                await socket.close()
                await asyncio.wait_for(reader, DEADLINE_S)


async def hello(socket: ClientConnection, payload: Any) -> None:
    """Show a key and wait for the acknowledgement."""
    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    assert json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S)) == {"type": "connection_ack"}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; it must come true before the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def api(server: Server) -> Api:
    return Api(server, server.tenant)


@pytest.fixture
def sockets(server: Server) -> Sockets:
    return Sockets(server)


@dataclass
class Run:
    """A training job, and what its host would write."""

    server: Server
    id: str

    async def move(self, *statuses: str, **values: Any) -> None:
        async with self.server.platform.db.transaction() as session:
            row = await session.get_one(Job, self.id)
            for status in statuses:
                assert await transitions.move(session, row, status, **values)

    async def append(self, kind: str, rows: Sequence[Answer], *, attempt: int = 1) -> None:
        async with self.server.platform.db.transaction() as session:
            await stream.append(session, self.id, kind, rows, attempt=attempt)

    async def log(self, *messages: str) -> None:
        await self.append("logs", [events.log_line(message, source="trainer") for message in messages])

    async def metrics(self, steps: Sequence[int], *, attempt: int = 1, **values: float) -> None:
        await self.append("metrics", [{"step": step, "values": values} for step in steps], attempt=attempt)

    async def end(self, reason: str = job.COMPLETED) -> None:
        async with self.server.platform.db.transaction() as session:
            await stream.end(session, self.id, job.STREAMS, reason)

    @property
    def followers(self) -> int:
        """How many executions follow one of its streams."""
        topics = self.server.platform.core.hub._topics
        return sum(len(found) for (resource_id, _), found in topics.items() if resource_id == self.id)


def view_of(server: Server) -> View:
    """Return the server's GraphQL side."""
    (found,) = [route.app for route in server.app.routes if isinstance(route, WebSocketRoute)]
    assert isinstance(found, View)
    return found


def seats(server: Server) -> list[int]:
    """Return how many share each execution."""
    return [len(broadcast.seats) for broadcast in view_of(server).broadcasts.running.values()]


NewRun = Callable[..., Awaitable[Run]]


@pytest.fixture
def new_run(server: Server, tmp_path_factory: pytest.TempPathFactory) -> NewRun:
    """Make a queued job, with a dataset and a reward function of its own."""

    async def make(tenant: Tenant | None = None, output_name: str = "sums") -> Run:
        ctx = await server.context(tenant)
        file = tmp_path_factory.mktemp("data") / "data.jsonl"
        file.write_bytes(LINES)
        dataset = await datasets.create(ctx, datasets.DatasetInput(name=f"{output_name}-data"), file)
        spec = reward_functions.RewardFunctionInput(name=f"{output_name}-reward", source=REWARD.encode())
        reward = await reward_functions.create(ctx, spec)
        given = {
            "base_model": "tiny",
            "dataset_id": dataset.id,
            "reward_function_id": reward.id,
            "output_name": output_name,
            "gpu": {"type": "H100", "count": 1},
        }
        return Run(server, (await jobs.create(ctx, jobs.JobInput.model_validate(given))).id)

    return make
