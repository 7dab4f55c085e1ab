"""What a line of a batch costs, beside a script that asks with `AsyncOpenAI`, how much memory a large batch takes, and whether it
survives kills.

Counted is the CPU of everything that `burnish up` runs, from the upload of the input to the last byte of the downloaded output
and until the host has put the batch down: validation, the request log, the outcomes in SQLite, the stored files. The peer keeps
nothing that would survive it, and is counted from its first line to its last. Both ask the same fake engine, and every line of
both outputs is looked at. The kills are those of `tests/faults/test_batch.py`.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import batch_lines
from benchmarks.gateway_engine import MODEL
from benchmarks.gateway_servers import Engine, engine
from benchmarks.installation import ROOT
from benchmarks.report import QUICK, Figure, bound, figure, main, sampling, tree_bytes, tree_cpu_s
from models import batch
from tests.faults.batch_books import verdict
from tests.faults.batch_kills import Books, Plan, adopt, survive
from tests.rest_compat.load import fleet
from tests.running import Platform, eventually, up

RUNS = 1 if QUICK else 5
# What the peer takes for each of them does not depend on how many they are.
LINES, PEER_LINES, LINE_BYTES = (1_000, 300, 600) if QUICK else (20_000, 3_000, 600)
MANY, LONG_BYTES = (5_000, 4_000) if QUICK else (batch.MOST_LINES, 4_000)
MOST_MB = 150.0
KILLS = Plan(300, 4, 1, 600) if QUICK else Plan(5_000, 100, 20261130, 3600)
FASTER = 10.0
LOOK_S = 0.5
SAMPLE_S = 0.1
LIMIT_S = 1800.0


@dataclass(frozen=True)
class Run:
    """One batch: what it cost, and how long it took."""

    lines: int
    cpu_s: float
    seconds: float

    @property
    def lines_per_cpu_s(self) -> float:
        return self.lines / self.cpu_s

    def told(self, name: str) -> "Run":
        """Show what the table has no room for."""
        told = f"{self.lines_per_cpu_s:,.0f} lines/CPU-s ({self.cpu_s:.2f} s), {self.lines / self.seconds:,.0f} a second"
        print(f"{name}: {told}", file=sys.stderr, flush=True)
        return self


def measure() -> list[Figure]:
    """Run ours and the peer in turn, the large batch, and the one with kills; return all figures."""
    return [_cost(), _memory(), _survival()]


def _cost() -> Figure:
    ours, peer = [], []
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder, ExitStack() as undo:
        behind = undo.enter_context(engine())
        platform = undo.enter_context(up(Path(folder) / "home"))
        _adopted(platform, behind)
        source, shorter = Path(folder) / "input.jsonl", Path(folder) / "shorter.jsonl"
        batch_lines.write(source, MODEL, LINES, LINE_BYTES)
        batch_lines.write(shorter, MODEL, PEER_LINES, LINE_BYTES)
        for _ in range(RUNS):
            ours.append(_ours(platform, source, LINES).told("ours").lines_per_cpu_s)
            peer.append(_peer(behind, shorter).told("AsyncOpenAI").lines_per_cpu_s)
    name = "lines per CPU-s, whole cycle / AsyncOpenAI, 64 in flight"
    return figure(name, statistics.median(ours), statistics.median(peer), FASTER, at_least=True)


def _memory() -> Figure:
    """Compare the memory of API and host at their worst with what they had before the first batch."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder, ExitStack() as undo:
        behind = undo.enter_context(engine())
        platform = undo.enter_context(up(Path(folder) / "home"))
        _adopted(platform, behind)
        source = Path(folder) / "input.jsonl"
        size = batch_lines.write(source, MODEL, MANY, LONG_BYTES)
        grown = {}
        with ExitStack() as watched:
            memory: dict[str, list[int]] = {}
            for part in ("burnish.serve", "burnish.host"):
                pid = platform.parts(part)[0].pid
                memory[part] = [tree_bytes(pid)]
                watched.enter_context(sampling(pid, memory[part], SAMPLE_S))
            _ours(platform, source, MANY).told(f"{size / 1e6:.0f} MB in {MANY:,} lines")
        grown = {part: (max(found) - found[0]) / 1e6 for part, found in memory.items()}
    print(f"grown by, MB: {grown}", file=sys.stderr, flush=True)
    return bound(f"{size / 1e6:.0f} MB in {MANY:,} lines, API and host above idle, MB", sum(grown.values()), MOST_MB)


def _survival() -> Figure:
    """Count the lines that are in exactly one file; whatever else does not agree takes one away."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        story = asyncio.run(_killed(Path(folder)))
    found = verdict(story)
    kills = sum(story.kills.values())
    print(f"{dict(story.kills)} in {story.seconds:.0f} s, {found.asked_again} lines asked again", file=sys.stderr, flush=True)
    print(*found.wrong[:20], sep="\n", file=sys.stderr, flush=True)
    right = min(found.once, len(story.lines) - len(found.wrong)) if kills >= KILLS.kills else 0
    return figure(f"{kills} kills: lines in one file once, metered as made / all", right, len(story.lines), 1.0, at_least=True)


async def _killed(folder: Path) -> Any:
    async with fleet.running(folder, "left", "right") as engines:
        with up(folder / "home", BURNISH_LEASE_S="3", BURNISH_REPLICA_REQUESTS="32") as platform:
            return await survive(platform, engines, KILLS)


def _adopted(platform: Platform, behind: Engine) -> None:
    deployment = adopt(platform, behind.url, MODEL)
    eventually(lambda: platform.get(f"/v1/deployments/{deployment}")["status"] == "serving")


def _ours(platform: Platform, source: Path, count: int) -> Run:
    """Run the whole cycle of a batch, and make sure of what came out."""
    pid, began = platform.process.pid, time.monotonic()
    before = tree_cpu_s(pid)
    with source.open("rb") as file:
        uploaded = platform.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("input.jsonl", file)})
    uploaded.raise_for_status()
    body = {"input_file_id": uploaded.json()["id"], "endpoint": batch_lines.ENDPOINT, "completion_window": "24h"}
    batch_id = platform.post("/v1/batches", body)["id"]
    row = _ended(platform, batch_id)
    target = source.with_name("output.jsonl")
    with platform.client.stream("GET", f"/v1/files/{row['output_file_id']}/content") as answer, target.open("wb") as file:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            file.write(piece)
    seconds = time.monotonic() - began
    books = Books(platform.home)
    eventually(lambda: books.read("SELECT lease_holder FROM batch WHERE id = ?", batch_id)[0]["lease_holder"] is None)
    run = Run(count, tree_cpu_s(pid) - before, seconds)
    with target.open("rb") as file:
        batch_lines.check(file, count)
    if row["request_counts"] != {"total": count, "completed": count, "failed": 0}:
        raise RuntimeError(f"the batch says {row['request_counts']}")
    return run


def _ended(platform: Platform, batch_id: str) -> dict[str, Any]:
    until = time.monotonic() + LIMIT_S
    while (row := platform.get(f"/v1/batches/{batch_id}"))["status"] not in batch.TERMINAL:
        if time.monotonic() > until:
            raise TimeoutError(f"the batch is stuck: {row}")
        time.sleep(LOOK_S)
    if row["status"] != batch.COMPLETED:
        raise RuntimeError(f"the batch ended otherwise: {row}")
    found: dict[str, Any] = row
    return found


def _peer(behind: Engine, source: Path) -> Run:
    target, began = source.with_name("peer.jsonl"), time.monotonic()
    argv = [sys.executable, "-m", "benchmarks.peers.async_openai", f"{behind.url}/v1", str(source), str(target)]
    told = subprocess.run(argv, cwd=ROOT, env=os.environ, check=True, stdout=subprocess.PIPE).stdout
    run = Run(PEER_LINES, float(told), time.monotonic() - began)
    with target.open("rb") as file:
        batch_lines.check(file, PEER_LINES)
    return run


if __name__ == "__main__":
    main(measure)
