"""What a list of jobs costs over GraphQL beside stock Strawberry, in answers per CPU-second of the server's process tree.

Both give the same answer to the same operation, from the same SQLite database, under uvicorn; it is compared first. Ours is the
real API: it also looks up the key, keeps to the account's rows, makes cursors, prices the operation and counts it against the
key's limits, which are set so high that nothing is refused. The peer has all of Strawberry's, uvicorn's and Python's defaults.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx2

from benchmarks.graphql_rows import fill
from benchmarks.report import Figure, figure, main, tree_cpu_s

RUNS = 5
WARM_UP = 30
REQUESTS = 200
AT_ONCE = 4
START_S = 30.0
GOAL = 1.3
REPOSITORY = Path(__file__).parent.parent
LIST = """query Jobs($first: Int!) {
  jobs(first: $first) {
    nodes {
      id outputName status baseModel createdAt completedAt
      hardware { type count provider }
      dataset { id name rowCount columns }
      latestMetrics { key value }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
FIRST = 50
BODY = {"query": LIST, "variables": {"first": FIRST}}
CONTENT = json.dumps(BODY).encode()


def measure() -> list[Figure]:
    """Ask both servers in turns; return their throughputs."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        home = Path(folder)
        key = fill(home)
        with _ours(home) as ours, _stock(home) as stock:
            headers = {"Authorization": f"Bearer {key}"}
            _compare_answers(ours.url, stock.url, headers)
            rates = [(_rate(ours, headers), _rate(stock, headers)) for _ in range(RUNS)]
    mine, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
    return [figure("GraphQL, 50 jobs with dataset, GPU, metrics, answers/CPU-s", mine, theirs, GOAL, at_least=True)]


@dataclass(frozen=True)
class Served:
    url: str
    pid: int


@contextmanager
def _ours(home: Path) -> Iterator[Served]:
    port = _free_port()
    env = {"BURNISH_HOME": str(home), "BURNISH_PORT": str(port), "BURNISH_LOG_LEVEL": "error"}
    unlimited = {"BURNISH_REQUESTS_PER_MINUTE": str(10**9), "BURNISH_POINTS_PER_MINUTE": str(10**12)}
    with _running(["-P", "-m", "burnish.serve"], port, "/graphql", env | unlimited) as served:
        yield served


@contextmanager
def _stock(home: Path) -> Iterator[Served]:
    port = _free_port()
    with _running(["-m", "benchmarks.graphql_stock", str(home / "burnish.db"), str(port)], port, "/", {}) as served:
        yield served


@contextmanager
def _running(arguments: list[str], port: int, path: str, env: dict[str, str]) -> Iterator[Served]:
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        [sys.executable, *arguments], cwd=REPOSITORY, env={**os.environ, **env}, stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        _wait_for(port, child)
        yield Served(f"http://127.0.0.1:{port}{path}", child.pid)
    finally:
        child.terminate()
        child.wait(10)


def _wait_for(port: int, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _compare_answers(ours: str, stock: str, headers: dict[str, str]) -> None:
    """See that both say the same, but for cursors and how they write a moment."""
    mine, theirs = (httpx2.post(url, json=BODY, headers=headers).json()["data"]["jobs"] for url in (ours, stock))
    for node in (*mine["nodes"], *theirs["nodes"]):
        for name in ("createdAt", "completedAt"):
            node[name] = datetime.fromisoformat(node[name])
    if mine["nodes"] != theirs["nodes"] or len(mine["nodes"]) != FIRST:
        raise RuntimeError("the two servers answer differently")


def _rate(served: Served, headers: dict[str, str]) -> float:
    asyncio.run(_ask(served.url, headers, WARM_UP))
    before = tree_cpu_s(served.pid)
    asyncio.run(_ask(served.url, headers, REQUESTS))
    return REQUESTS / (tree_cpu_s(served.pid) - before)


async def _ask(url: str, headers: dict[str, str], count: int) -> None:
    async def some(client: httpx2.AsyncClient) -> None:
        for _ in range(count // AT_ONCE):
            response = await client.post(url, content=CONTENT, headers={"Content-Type": "application/json"})
            if response.status_code != 200 or b'"errors"' in response.content:
                raise RuntimeError(response.text[:500])

    async with httpx2.AsyncClient(headers=headers, timeout=30) as client:
        await asyncio.gather(*(some(client) for _ in range(AT_ONCE)))


if __name__ == "__main__":
    main(measure)
