"""How many replicas a deployment should have: a rule of the load alone, without a clock, a database or chance.

    by_rps     = ceil(rps / target_rps)
    by_latency = ceil(replicas x p95 / target), where the p95 of 20 requests or more exceeds its target
    wanted     = clamp(max(by_rps, by_latency), min, max), at most doubling
    desired    = wanted where that is more; else no less than the most that was wanted within the stabilisation window

Those that were measured count for the latency: the ones that answer. It asks for twice as many at most, so that a latency that
grows until the new ones are ready does not double them again with each look; and never for more than there are requests at once,
which none would make faster.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

LEAST_SAMPLE = 20


@dataclass(frozen=True)
class Rule:
    """What is asked of the scaling of a deployment; `target_rps` is of each replica."""

    min_replicas: int
    max_replicas: int
    target_rps: float
    target_latency_p95_ms: float
    stabilisation_window_s: float

    def clamp(self, replicas: int) -> int:
        return max(self.min_replicas, min(self.max_replicas, replicas))


@dataclass(frozen=True)
class Load:
    """What a deployment is asked. `p95_ms` is of `requests` requests; `in_flight` are under way now, `at_once` were at most of
    late; `woken` where a request waits for a first replica.
    """

    rps: float = 0.0
    p95_ms: float | None = None
    requests: int = 0
    in_flight: int = 0
    at_once: int = 0
    woken: bool = False


@dataclass(frozen=True)
class Decision:
    """What the rule makes of a load: from `current` replicas to `desired`. `wanted` is what the window remembers of it."""

    current: int
    desired: int
    wanted: int
    by_rps: int
    by_latency: int | None
    reason: str

    @property
    def changes(self) -> bool:
        return self.desired != self.current


class Autoscaler:
    """The rule with its memory: what was wanted, each from its moment until the next one, for as long as the window is.

    `history` are pairs of a time in seconds and what was wanted then, oldest first, as another host remembered them.
    """

    def __init__(self, history: Iterable[tuple[float, int]] = ()) -> None:
        self._history = deque(history)
        self._last: Decision | None = None

    def decide(self, now_s: float, current: int, ready: int, load: Load, rule: Rule) -> Decision:
        """Return what to do with `current` replicas, `ready` of which answer; what is wanted is remembered."""
        by_rps = math.ceil(round(load.rps / rule.target_rps, 6))
        by_latency = _by_latency(ready, load, rule)
        # Without replicas nothing is asked but that there be one; what the last ones ended late is no reason.
        asked = max(by_rps, by_latency or 0, int(load.in_flight > 0)) if current else 0
        asked = max(asked, int(load.woken))
        # Twice none is none, and one has to be the first.
        wanted = max(rule.min_replicas, min(rule.clamp(asked), max(1, 2 * current)))
        if not self._history or (self._last is not None and current not in (self._last.current, self._last.desired)):
            # What this rule did not decide had a reason that it does not know.
            wanted = max(wanted, rule.clamp(current))
        self._remember(now_s, wanted, rule.stabilisation_window_s)
        most = max(value for _, value in self._history)
        desired = wanted if wanted > current else rule.clamp(min(current, most))
        reason = _reason(current, desired, asked, by_rps, by_latency, load, rule)
        self._last = Decision(current, desired, wanted, by_rps, by_latency, reason)
        return self._last

    def _remember(self, now_s: float, wanted: int, window_s: float) -> None:
        if self._history:
            # A clock that was set back stands still until it has caught up: nothing is forgotten early.
            now_s = max(now_s, self._history[-1][0])
        if not self._history or self._history[-1][1] != wanted:
            self._history.append((now_s, wanted))
        while len(self._history) > 1 and self._history[1][0] <= now_s - window_s:
            self._history.popleft()


def _by_latency(ready: int, load: Load, rule: Rule) -> int | None:
    target = rule.target_latency_p95_ms
    if load.p95_ms is None or load.requests < LEAST_SAMPLE or load.p95_ms <= target:
        return None
    return min(math.ceil(round(ready * load.p95_ms / target, 6)), 2 * ready, load.at_once)


def _reason(current: int, desired: int, asked: int, by_rps: int, by_latency: int | None, load: Load, rule: Rule) -> str:
    if desired > current:
        why = _why_more(current, desired, asked, by_rps, by_latency, load, rule)
    elif desired < current:
        why = _why_less(current, desired, rule)
    else:
        return f"{current}: stays"
    return f"{current}→{desired}: {why}"


def _why_more(current: int, desired: int, asked: int, by_rps: int, by_latency: int | None, load: Load, rule: Rule) -> str:
    if asked < desired:
        return f"min_replicas {rule.min_replicas}"
    if current == 0:
        why = "a request waits"
    elif by_latency is not None and by_latency >= by_rps and load.p95_ms is not None:
        measured, target = _apart(load.p95_ms / 1000, rule.target_latency_p95_ms / 1000)
        why = f"p95 {measured} s > {target} s"
    else:
        measured, target = _apart(load.rps, current * rule.target_rps)
        each = f"{current} × {rule.target_rps:.6g}" if current > 1 else target
        why = f"{measured} rps > {each} rps"
    if asked == desired:
        return why
    return f"{why}, of {asked} wanted at most {'max_replicas' if desired == rule.max_replicas else 'doubled'}"


def _why_less(current: int, desired: int, rule: Rule) -> str:
    if desired == rule.max_replicas:
        return f"max_replicas {rule.max_replicas}"
    window = f"{rule.stabilisation_window_s:g} s"
    return f"no request for {window}" if desired == 0 else f"at most {desired} wanted for {window}"


def _apart(measured: float, target: float) -> tuple[str, str]:
    """Write two numbers shortly, but so that they can be told apart."""
    for digits in (3, 6, 12):
        texts = f"{measured:.{digits}g}", f"{target:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts
