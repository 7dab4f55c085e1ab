"""The scaling rule: what it makes of one load, and what it never does whatever comes."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.serving.autoscale import Autoscaler, Decision, Load, Rule

RULE = Rule(min_replicas=1, max_replicas=8, target_rps=10.0, target_latency_p95_ms=5000.0, stabilisation_window_s=300.0)
# Enough of them at once that their number bounds nothing.
SLOW = Load(rps=1.0, p95_ms=6_100.0, requests=20, in_flight=50, at_once=50)


def decide(current: int, load: Load, rule: Rule = RULE, *, ready: int | None = None) -> Decision:
    return Autoscaler().decide(0.0, current, current if ready is None else ready, load, rule)


@pytest.mark.parametrize(
    ("current", "load", "desired", "reason"),
    [
        (1, Load(rps=10.0), 1, "1: stays"),
        (1, Load(rps=14.24), 2, "1→2: 14.2 rps > 10 rps"),
        (2, Load(rps=20.004), 3, "2→3: 20.004 rps > 2 × 10 rps"),
        (2, Load(rps=32.0), 4, "2→4: 32 rps > 2 × 10 rps"),
        (1, Load(rps=38.5), 2, "1→2: 38.5 rps > 10 rps, of 4 wanted at most doubled"),
        (5, Load(rps=95.0), 8, "5→8: 95 rps > 5 × 10 rps, of 10 wanted at most max_replicas"),
        (2, SLOW, 3, "2→3: p95 6.1 s > 5 s"),
        (2, replace(SLOW, p95_ms=5_000.2), 3, "2→3: p95 5.0002 s > 5 s"),
        (2, replace(SLOW, p95_ms=60_000.0), 4, "2→4: p95 60 s > 5 s"),
        (2, replace(SLOW, p95_ms=5_000.0), 2, "2: stays"),
        (2, replace(SLOW, requests=19), 2, "2: stays"),
        (2, replace(SLOW, p95_ms=None, requests=0), 2, "2: stays"),
        (2, replace(SLOW, rps=40.0), 4, "2→4: 40 rps > 2 × 10 rps"),
        (0, Load(woken=True), 1, "0→1: a request waits"),
    ],
)
def test_more_load_is_more_replicas_at_once_and_the_reason_is_said(current: int, load: Load, desired: int, reason: str) -> None:
    rule = replace(RULE, min_replicas=min(current, 1))
    decision = decide(current, load, rule)
    assert (decision.desired, decision.reason, decision.changes) == (desired, reason, desired != current)


def test_a_decision_says_what_each_target_asked_for() -> None:
    decision = decide(2, replace(SLOW, rps=25.0))
    assert (decision.current, decision.by_rps, decision.by_latency, decision.wanted) == (2, 3, 3, 3)
    assert decide(2, Load(rps=0.1)).by_latency is None


def test_replicas_that_start_are_not_doubled_until_they_answer() -> None:
    load = replace(SLOW, p95_ms=90_000.0)
    assert decide(1, load).desired == 2
    assert decide(2, load, ready=1).desired == 2
    assert decide(4, load, ready=3).desired == 6
    assert decide(2, load, ready=0).desired == 2


def test_latency_never_wants_more_replicas_than_there_are_requests_at_once() -> None:
    load = replace(SLOW, p95_ms=50_000.0, in_flight=1, at_once=3)
    assert [decide(current, load).by_latency for current in (1, 2, 3, 4)] == [2, 3, 3, 3]


def test_what_the_last_replicas_ended_late_wakes_none() -> None:
    rule = replace(RULE, min_replicas=0)
    assert decide(0, replace(SLOW, rps=50.0), rule).desired == 0
    assert decide(0, replace(SLOW, rps=50.0, woken=True), rule).desired == 1


def test_what_is_under_way_keeps_one_replica() -> None:
    rule = replace(RULE, min_replicas=0, stabilisation_window_s=0.0)
    scaler = Autoscaler([(0.0, 1)])
    assert scaler.decide(5.0, 1, 1, Load(in_flight=1, at_once=1), rule).desired == 1
    assert scaler.decide(10.0, 1, 0, Load(woken=True), rule).desired == 1
    assert scaler.decide(15.0, 1, 1, Load(at_once=1), rule).desired == 0


def test_bounds_hold_at_once_whatever_the_window_remembers() -> None:
    scaler = Autoscaler()
    assert scaler.decide(0.0, 4, 4, Load(rps=75.0), RULE).desired == 8
    fewer = scaler.decide(5.0, 8, 8, Load(rps=75.0), replace(RULE, max_replicas=3))
    assert (fewer.desired, fewer.reason) == (3, "8→3: max_replicas 3")
    more = decide(1, Load(), replace(RULE, min_replicas=5))
    assert (more.desired, more.reason) == (5, "1→5: min_replicas 5")


def test_a_spike_in_the_window_keeps_its_replicas_until_the_window_has_passed() -> None:
    scaler = Autoscaler()
    assert scaler.decide(0.0, 2, 2, Load(rps=40.0), RULE).desired == 4
    decisions = [scaler.decide(float(at), 4, 4, Load(rps=15.0), RULE) for at in range(5, 310, 5)]
    assert [decision.desired for decision in decisions] == [4] * 60 + [2]
    assert decisions[-1].reason == "4→2: at most 2 wanted for 300 s"


def test_without_a_memory_what_there_is_stays_for_a_window() -> None:
    scaler = Autoscaler()
    decisions = [scaler.decide(float(at), 3, 3, Load(), RULE) for at in range(0, 310, 5)]
    assert [decision.desired for decision in decisions] == [3] * 61 + [1]


def test_what_another_has_set_stays_for_a_window_too() -> None:
    scaler = Autoscaler()
    assert scaler.decide(0.0, 1, 1, Load(), RULE).desired == 1
    assert scaler.decide(5.0, 4, 1, Load(), RULE).desired == 4
    assert scaler.decide(305.0, 4, 4, Load(), RULE).desired == 4
    down = scaler.decide(610.0, 4, 4, Load(), RULE)
    assert (down.desired, down.reason) == (1, "4→1: at most 1 wanted for 300 s")
    # A decision that could not be written is made again.
    assert scaler.decide(615.0, 4, 4, Load(), RULE).desired == 1


def test_without_a_window_it_follows_the_load() -> None:
    rule = replace(RULE, min_replicas=0, stabilisation_window_s=0.0)
    scaler = Autoscaler()
    assert scaler.decide(0.0, 2, 2, Load(rps=40.0), rule).desired == 4
    assert scaler.decide(5.0, 4, 4, Load(rps=15.0), rule).desired == 2
    none = scaler.decide(10.0, 2, 2, Load(), rule)
    assert (none.desired, none.reason) == (0, "2→0: no request for 0 s")


def test_what_was_wanted_holds_until_the_next_look_however_late() -> None:
    scaler = Autoscaler()
    scaler.decide(0.0, 2, 2, Load(rps=40.0), RULE)
    assert scaler.decide(1_000.0, 4, 4, Load(), RULE).desired == 4
    assert scaler.decide(1_299.0, 4, 4, Load(), RULE).desired == 4
    assert scaler.decide(1_300.0, 4, 4, Load(), RULE).desired == 1


def test_a_clock_that_is_set_back_forgets_nothing_early() -> None:
    scaler = Autoscaler()
    scaler.decide(1_000.0, 2, 2, Load(rps=40.0), RULE)
    assert scaler.decide(10.0, 4, 4, Load(), RULE).desired == 4
    assert scaler.decide(1_299.0, 4, 4, Load(), RULE).desired == 4
    assert scaler.decide(1_300.0, 4, 4, Load(), RULE).desired == 1


LOADS = st.builds(
    Load,
    rps=st.floats(0, 200),
    p95_ms=st.none() | st.floats(0, 100_000),
    requests=st.integers(0, 40),
    in_flight=st.integers(0, 60),
    at_once=st.integers(0, 60),
    woken=st.booleans(),
)
WINDOWS = st.sampled_from([0.0, 5.0, 60.0, 300.0])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    least = draw(st.integers(0, 6))
    most = draw(st.integers(max(1, least), 12))
    return Rule(least, most, draw(st.floats(0.1, 50)), draw(st.floats(1, 20_000)), draw(WINDOWS))


@given(rules(), st.lists(st.tuples(st.floats(0, 120), LOADS, st.integers(0, 12)), min_size=1, max_size=40))
def test_whatever_comes_it_keeps_its_bounds_doubles_at_most_and_goes_down_only_after_the_window(
    rule: Rule, steps: list[tuple[float, Load, int]]
) -> None:
    scaler, now_s, current = Autoscaler(), 0.0, max(1, rule.min_replicas)
    wanted: list[tuple[float, int]] = []
    for passed_s, load, ready in steps:
        now_s += passed_s
        decision = scaler.decide(now_s, current, min(ready, current), load, rule)
        assert rule.min_replicas <= decision.desired <= rule.max_replicas
        assert decision.desired <= max(1, 2 * current, rule.min_replicas)
        # Up at once: what is wanted now is there, and nothing that is not.
        if current:
            asked = min(math.ceil(round(load.rps / rule.target_rps, 6)), 2 * current)
            assert decision.wanted >= rule.clamp(asked)
        assert decision.desired >= decision.wanted
        assert decision.desired <= max(decision.wanted, current)
        wanted.append((now_s, decision.wanted))
        # Each holds until the next one; down to the most that was wanted within the window, and no further.
        held = [value for index, (_, value) in enumerate(wanted) if not _is_over(wanted, index, now_s, rule)]
        if decision.desired < current:
            assert decision.desired == max(rule.min_replicas, min(rule.max_replicas, max(held)))
        elif decision.desired == current > decision.wanted:
            assert max(held) >= current
        assert decision.reason.startswith(f"{current}→{decision.desired}: " if decision.changes else f"{current}: stays")
        current = decision.desired


def _is_over(wanted: list[tuple[float, int]], index: int, now_s: float, rule: Rule) -> bool:
    return index + 1 < len(wanted) and wanted[index + 1][0] <= now_s - rule.stabilisation_window_s


@given(rules(), st.lists(LOADS, min_size=1, max_size=60), st.integers(0, 59))
def test_another_host_that_is_told_what_was_wanted_decides_the_same(rule: Rule, loads: list[Load], handed_over: int) -> None:
    scaler, current = Autoscaler(), max(1, rule.min_replicas)
    wanted: list[tuple[float, int]] = []
    for index, load in enumerate(loads):
        now_s = 5.0 * index
        decision = scaler.decide(now_s, current, current, load, rule)
        if index > handed_over:
            assert Autoscaler(wanted).decide(now_s, current, current, load, rule) == decision
        wanted.append((now_s, decision.wanted))
        current = decision.desired
