"""What a deployment is asked just now: rates of what arrived, latencies of what counts, and what was under way at once."""

from datetime import UTC, datetime
from typing import Any

from engines.serving.demand import Demand

TARGET_MS = 5_000.0


def request(
    ended_s: float, latency_ms: float = 100.0, status_code: int = 200, replica_id: str | None = "rep_1"
) -> dict[str, Any]:
    at = datetime.fromtimestamp(ended_s - latency_ms / 1000, UTC).isoformat()
    return {"at": at, "latency_ms": latency_ms, "status_code": status_code, "replica_id": replica_id}


def demand(*ticks: tuple[float, list[dict[str, Any]], int | None]) -> Demand:
    made = Demand()
    for tick in ticks:
        made.add(*tick)
    return made


def rate(made: Demand) -> float:
    return made.load(since_s=0.0, target_ms=TARGET_MS).rps


def test_nothing_is_known_before_the_first_tick_and_no_rate_after_it() -> None:
    assert demand().load(since_s=0.0, target_ms=TARGET_MS).rps == 0.0
    load = demand((100.0, [request(99.0)], 4)).load(since_s=0.0, target_ms=TARGET_MS, woken=True)
    assert (load.rps, load.p95_ms, load.requests, load.in_flight, load.woken) == (0.0, 100.0, 1, 4, True)


def test_the_rate_is_of_the_newest_fifteen_seconds() -> None:
    ticks = [(float(at), [request(at - 1.0)] * 30, 0) for at in range(100, 200, 5)]
    quiet: list[tuple[float, list[dict[str, Any]], int]] = [(200.0, [], 0), (205.0, [], 0)]
    assert rate(demand(*ticks)) == 6.0
    assert rate(demand(*ticks, *quiet)) == 2.0
    assert rate(demand(*ticks, *quiet, (210.0, [], 0))) == 0.0


def test_a_moment_is_no_rate() -> None:
    assert rate(demand((100.0, [], 0), (100.1, [request(100.0)] * 15, 0))) == 1.0


def test_what_the_engines_have_under_way_more_has_arrived_too() -> None:
    assert rate(demand((100.0, [], 10), (115.0, [request(110.0)] * 30, 40))) == 4.0
    assert rate(demand((100.0, [], 40), (115.0, [request(110.0)] * 30, 10))) == 0.0
    assert rate(demand((100.0, [], 40), (115.0, [], 0))) == 0.0
    assert rate(demand((100.0, [], None), (115.0, [request(110.0)] * 30, 40))) == 2.0
    assert rate(demand((100.0, [], 10), (115.0, [request(110.0)] * 30, None))) == 2.0


def test_a_log_that_was_late_says_nothing_of_now() -> None:
    late = [request(130.0)] * 1_000
    load = demand((200.0, [], 0), (215.0, [*late, *[request(141.0)] * 15], 0)).load(since_s=0.0, target_ms=TARGET_MS)
    assert (load.rps, load.requests) == (1.0, 15)


def test_latencies_are_of_the_last_minute_and_of_what_arrived_since() -> None:
    made = demand((0.0, [], 0), (5.0, [request(4.0, 900.0)], 0), (10.0, [request(9.0, 200.0), request(9.5, 300.0)], 0))
    assert made.load(since_s=0.0, target_ms=TARGET_MS).p95_ms == 900.0
    assert made.load(since_s=5.0, target_ms=TARGET_MS).p95_ms == 300.0
    assert made.load(since_s=9.0, target_ms=TARGET_MS).requests == 1
    for at in range(15, 75, 5):
        made.add(float(at), [], 0)
    load = made.load(since_s=0.0, target_ms=TARGET_MS)
    assert (load.p95_ms, load.requests) == (None, 0)


def test_what_failed_at_once_is_no_answer_and_what_took_too_long_is_one() -> None:
    rows = [request(9.0, 5.0, 400), request(9.0, 4_000.0, 500), request(9.0, 5_001.0, 499), request(9.0, 100.0)]
    load = demand((0.0, [], 0), (10.0, rows, 0)).load(since_s=0.0, target_ms=TARGET_MS)
    assert (load.p95_ms, load.requests) == (5_001.0, 2)


def test_what_no_replica_took_was_asked_for_and_has_no_latency() -> None:
    refused = [request(9.0, 1.0, 429, None)] * 40 + [request(9.0, 30_000.0, 503, None), request(9.0, 9_000.0, 499, None)]
    load = demand((0.0, [], 0), (15.0, [*refused, *[request(14.0)] * 3], 0)).load(since_s=0.0, target_ms=TARGET_MS)
    assert (load.rps, load.p95_ms, load.requests) == (3.0, 100.0, 3)


def test_what_waited_for_a_first_replica_is_no_rate_and_no_load_of_it() -> None:
    made = demand((0.0, [], 0))
    for asleep in range(5, 65, 5):
        made.add(float(asleep), [request(float(asleep), 60_000.0, 503, None)] * 50, 0, answers=False)
    held = [request(67.0, 60_000.0)] * 90
    # They have not come to it at the first look, and are all gone at the third.
    for at, rows, in_flight in ((62.0, [], 0), (64.0, held[:30], 60), (67.0, held[30:], 0)):
        made.add(at, rows, in_flight)
        load = made.load(since_s=61.0, target_ms=TARGET_MS)
        # Where some come just after it woke, it is not silent.
        assert (load.rps, load.p95_ms, load.woken) == (0.0, None, at == 64.0)
    made.add(72.0, [request(70.0)] * 30, 0)
    load = made.load(since_s=61.0, target_ms=TARGET_MS)
    assert (load.rps, load.p95_ms, load.requests) == (2.0, 100.0, 30)


def test_a_moment_without_a_replica_begins_anew() -> None:
    made = demand((0.0, [], 0), (15.0, [request(14.0)] * 300, 0))
    assert rate(made) == 20.0
    made.add(20.0, [], 0, answers=False)
    assert rate(made) == 0.0


def test_at_once_is_the_most_that_the_engines_said_or_what_the_latencies_tell() -> None:
    def at_once(made: Demand) -> int:
        return made.load(since_s=0.0, target_ms=TARGET_MS).at_once

    assert at_once(demand((0.0, [], 3), (5.0, [], 7), (10.0, [], 2))) == 7
    assert at_once(demand((0.0, [], None), (10.0, [request(9.0, 3_000.0)] * 10, None))) == 3
    assert at_once(demand((0.0, [], None), (10.0, [request(9.0, 3_000.0)] * 11, None))) == 4
    # Of what was longer under way only the time that is looked at.
    assert at_once(demand((100.0, [], None), (110.0, [request(109.0, 90_000.0)] * 5, None))) == 5


def test_a_clock_that_is_set_back_begins_anew() -> None:
    made = demand((100.0, [], 50), (115.0, [request(114.0)] * 30, 50), (40.0, [request(39.0)] * 90, 0))
    assert rate(made) == 0.0
    made.add(55.0, [request(54.0)] * 15, 0)
    assert rate(made) == 1.0
