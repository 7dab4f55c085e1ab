"""What it costs to stream a job's log to many websockets, beside stock Strawberry and a Node graphql-ws server.

Counted is the process tree of the API server, without the broker, which is told beside it. Who writes the lines and who reads
them are processes of their own, and the readers make sure that each of them gets every line once and in order. Throughputs are
lines per CPU-second: a line that reaches a hundred subscribers counts a hundred times. Where an event is to be one line, the
next is written when all have the last.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.installation import ROOT
from benchmarks.live_servers import Server, node_graphql_ws, platform, stock_strawberry
from benchmarks.report import QUICK, Figure, bound, figure, main, sampling, tree_cpu_s

RUNS = 1 if QUICK else 3
SUBSCRIBERS = 100
WARM_EVENTS = 20 if QUICK else 200
EVENTS = 100 if QUICK else 1000

COALESCED = 100
RATE, SECONDS = 5000, 4 if QUICK else 20
P95_MS, CORE_SHARE = 150.0, 0.30
CROWD, CROWD_JOBS, CROWD_RATE, CROWD_SECONDS = 500, 20, 2000, 6 if QUICK else 30
CROWD_MIB, CROWD_GROWTH = 300.0, 1.05
SAMPLE_S = 0.5


@dataclass(frozen=True)
class Run:
    """What the readers saw of one measurement, and the CPU-seconds and memory of the server."""

    lines: int
    frames: int
    size: int
    seconds: float
    latency_ms: dict[str, float]
    cpu_s: float
    broker_cpu_s: float
    memory: list[int]

    @property
    def lines_per_cpu_s(self) -> float:
        return self.lines / self.cpu_s

    @property
    def lines_per_frame(self) -> float:
        return self.lines / self.frames

    def told(self, name: str) -> "Run":
        """Show what the table has no room for."""
        print(
            f"{name}: {self.lines_per_cpu_s:,.0f} lines/CPU-s, {self.lines_per_frame:.2f} lines a frame, "
            f"{self.size / self.lines:.0f} bytes a line, CPU {self.cpu_s:.2f} s (broker {self.broker_cpu_s:.2f} s) "
            f"in {self.seconds:.1f} s, latency {self.latency_ms}, memory {max(self.memory) / 2**20:.0f} MiB",
            file=sys.stderr,
            flush=True,
        )
        return self


def measure() -> list[Figure]:
    """Run ours and the peers in turn; return all figures."""
    single, many, strawberry, graphql_ws = ([], [], [], [])  # type: tuple[list[Run], list[Run], list[Run], list[Run]]
    with platform(2 * RUNS + 1) as server:
        for number in range(RUNS):
            single.append(run_events(server, 2 * number, 1).told("ours, one line an event"))
            many.append(run_events(server, 2 * number + 1, COALESCED).told("ours, 100 lines an event"))
            strawberry.append(_peer(stock_strawberry).told("stock Strawberry"))
            graphql_ws.append(_peer(node_graphql_ws).told("Node graphql-ws"))
        paced = run_paced(server, (server.jobs[-1],), SUBSCRIBERS, RATE, SECONDS).told("5,000 lines/s")
    with platform(CROWD_JOBS) as server:
        crowd = run_paced(server, server.jobs, CROWD // CROWD_JOBS, CROWD_RATE, CROWD_SECONDS).told("500 subscribers")
    return [*_throughputs(single, many, strawberry, graphql_ws), *_bounds(paced, crowd)]


def _throughputs(single: list[Run], many: list[Run], strawberry: list[Run], graphql_ws: list[Run]) -> list[Figure]:
    if any(run.lines_per_frame > 1 for run in (*single, *strawberry, *graphql_ws)):
        raise RuntimeError("frames of more than one line where one was to be measured")
    ours, coalesced, stock, other = (_median(runs) for runs in (single, many, strawberry, graphql_ws))
    return [
        figure("one line an event / stock Strawberry, lines per CPU-s", ours, stock, 6.0, at_least=True),
        figure("one line an event / Node graphql-ws, lines per CPU-s", ours, other, 1.2, at_least=True),
        figure("100 lines an event / stock Strawberry, one, lines per CPU-s", coalesced, stock, 40.0, at_least=True),
    ]


def _median(runs: list[Run]) -> float:
    return statistics.median(run.lines_per_cpu_s for run in runs)


def _bounds(paced: Run, crowd: Run) -> list[Figure]:
    written = CROWD_RATE * CROWD_SECONDS * CROWD // CROWD_JOBS
    third = crowd.memory[len(crowd.memory) // 3]
    return [
        bound("5,000 lines/s to 100, p95 latency, ms", paced.latency_ms["p95"], P95_MS),
        bound("5,000 lines/s to 100, cores", paced.cpu_s / paced.seconds, CORE_SHARE),
        figure("2,000 lines/s to 500 of 20 jobs, lines read / written", crowd.lines, written, 1.0, at_least=True),
        bound("2,000 lines/s to 500 of 20 jobs, most memory, MiB", max(crowd.memory) / 2**20, CROWD_MIB),
        bound("2,000 lines/s to 500 of 20 jobs, memory at end / third", crowd.memory[-1] / third, CROWD_GROWTH),
    ]


def run_events(server: Server, job: int, event: int) -> Run:
    """Send events of so many lines, each when all subscribers have the last."""
    asked, asking = os.pipe()
    words = ["peer"] if server.feed else ["events", server.jobs[job]]
    with _writer(server, words, stdin=asked, stdout=server.feed):
        server.wait()
        with _readers(server, (server.jobs[job],), SUBSCRIBERS, asking) as readers:
            readers.take(WARM_EVENTS * event, event)
            found = _measured(server, lambda: readers.take(EVENTS * event, event))
        os.close(asking)
        os.close(asked)
    return found


def run_paced(server: Server, jobs: tuple[str, ...], subscribers: int, rate: float, seconds: float) -> Run:
    """Write so many lines a second, and wait until all subscribers have all."""

    def follow() -> dict[str, Any]:
        with _writer(server, ["paced", str(rate), str(seconds), *jobs], stdin=subprocess.DEVNULL, stdout=None):
            return readers.take(int(rate * seconds) // len(jobs), 0)

    with _readers(server, jobs, subscribers, None) as readers:
        return _measured(server, follow)


def _peer(kind: Callable[[], AbstractContextManager[Server]]) -> Run:
    with kind() as server:
        return run_events(server, 0, 1)


def _measured(server: Server, work: Callable[[], dict[str, Any]]) -> Run:
    before = tree_cpu_s(server.pid)
    broker_before = tree_cpu_s(server.broker_pid) if server.broker_pid else 0.0
    memory: list[int] = []
    with sampling(server.pid, memory, SAMPLE_S):
        seen = work()
    cpu_s = tree_cpu_s(server.pid) - before
    broker_s = tree_cpu_s(server.broker_pid) - broker_before if server.broker_pid else 0.0
    return Run(seen["lines"], seen["frames"], seen["bytes"], seen["s"], seen["latency_ms"], cpu_s, broker_s, memory)


@contextmanager
def _writer(server: Server, words: list[str], stdin: int, stdout: int | None) -> Iterator[None]:
    argv = [sys.executable, "-m", "benchmarks.live_producer", *words]
    with subprocess.Popen(argv, cwd=ROOT, env=server.env, stdin=stdin, stdout=stdout) as process:
        try:
            yield
        finally:
            process.terminate()


class _Readers:
    """The process of the subscribers."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def take(self, lines: int, event: int) -> dict[str, Any]:
        """Have every subscriber take so many lines more; return what was seen."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"lines": lines, "event": event}).encode() + b"\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        raw = self._process.stdout.readline()
        if not raw:
            raise RuntimeError("a subscriber did not get every line once and in order")
        found: dict[str, Any] = json.loads(raw)
        return found


@contextmanager
def _readers(server: Server, jobs: tuple[str, ...], subscribers: int, credit_fd: int | None) -> Iterator[_Readers]:
    plan = {"port": server.port, "key": server.key, "jobs": jobs, "subscribers": subscribers, "credit_fd": credit_fd or -1}
    argv = [sys.executable, "-m", "benchmarks.live_client", json.dumps(plan)]
    fds = [credit_fd] if credit_fd else []
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=fds) as process:
        try:
            readers = _Readers(process)
            readers.answer()
            yield readers
        finally:
            process.terminate()


if __name__ == "__main__":
    main(measure)
