"""Engines to serve from: a scripted one, and one real one of each kind for the whole run."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from engines import orphans
from engines.serving import http1, vllm
from engines.serving.batching.engine import Transformers
from engines.serving.engine import Launch, free_port, ready
from engines.serving.metering import Served
from tests.engines.serving.upstream import Upstream
from tests.engines.training.conftest import make_spec, sums

__all__ = ["make_spec", "sums"]

ROOT = Path(__file__).parents[3]
START_S = 300


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    engine = Upstream()
    await engine.start(free_port())
    yield engine
    await engine.stop()


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as made:
        yield made


@pytest.fixture
async def wire() -> AsyncIterator[http1.Client]:
    """The gateway's own connections."""
    made = http1.Client(silence_s=30)
    yield made
    await made.close()


@pytest.fixture
def served() -> list[Served]:
    """What `on_done` was told: pass its `append`."""
    return []


@dataclass
class Engine:
    """A running engine behind a guard. It serves the tiny model as `tiny` and as `alias`."""

    url: str
    guard: "subprocess.Popen[bytes]"
    log: Path


def guarded(argv: list[str], env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a command as the host process does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), orphans.VARIABLE: orphans.mark(), **env}
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "engines.guard", "--", *argv],
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


async def _until_ready(engine: Engine) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(START_S):
        while not await ready(client, engine.url, "tiny"):
            assert engine.guard.poll() is None, engine.log.read_text()[-4000:]
            await asyncio.sleep(0.1)


@contextmanager
def _running(argv: list[str], env: dict[str, str], port: int) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "engine.log"
        engine = Engine(f"http://127.0.0.1:{port}", guarded(argv, env, log), log)
        try:
            asyncio.run(_until_ready(engine))
            yield engine
        finally:
            engine.guard.send_signal(signal.SIGQUIT)
            engine.guard.wait(30)


@pytest.fixture(scope="session")
def vllm_server(tiny_model: Path) -> Iterator[Engine]:
    """Return a vLLM that is ready to serve the tiny model."""
    port = free_port()
    argv, env = vllm.command(tiny_model, ["tiny", "alias"], port, "cpu")
    with _running(argv, env, port) as engine:
        yield engine


@pytest.fixture(scope="session")
def batching_server(tiny_model: Path) -> Iterator[Engine]:
    """Return a transformers engine that is ready to serve the tiny model."""
    port = free_port()
    argv, env = Transformers().command(Launch(tiny_model, ["tiny", "alias"], port, "cpu"))
    with _running(argv, env, port) as engine:
        yield engine
