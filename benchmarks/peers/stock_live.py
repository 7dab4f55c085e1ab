"""Stock Strawberry serving a job's log: `python -m benchmarks.peers.stock_live PORT`.

Its view, its protocol handler and its JSON are as they come; the server under them is set up like ours. Events come as lines of
JSON on stdin, are made into objects once, and go to an `asyncio.Queue` of each subscriber.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, NewType

import strawberry
import uvicorn
import uvloop
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

Cursor = NewType("Cursor", str)


@strawberry.enum
class LogLevel(Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@strawberry.type
class LogLine:
    cursor: Cursor
    at: datetime
    level: LogLevel
    source: str
    attempt: int
    message: str


@strawberry.type
class LogBatch:
    lines: list[LogLine]
    cursor: Cursor


@strawberry.type
class Heartbeat:
    at: datetime
    cursor: Cursor


@strawberry.type
class StreamEnd:
    reason: str
    cursor: Cursor


LogFrame = Annotated[LogBatch | Heartbeat | StreamEnd, strawberry.union("LogFrame")]
followers: set["asyncio.Queue[LogBatch]"] = set()
first: "asyncio.Future[LogBatch]"


@strawberry.type
class Query:
    version: str = "1"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def job_logs(self, job_id: strawberry.ID, after: Cursor | None = None) -> AsyncGenerator[LogFrame, None]:
        queue: asyncio.Queue[LogBatch] = asyncio.Queue()
        followers.add(queue)
        try:
            yield await first
            while True:
                yield await queue.get()
        finally:
            followers.discard(queue)


def batch(lines: list[dict[str, Any]]) -> LogBatch:
    made = [LogLine(**{**line, "at": datetime.fromisoformat(line["at"]), "level": LogLevel(line["level"])}) for line in lines]
    return LogBatch(lines=made, cursor=made[-1].cursor)


async def feed() -> None:
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    first.set_result(batch(json.loads(await reader.readline())))
    async for raw in reader:
        made = batch(json.loads(raw))
        for queue in followers:
            queue.put_nowait(made)


async def main(port: int) -> None:
    global first
    first = asyncio.get_running_loop().create_future()
    scalars = StrawberryConfig(scalar_map={Cursor: strawberry.scalar(name="Cursor", serialize=str, parse_value=str)})
    schema = strawberry.Schema(Query, subscription=Subscription, config=scalars)
    view: GraphQL[None, None] = GraphQL(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
    config = uvicorn.Config(
        view,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    # Without its feed it has nobody left who would stop it.
    await asyncio.wait({serving, asyncio.create_task(feed())}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
