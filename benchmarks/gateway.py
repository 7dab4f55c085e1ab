"""What a request costs on its way through our gateway, beside LiteLLM's proxy and vllm-router, in front of an engine that costs
next to nothing.

Counted is the process tree of the server alone; the engine and whoever asks are processes of their own, and every token of every
answer is looked at. Ours authenticates, meters and logs: after each load of ours the request log is compared with what the engine
counted, and what writing it cost is counted too. All run in turn, and figures are medians of the runs.
"""

import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.gateway_clients import Plan, Question
from benchmarks.gateway_engine import MODEL
from benchmarks.gateway_servers import Engine, Gateway, Platform, engine, litellm, platform, vllm_router, wait_logged
from benchmarks.installation import ROOT
from benchmarks.report import QUICK, Figure, bound, figure, main, sampling, tree_bytes, tree_cpu_s
from engines.child import die_with_parent

RUNS = 1 if QUICK else 3
SECONDS = 2.0 if QUICK else 4.0
LATENCY_S = 1.0 if QUICK else 2.0
CLIENTS = 64
WARM = 3
PAIR = "pair"

WHOLE = Question(tokens=16)
# What small models give to each of 64, and what is common; for what a chunk costs, and for what the first one is late.
PACED = Question(tokens=100, rate=100, stream=True)
CALM = Question(tokens=60, rate=30, stream=True)
CROWD, CROWDED = 199, Question(tokens=80, rate=20, stream=True)
# Some 90 MB, of which the slow reader takes 20 kB a second.
SLOW_TOKENS = 300_000
UNAFFECTED = 1.1
SLOW_MIB = 16.0
SAMPLE_S = 0.1
MIXED = (Question(tokens=16, rate=800), Question(tokens=32, rate=64, stream=True))
MIXED_S, KILL_AFTER_S = 3.0, 1.0

ADDED_TTFT_MS = 1.0


@dataclass(frozen=True)
class Load:
    """What those who asked saw of one load, and the CPU-seconds and memory that the server took."""

    seen: dict[str, Any]
    cpu_s: float
    memory: list[int]

    @property
    def answers_per_cpu_s(self) -> float:
        return float(self.seen["answered"]) / self.cpu_s

    @property
    def chunks_per_cpu_s(self) -> float:
        return float(self.seen["chunks"]) / self.cpu_s

    def p50_ms(self, key: str) -> float:
        return float(self.seen[key]["p50"])

    def told(self, name: str) -> "Load":
        """Show what the table has no room for."""
        seen = {key: value for key, value in self.seen.items() if value}
        print(f"{name}: CPU {self.cpu_s:.2f} s, {self.answers_per_cpu_s:,.0f} answers/CPU-s, {seen}", file=sys.stderr, flush=True)
        return self


class Bench:
    """The servers, and the loads of the runs by what they measure and who was measured."""

    def __init__(self, behind: Engine, doomed: Engine, ours: Platform, gateways: list[Gateway]) -> None:
        self.behind, self.doomed, self.ours = behind, doomed, ours
        self.gateways = {gateway.name: gateway for gateway in (behind.direct, ours.gateways[MODEL], *gateways)}
        self.loads: dict[tuple[str, str], list[Load]] = defaultdict(list)

    def run(self, what: str, name: str, plan: Plan) -> None:
        gateway = self.gateways[name]
        aimed = replace(plan, port=gateway.port, key=gateway.key, model=gateway.model)
        found = self._counted(gateway, aimed) if name == "ours" else _load(gateway, aimed)
        self.loads[what, name].append(found.told(f"{what}, {name}"))

    def _counted(self, gateway: Gateway, plan: Plan) -> Load:
        """Load ours, which is done when the request log is what the engine counted."""
        logged, given, total = self.ours.logged(), self.behind.counts(), self.ours.total()

        def settle() -> None:
            now = self.behind.counts()
            wait_logged(self.ours, {key: logged[key] + now[key] - given[key] for key in logged})

        found = _load(gateway, plan, settle)
        asked = found.seen["asked"] + plan.warm * plan.clients + (1 if plan.slow_tokens else 0)
        _same("requests in the log", self._total(total + asked) - total, asked)
        return found

    def _total(self, wanted: int) -> int:
        deadline = time.monotonic() + 10
        while (found := self.ours.total()) < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def kill(self) -> Load:
        """Kill one of two replicas in the middle of a load; what was answered is logged once."""
        logged, total = self.ours.logged(), self.ours.total()
        gateway = self.ours.gateways[PAIR]
        plan = Plan(gateway.port, gateway.key, gateway.model, MIXED, CLIENTS, seconds=MIXED_S, failing=True)

        def kill() -> None:
            time.sleep(KILL_AFTER_S)
            self.doomed.process.kill()

        found = _load(gateway, plan, during=kill).told("one of two replicas killed")
        _same("requests in the log", self._total(total + found.seen["asked"]) - total, found.seen["asked"])
        _same("answers in the log", self.ours.logged()["answers"] - logged["answers"], found.seen["answered"])
        return found

    def median(self, what: str, name: str, of: Callable[[Load], float]) -> float:
        return statistics.median(of(load) for load in self.loads[what, name])

    def added_ms(self, what: str, name: str, key: str) -> float:
        """Return what a gateway adds to a median latency: each run of it less the engine's own of the same run."""
        pairs = zip(self.loads[what, name], self.loads[what, "engine"], strict=True)
        return statistics.median(through.p50_ms(key) - direct.p50_ms(key) for through, direct in pairs)


def measure() -> list[Figure]:
    """Run ours and the peers in turn; return all figures."""
    with ExitStack() as undo:
        behind, doomed = undo.enter_context(engine()), undo.enter_context(engine())
        ours = undo.enter_context(platform({MODEL: [behind], PAIR: [behind, doomed]}))
        peers = [undo.enter_context(litellm(behind)), undo.enter_context(vllm_router(behind))]
        bench = Bench(behind, doomed, ours, peers)
        for _ in range(RUNS):
            _one_run(bench)
        killed = bench.kill()
    return [*_costs(bench), *_latencies(bench), *_slow(bench), _killed(killed)]


def _one_run(bench: Bench) -> None:
    plan = Plan(0, "", "", (WHOLE,), CLIENTS, seconds=SECONDS, warm=WARM)
    for name in ("ours", "LiteLLM", "vllm-router"):
        bench.run("whole", name, plan)
    for clients in (1, 16):
        for name in ("engine", "ours", "LiteLLM"):
            bench.run(f"whole, {clients} clients", name, replace(plan, clients=clients, seconds=LATENCY_S, warm=20))
    for name in ("ours", "LiteLLM"):
        bench.run("streams", name, _begun_in_turn(PACED))
    for name in ("engine", "ours"):
        bench.run("calm streams", name, _begun_in_turn(CALM))
    crowd = Plan(0, "", "", (CROWDED,), CROWD, each=1, warm=1, stagger_s=1 / CROWDED.rate / CROWD)
    bench.run("crowd", "ours", replace(crowd, clients=CROWD + 1))
    bench.run("crowd with a slow reader", "ours", replace(crowd, slow_tokens=SLOW_TOKENS))


def _begun_in_turn(question: Question) -> Plan:
    """Return a plan whose streams begin one after the other over the length of one, as users come."""
    stagger_s = question.tokens / question.rate / CLIENTS
    return Plan(0, "", "", (question,), CLIENTS, each=2, warm=1, stagger_s=stagger_s)


def _costs(bench: Bench) -> list[Figure]:
    ours, peer, router = (
        bench.median("whole", name, lambda load: load.answers_per_cpu_s) for name in ("ours", "LiteLLM", "vllm-router")
    )
    chunks, peer_chunks = (bench.median("streams", name, lambda load: load.chunks_per_cpu_s) for name in ("ours", "LiteLLM"))
    return [
        figure("whole answers, 64 clients / LiteLLM, per CPU-s", ours, peer, 40.0, at_least=True),
        figure("the same / vllm-router", ours, router, 0.2, at_least=True),
        figure("64 paced streams / LiteLLM, chunks per CPU-s", chunks, peer_chunks, 20.0, at_least=True),
    ]


def _latencies(bench: Bench) -> list[Figure]:
    figures = []
    for clients, goal in ((1, 1 / 20), (16, 1 / 40)):
        ours, peer = (bench.added_ms(f"whole, {clients} clients", name, "latency_ms") for name in ("ours", "LiteLLM"))
        figures.append(figure(f"added p50, clients: {clients} / LiteLLM, ms", ours, peer, goal))
    return [
        *figures,
        bound("64 paced streams, added p50 of TTFT, ms", bench.added_ms("calm streams", "ours", "ttft_ms"), ADDED_TTFT_MS),
    ]


def _slow(bench: Bench) -> list[Figure]:
    """Compare 200 streams with 199 beside a slow reader."""
    found = []
    for name, key in (("p95 between chunks", "gap_ms"), ("p95 of a whole stream", "latency_ms")):
        with_slow, without = (bench.median(what, "ours", _p95(key)) for what in ("crowd with a slow reader", "crowd"))
        found.append(figure(f"199 streams beside a slow reader / 200, {name}, ms", with_slow, without, UNAFFECTED))
    grown = max(max(load.memory) - load.memory[0] for load in bench.loads["crowd with a slow reader", "ours"])
    return [*found, bound("the same, the most that memory grew, MiB", grown / 2**20, SLOW_MIB)]


def _p95(key: str) -> Callable[[Load], float]:
    return lambda load: float(load.seen[key]["p95"])


def _killed(load: Load) -> Figure:
    """Compare what was answered with what was asked, but for streams that had begun and were ended with an error event."""
    name = "1 of 2 replicas killed: answered / asked but for streams begun"
    return figure(name, load.seen["answered"], load.seen["asked"] - load.seen["cut"], 1.0, at_least=True)


def _load(
    gateway: Gateway, plan: Plan, settle: Callable[[], None] | None = None, during: Callable[[], None] | None = None
) -> Load:
    """Have a gateway asked; `settle` returns when it has done what it has to, and `during` happens meanwhile."""
    argv = [sys.executable, "-m", "benchmarks.gateway_clients", plan.argument()]
    memory = [tree_bytes(gateway.pid)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, preexec_fn=die_with_parent) as clients:
        assert clients.stdin is not None and clients.stdout is not None
        try:
            _line(clients.stdout.readline(), gateway)
            before = tree_cpu_s(gateway.pid)
            with sampling(gateway.pid, memory, SAMPLE_S):
                clients.stdin.write(b"\n")
                clients.stdin.flush()
                if during is not None:
                    during()
                seen = json.loads(_line(clients.stdout.readline(), gateway))
            if settle is not None:
                settle()
            return Load(seen, tree_cpu_s(gateway.pid) - before, memory)
        finally:
            clients.terminate()


def _line(raw: bytes, gateway: Gateway) -> bytes:
    if not raw:
        raise RuntimeError(f"{gateway.name} did not answer everything, and right")
    return raw


def _same(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{what}: {found}, where {wanted} were to be")


if __name__ == "__main__":
    main(measure)
