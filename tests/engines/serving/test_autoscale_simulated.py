"""A deployment under the scaling rule, through ramps, spikes, noise and silence: every decision, when and why."""

import random
from dataclasses import replace

import pytest

from engines.serving.autoscale import Rule
from tests.engines.serving.fleet import Fleet

RULE = Rule(min_replicas=1, max_replicas=8, target_rps=10.0, target_latency_p95_ms=5000.0, stabilisation_window_s=300.0)
# What its owner thought a replica can do, and it cannot.
BY_LATENCY = replace(RULE, target_rps=1000.0)


def test_a_ramp_is_climbed_step_by_step_and_left_after_the_window() -> None:
    fleet = Fleet(replace(RULE, max_replicas=4))
    fleet.run(30, 5)
    fleet.run(200, lambda at_s: 5 + (at_s - 30) / 5)
    fleet.run(60, 45)
    assert fleet.told == [
        (65, "1→2: 10.5 rps > 10 rps"),
        (115, "2→3: 20.5 rps > 2 × 10 rps"),
        (165, "3→4: 30.5 rps > 3 × 10 rps"),
    ]
    fleet.run(310, 5)
    assert fleet.told[3:] == [(600, "4→2: at most 2 wanted for 300 s")]
    fleet.run(10, 5)
    assert fleet.told[4:] == [(605, "2→1: at most 1 wanted for 300 s")]
    assert max(fleet.answered) < 1.2


def test_a_spike_doubles_with_each_look_and_is_over_after_the_window() -> None:
    fleet = Fleet(replace(RULE, stabilisation_window_s=120.0))
    fleet.run(60, 2)
    fleet.run(60, 75)
    fleet.run(300, 2)
    assert fleet.told == [
        (65, "1→2: 26.3 rps > 10 rps, of 3 wanted at most doubled"),
        (70, "2→4: 50.7 rps > 2 × 10 rps, of 6 wanted at most doubled"),
        (75, "4→8: 75 rps > 4 × 10 rps"),
        (245, "8→6: at most 6 wanted for 120 s"),
        (250, "6→3: at most 3 wanted for 120 s"),
        (255, "3→1: at most 1 wanted for 120 s"),
    ]


def test_noise_below_the_target_changes_nothing() -> None:
    fleet, chance = Fleet(RULE), random.Random(1)
    fleet.run(3600, lambda _: max(0.0, chance.gauss(7, 7)))
    assert fleet.told == []


@pytest.mark.parametrize(
    ("mean", "told"),
    [
        (10, [(15, "1→2: 11.1 rps > 10 rps")]),
        (15, [(10, "1→2: 10.5 rps > 10 rps")]),
        (20, [(10, "1→2: 14.1 rps > 10 rps"), (15, "2→3: 22.1 rps > 2 × 10 rps")]),
    ],
)
def test_noise_about_the_target_goes_up_once_and_does_not_flap(mean: int, told: list[tuple[int, str]]) -> None:
    fleet, chance = Fleet(RULE), random.Random(7)
    fleet.run(3600, lambda _: max(0.0, chance.gauss(mean, mean)))
    assert fleet.told == told


def test_pulses_within_the_window_keep_their_replicas() -> None:
    fleet = Fleet(replace(RULE, min_replicas=2, stabilisation_window_s=60.0), replicas=2)
    fleet.run(600, lambda at_s: 30 if at_s % 50 < 10 else 3)
    assert fleet.told == [(15, "2→3: 20.8 rps > 2 × 10 rps")]


def test_silence_goes_down_to_none_and_a_request_wakes_one() -> None:
    fleet = Fleet(replace(RULE, min_replicas=0, max_replicas=4, stabilisation_window_s=60.0))
    fleet.run(60, 35)
    fleet.run(190, 0)
    assert fleet.told == [
        (5, "1→2: 11.7 rps > 10 rps"),
        (10, "2→3: 23.3 rps > 2 × 10 rps"),
        (15, "3→4: 35 rps > 3 × 10 rps"),
        (125, "4→3: at most 3 wanted for 60 s"),
        (130, "3→2: at most 2 wanted for 60 s"),
        (135, "2→1: at most 1 wanted for 60 s"),
        (140, "1→0: no request for 60 s"),
    ]
    assert (fleet.replicas, len(fleet.held)) == ([], 0)
    fleet.answered.clear()
    fleet.run(2, 1)
    fleet.run(28, 0)
    # The ones that wait want it again with each look, and it starts once.
    assert (fleet.told[7:], len(fleet.held)) == ([(255, "0→1: a request waits")], 2)
    fleet.run(60, 0)
    assert (len(fleet.held), [round(took_s) for took_s in fleet.answered]) == (0, [34, 34])
    fleet.run(60, 0)
    assert fleet.told[8:] == [(350, "1→0: no request for 60 s")]


def test_however_many_wait_for_the_first_replica_they_want_no_second() -> None:
    # Neither by the rate at which they come to it nor by the time that they have waited.
    fleet = Fleet(replace(BY_LATENCY, min_replicas=0, target_rps=1.0), replicas=0, service_s=0.5, slots=64)
    fleet.run(30, 4)
    fleet.run(120, 0.5)
    assert (len(fleet.answered), round(max(fleet.answered))) == (179, 35)
    assert fleet.told == [(5, "0→1: a request waits")]


def test_a_deployment_that_keeps_one_goes_down_to_it() -> None:
    fleet = Fleet(replace(RULE, min_replicas=1, stabilisation_window_s=30.0))
    fleet.run(60, 25)
    fleet.run(600, 0)
    assert fleet.told[-1] == (100, "2→1: at most 1 wanted for 30 s")


def test_answers_that_are_slow_by_themselves_do_not_scale_for_ever() -> None:
    fleet = Fleet(replace(BY_LATENCY, target_latency_p95_ms=2000.0), service_s=3.0)
    fleet.run(900, 1)
    # Three are under way at once: each has a replica of its own, and a fourth would answer nobody.
    assert fleet.told == [(25, "1→2: p95 3 s > 2 s"), (80, "2→3: p95 3 s > 2 s")]


def test_a_queue_scales_by_latency_and_what_starts_is_waited_for() -> None:
    fleet = Fleet(BY_LATENCY, service_s=2.0)
    fleet.run(300, 10)
    assert fleet.told == [
        (10, "1→2: p95 5.6 s > 5 s"),
        (50, "2→3: p95 5.6 s > 5 s"),
        (55, "3→4: p95 9.2 s > 5 s"),
        (95, "4→5: p95 6 s > 5 s"),
        (100, "5→6: p95 7.4 s > 5 s"),
        (105, "6→7: p95 8 s > 5 s"),
        (110, "7→8: p95 9.4 s > 5 s"),
    ]


def test_replicas_that_never_get_ready_are_not_multiplied() -> None:
    fleet = Fleet(BY_LATENCY, service_s=2.0, start_s=100_000.0)
    fleet.run(600, 10)
    assert fleet.told == [(10, "1→2: p95 5.6 s > 5 s")]
