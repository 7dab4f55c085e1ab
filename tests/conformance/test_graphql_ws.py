"""The `graphql-ws` client follows a log over cuts and restarts: no line is lost or comes twice, and the protocol is its own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from burnish.kit import stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from burnish.local import broker_command
from models import events
from models.job import COMPLETED, STREAMS
from resolvers import accounts
from tests.conformance import node
from tests.conftest import Server
from tests.models.rows import add_job
from tests.schema.conftest import NewRun, new_run, until

__all__ = ["new_run"]
pytestmark = pytest.mark.anyio
DEADLINE_S = 90.0


@dataclass
class Follower:
    """A Node program that follows a job's log, and what it has printed so far."""

    process: Process
    messages: list[str] = field(default_factory=list)
    connections: int = 0
    kinds: set[str] = field(default_factory=set)
    reason: str | None = None

    async def until(self, messages: int) -> None:
        """Read until it has so many lines."""
        while len(self.messages) < messages:
            assert await self._read(), "the follower ended early"

    async def connected(self, times: int) -> None:
        while self.connections < times:
            assert await self._read(), "the follower ended early"

    async def to_the_end(self) -> None:
        while await self._read():
            pass

    async def cut(self) -> None:
        """Have it end its connection without a word."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def _read(self) -> bool:
        assert self.process.stdout is not None
        raw = await self.process.stdout.readline()
        if not raw:
            return False
        found = json.loads(raw)
        if found["type"] == "Connected":
            self.connections += 1
        else:
            assert self.reason is None, "a frame after the end"
            self.kinds.add(found["type"])
            self.messages += found["messages"]
            self.reason = found["reason"]
        return True


@asynccontextmanager
async def program(*argv: str, **env: str) -> AsyncIterator[Process]:
    """Run a process, killed at the latest at the end."""
    process = await asyncio.create_subprocess_exec(*argv, env={**os.environ, **env}, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.communicate()


def api(settings: Settings) -> Any:
    """Run an API process of its own on the port of the settings."""
    env = {"BURNISH_HOME": str(settings.home), "BURNISH_PORT": str(settings.port), "BURNISH_LOG_LEVEL": "error"}
    return program(sys.executable, "-P", "-m", "burnish.serve", **env)


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*broker_command(settings), stdout=DEVNULL)
    await until(settings.broker_socket.exists)
    yield
    process.terminate()
    await process.wait()


@dataclass
class Log:
    """A job's log, and everything that was written to it."""

    core: Core
    job_id: str
    written: list[str] = field(default_factory=list)

    async def write(self, count: int) -> None:
        """Write lines, each in a transaction of its own as if it had come alone."""
        for number in range(len(self.written), len(self.written) + count):
            self.written.append(f"line {number}")
            async with self.core.db.transaction() as session:
                await stream.append(session, self.job_id, "logs", [events.log_line(self.written[-1])], attempt=1)

    async def end(self) -> None:
        async with self.core.db.transaction() as session:
            await stream.end(session, self.job_id, STREAMS, COMPLETED)


@pytest.mark.parametrize("how", ["retry", "resubscribe"])
async def test_a_client_that_comes_back_gets_every_line_once(how: str, settings: Settings, core: Core, broker: None) -> None:
    account, key = await accounts.create(core, "tenant", credit_micros=1)
    async with core.db.transaction() as session:
        log = Log(core, (await add_job(session, account.id)).id)
    await log.write(20)
    url = f"ws://127.0.0.1:{settings.port}/graphql"
    script = node.installed() / "graphql_ws_follow.mjs"
    async with asyncio.timeout(DEADLINE_S), program(str(node.NODE), str(script), how, url, key, log.job_id) as process:
        follower = Follower(process)
        async with api(settings) as first:
            await follower.until(20)
            for cuts in range(1, 4):
                writing = asyncio.create_task(log.write(20))
                await follower.cut()
                await writing
                await follower.connected(cuts + 1)
            await follower.until(80)
            first.terminate()
            await log.write(20)
            await first.wait()
        async with api(settings) as second:
            await follower.connected(5)
            await follower.until(100)
            second.kill()
            await second.wait()
            await log.write(20)
        async with api(settings):
            await follower.connected(6)
            await follower.until(120)
            await follower.cut()
            await follower.connected(7)
            await log.write(20)
            await log.end()
            await follower.to_the_end()
    assert follower.messages == log.written
    assert follower.reason == COMPLETED
    assert follower.kinds == {"LogBatch", "StreamEnd"}
    assert follower.connections == 7
    assert process.returncode == 0


async def test_the_protocol_is_what_the_client_expects(server: Server, new_run: NewRun) -> None:
    run = await new_run()
    await run.log("one", "two")
    script = str(node.installed() / "graphql_ws_protocol.mjs")
    url = server.url.replace("http", "ws") + "/graphql"
    async with asyncio.timeout(DEADLINE_S), program(str(node.NODE), script, url, server.tenant.key, run.id) as process:
        output, _ = await process.communicate()
    assert process.returncode == 0
    lines = ["Status: queued", "one", "two"]
    assert json.loads(output) == {
        "query": [{"viewer": {"account": {"slug": "tenant"}}}],
        "mutation": [{"createApiKey": {"apiKey": {"name": "over the socket"}, "errors": []}}],
        "invalid": ["BAD_REQUEST"],
        "pong": True,
        "completed": {"seen": [lines, lines, lines], "closed": None},
        "wrong_key": [4403, "Forbidden"],
        "no_key": [4403, "Forbidden"],
        "second_init": [4429, "Too many initialisation requests"],
        "duplicate_id": [4409, "Subscriber for the same already exists"],
    }
