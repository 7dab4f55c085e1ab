"""Running commands for their CPU time, and showing figures side by side."""

import json
import os
import resource
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

# For trying a benchmark itself: too short to tell anything.
QUICK = "--quick" in sys.argv or bool(os.environ.get("BURNISH_BENCH_QUICK"))


@dataclass(frozen=True)
class Figure:
    """One measurement. `ratio` is ours divided by the peer's: at most `goal` passes; of a throughput, at least `goal`."""

    name: str
    ours: float
    peer: float
    ratio: float
    goal: float
    passed: bool


def figure(name: str, ours: float, peer: float, goal: float, *, at_least: bool = False) -> Figure:
    """Compare with a peer: a cost, or with `at_least` a throughput."""
    ratio = ours / peer
    return Figure(name, round(ours, 3), round(peer, 3), round(ratio, 3), goal, ratio >= goal if at_least else ratio <= goal)


def bound(name: str, ours: float, most: float) -> Figure:
    """Compare with a limit of our own, which stands in the peer's place."""
    return figure(name, ours, most, 1.0)


def tree_cpu_s(pid: int) -> float:
    """Return the CPU-seconds of a running process and its descendants, also of those that have ended, so far."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return float(sum(found.user + found.system + found.children_user + found.children_system for found in times))


def tree_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants; one that has just ended has none."""
    root = psutil.Process(pid)
    total = 0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += int(process.memory_info().rss)
    return total


@contextmanager
def sampling(pid: int, memory: list[int], every_s: float) -> Iterator[None]:
    """Append what `tree_bytes` tells of a process, now and then, and at the end of the context."""
    over = threading.Event()

    def sample() -> None:
        while not over.wait(every_s):
            memory.append(tree_bytes(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        memory.append(tree_bytes(pid))


def cpu_seconds(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> float:
    """Run a command to its end; return the CPU-seconds of its process tree. CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, cwd=cwd, env={**os.environ, **(env or {})}, input=stdin, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def median_of(runs: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(runs))


def show(figures: Sequence[Figure], *, as_json: bool) -> int:
    """Print the figures as a table, or as JSON; return 1 where one falls short."""
    if as_json:
        rows = [{("pass" if key == "passed" else key): value for key, value in asdict(row).items()} for row in figures]
        print(json.dumps(rows, indent=2))
    else:
        print(f"{'what':60} {'ours':>12} {'peer':>12} {'ratio':>8} {'goal':>7}  pass")
        for row in figures:
            mark = "yes" if row.passed else "NO"
            print(f"{row.name:60} {row.ours:12.3f} {row.peer:12.3f} {row.ratio:8.3f} {row.goal:7.3f}  {mark}")
    return 0 if all(row.passed for row in figures) else 1


def main(measure: Callable[[], list[Figure]]) -> None:
    """Run one benchmark as a program: `--json` for JSON, `--quick` for trying it."""
    sys.exit(show(measure(), as_json="--json" in sys.argv[1:]))
