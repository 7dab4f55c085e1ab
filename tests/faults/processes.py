"""The processes of an installation under test: a broker that can be killed, and API processes that share it and a database."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import psutil

from burnish.kit.settings import Settings
from burnish.local import broker_command
from tests.conftest import free_port
from tests.rest_compat.load import fleet

DEADLINE_S = 60.0


@dataclass
class Process:
    """An API process, and how much memory it had at most."""

    port: int
    child: "subprocess.Popen[bytes]"
    at_first_bytes: int = 0
    most_bytes: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def measure(self) -> None:
        now = psutil.Process(self.child.pid).memory_info().rss
        self.at_first_bytes = self.at_first_bytes or now
        self.most_bytes = max(self.most_bytes, now)


@asynccontextmanager
async def broker(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run a broker; yield what kills it and starts it again."""
    command = broker_command(settings)

    def start() -> "subprocess.Popen[bytes]":
        settings.broker_socket.unlink(missing_ok=True)
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    children = [start()]

    async def again() -> None:
        children[-1].kill()
        await asyncio.to_thread(children[-1].wait)
        await asyncio.sleep(3.0)
        children.append(start())

    try:
        await fleet.until(settings.broker_socket.exists, "the broker listens")
        yield again
    finally:
        children[-1].kill()
        await asyncio.to_thread(children[-1].wait)


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[Process]:
    """Run an API process; it has written all that it had to write when this ends."""
    made = Process(free_port(), None)  # type: ignore[arg-type]
    environment = {
        **os.environ,
        "BURNISH_HOME": str(settings.home),
        "BURNISH_PORT": str(made.port),
        "BURNISH_DATABASE_URL": settings.database,
        "BURNISH_HOLD_S": str(settings.hold_s),
        "BURNISH_LOG_LEVEL": "warning",
    }
    with (settings.home / f"api.{made.port}.log").open("wb") as log:
        made.child = _start(environment, log)
        try:
            async with httpx2.AsyncClient(base_url=made.url, verify=False) as client:
                until = monotonic() + DEADLINE_S
                while not await _answers(client):
                    assert made.child.poll() is None and monotonic() < until
                    await asyncio.sleep(0.05)
            yield made
        finally:
            made.child.terminate()
            code = await asyncio.to_thread(made.child.wait, DEADLINE_S)
            print(f"API process ended with {code}:\n{Path(log.name).read_text()[-3000:]}")


def _start(environment: dict[str, str], log: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-P", "-m", "burnish.serve"], env=environment, stdout=log, stderr=log)


async def _answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx2.TransportError:
        return False
