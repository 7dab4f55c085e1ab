"""The servers of the live benchmarks, ours and the peers', each started as a program and stopped at the end of a `with`."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.live_lines import line
from burnish.kit import clock, ids, stream
from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from burnish.local import broker_command
from engines.child import die_with_parent
from models import migrations
from models.dataset import Dataset
from models.job import Job
from resolvers import accounts
from tests.conformance import node

ROOT = Path(__file__).parent.parent
START_S = 60.0
API = (sys.executable, "-P", "-m", "burnish.serve")


@dataclass(frozen=True)
class Server:
    """A running server: `pid` is measured, `jobs` can be followed with `key`, `env` is what its writers need.

    A peer is fed through the descriptor `feed`.
    """

    port: int
    pid: int
    env: Mapping[str, str]
    key: str = ""
    jobs: tuple[str, ...] = ("job_peer",)
    feed: int | None = None
    broker_pid: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Return once it listens."""
        until(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def platform(jobs: int) -> Iterator[Server]:
    """Run our API process with a database, a broker and some jobs, each with the first line of its log."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder, ExitStack() as undo:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BURNISH_")},
            "BURNISH_HOME": folder,
            "BURNISH_PORT": str(free_port()),
            "BURNISH_LOG_LEVEL": "warning",
            "BURNISH_CPU_FALLBACK": "true",
        }
        settings = Settings(home=Path(folder), database_url="", redis_url="", storage_url="")
        settings.prepare_home()
        migrations.upgrade(settings.database)
        broker = undo.enter_context(running(broker_command(settings), env))
        until(settings.broker_socket.exists)
        key, job_ids = asyncio.run(_furnish(settings, jobs))
        api = undo.enter_context(running(API, env))
        server = Server(int(env["BURNISH_PORT"]), api.pid, env, key, job_ids, broker_pid=broker.pid)
        server.wait()
        yield server


@contextmanager
def stock_strawberry() -> Iterator[Server]:
    """Run stock Strawberry."""
    port = free_port()
    with _peer([sys.executable, "-m", "benchmarks.peers.stock_live", str(port)], port) as server:
        yield server


@contextmanager
def node_graphql_ws() -> Iterator[Server]:
    """Run Node's graphql-ws."""
    port = free_port()
    program = ROOT / "benchmarks" / "peers" / "live.mjs"
    with _peer([str(node.NODE), str(program), str(port), str(node.installed())], port) as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _peer(argv: Sequence[str], port: int) -> Iterator[Server]:
    reading, writing = os.pipe()
    env = {**os.environ, "NODE_ENV": "production"}
    try:
        with running(argv, env, stdin=reading) as process:
            yield Server(port, process.pid, env, feed=writing)
    finally:
        os.close(reading)
        os.close(writing)


@contextmanager
def running(argv: Sequence[str], env: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a program for as long as the context, and not longer than this process."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdin=stdin, stdout=quiet, preexec_fn=die_with_parent) as process:
        try:
            yield process
        finally:
            process.terminate()


def until(condition: Callable[[], bool], seconds: float = START_S) -> None:
    """Return once a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a server does not start")
        time.sleep(0.02)


async def _furnish(settings: Settings, count: int) -> tuple[str, tuple[str, ...]]:
    async with opened(settings) as core:
        account, key = await accounts.create(core, "bench", operator=True)
        return key, tuple([await _job(core, account.id) for _ in range(count)])


async def _job(core: Core, account_id: str) -> str:
    now = clock.now()
    dataset = Dataset(
        id=ids.new("ds"), account_id=account_id, name="bench", columns=[], size_bytes=0, sha256="", storage_key="", created_at=now
    )
    job = Job(
        id=ids.new("job"),
        account_id=account_id,
        base_model="tiny",
        dataset_id=dataset.id,
        output_name="bench",
        hyperparameters={},
        hyperparameters_defaulted=[],
        gpu_requested={"type": "L4-24GB", "count": 1},
        checkpoint_destination={"type": "veri"},
        created_at=now,
        updated_at=now,
    )
    async with core.db.transaction() as session:
        session.add(dataset)
        await session.flush()
        session.add(job)
        await session.flush()
        await stream.append(session, job.id, "logs", [line(0)], attempt=1)
    return job.id
