"""The servers of the live benchmarks, ours and the peers', each started as a program and stopped at the end of a `with`."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.installation import ROOT, free_port, installed, listens, running, until
from benchmarks.live_lines import line
from burnish.kit import clock, ids, stream
from burnish.kit.core import Core
from models.account import Account
from models.dataset import Dataset
from models.job import Job
from tests.conformance import node


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
        until(lambda: listens(self.port))


@contextmanager
def platform(jobs: int) -> Iterator[Server]:
    """Run our API process with a database, a broker and some jobs, each with the first line of its log."""

    async def furnish(core: Core, account: Account) -> tuple[str, ...]:
        return tuple([await _job(core, account.id) for _ in range(jobs)])

    with installed(furnish, log_level="warning") as ours:
        yield Server(ours.port, ours.api_pid, ours.env, ours.key, ours.made, broker_pid=ours.broker_pid)


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
