"""A model of a deployment's replicas with a clock of its own: what the scaling rule does to a load, and the load to it.

A replica takes a while to start, works on a few requests at once, and queues the others. The gateway gives a request to the
replica with the fewest outstanding, and holds it while there is none.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from burnish.kit.stream import Data
from engines.serving.autoscale import Autoscaler, Decision, Rule
from engines.serving.demand import Demand

TICK_S = 5
STEPS = 10

Rate = Callable[[float], float]


@dataclass
class Replica:
    """One that is ready from `ready_s` on. `running` are ends and arrivals, in order of their ends."""

    ready_s: float
    running: deque[tuple[float, float]] = field(default_factory=deque)
    waiting: deque[float] = field(default_factory=deque)

    @property
    def outstanding(self) -> int:
        return len(self.running) + len(self.waiting)


class Fleet:
    """A deployment under the rule. `service_s` is what a request takes once it runs, `slots` how many a replica runs at once."""

    def __init__(self, rule: Rule, *, start_s: float = 30.0, service_s: float = 0.5, slots: int = 8, replicas: int = 1) -> None:
        self.rule = rule
        self.start_s = start_s
        self.service_s = service_s
        self.slots = slots
        self.now_s = 0.0
        self.replicas = [Replica(0.0) for _ in range(replicas)]
        self.draining: list[Replica] = []
        self.held: deque[float] = deque()
        self.scaler = Autoscaler()
        self.demand = Demand()
        self.demand.add(0.0, [], 0)
        self.decisions: list[tuple[float, Decision]] = []
        self.answered: list[float] = []
        self._ended: list[Data] = []
        self._due = 0
        self._step = 0
        self._since_s = 0.0

    @property
    def ready(self) -> list[Replica]:
        return [one for one in self.replicas if one.ready_s <= self.now_s]

    @property
    def told(self) -> list[tuple[float, str]]:
        """What changed, when and why."""
        return [(at_s, decision.reason) for at_s, decision in self.decisions if decision.changes]

    def run(self, seconds: float, rate: Rate | float) -> None:
        """Let time pass with so many requests a second."""
        for _ in range(round(seconds * STEPS)):
            self._step += 1
            self.now_s = self._step / STEPS
            # In whole thousandths of a request: sums of fractions would drift.
            self._due += round((rate(self.now_s) if callable(rate) else rate) * 1000 / STEPS)
            arrived, self._due = divmod(self._due, 1000)
            self.held.extend([self.now_s] * arrived)
            self._route()
            for replica in [*self.ready, *self.draining]:
                self._serve(replica)
            self.draining = [one for one in self.draining if one.outstanding]
            if self._step % (TICK_S * STEPS) == 0:
                self._tick()

    def _route(self) -> None:
        ready = self.ready
        while self.held and ready:
            min(ready, key=lambda one: one.outstanding).waiting.append(self.held.popleft())

    def _serve(self, replica: Replica) -> None:
        while replica.running and replica.running[0][0] <= self.now_s:
            end_s, arrived_s = replica.running.popleft()
            at = datetime.fromtimestamp(arrived_s, UTC).isoformat()
            self._ended.append({"at": at, "latency_ms": (end_s - arrived_s) * 1000, "status_code": 200, "replica_id": "rep"})
            self.answered.append(end_s - arrived_s)
        while replica.waiting and len(replica.running) < self.slots:
            replica.running.append((self.now_s + self.service_s, replica.waiting.popleft()))

    def _tick(self) -> None:
        ended, self._ended = self._ended, []
        self.demand.add(self.now_s, ended, sum(one.outstanding for one in self.ready), answers=bool(self.ready))
        self._since_s = max([self._since_s, *(one.ready_s for one in self.ready)])
        load = self.demand.load(since_s=self._since_s, target_ms=self.rule.target_latency_p95_ms, woken=bool(self.held))
        decision = self.scaler.decide(self.now_s, len(self.replicas), len(self.ready), load, self.rule)
        self.decisions.append((self.now_s, decision))
        while len(self.replicas) < decision.desired:
            self.replicas.append(Replica(self.now_s + self.start_s))
        while len(self.replicas) > decision.desired:
            self.draining.append(self.replicas.pop())
