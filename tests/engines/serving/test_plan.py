"""Which replicas are started and which are told to end, decided without a host: scaling, updates, drains, failures in a row."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from engines.serving.plan import Wanted, plan, streak
from models import replica
from models.replica import Replica

BEGIN = datetime.fromisoformat("2026-11-29T00:00:00+00:00")


def row(name: str, status: str = "running", *, version: int = 1, host: str | None = "host", **values: Any) -> Replica:
    made = {"account_id": "acct", "deployment_id": "dep", "gpu_requested": {}, "created_at": at(0), "host_id": host, **values}
    return Replica(id=name, status=status, version=version, **made)


def at(second: float) -> datetime:
    return BEGIN + timedelta(seconds=second)


def planned(
    live: list[Replica], count: int, *, version: int = 1, draining: tuple[str, ...] = (), **more: Any
) -> tuple[int, list[str]]:
    made = plan(Wanted(version, count, **more), live, draining, replica.SCALED_DOWN)
    return made.start, [told.id for told, _ in made.stop]


@pytest.mark.parametrize(("live", "count", "start"), [([], 2, 2), (["a"], 3, 2), (["a", "b"], 2, 0)])
def test_what_is_missing_is_started(live: list[str], count: int, start: int) -> None:
    assert planned([row(name) for name in live], count) == (start, [])


def test_what_takes_no_traffic_yet_is_given_up_first_and_of_that_the_newest() -> None:
    live = [
        row("old", created_at=at(0)),
        row("new", created_at=at(5)),
        row("loads", "loading", created_at=at(2)),
        row("waits", "pending", created_at=at(3), host=None),
    ]
    assert planned(live, 3) == (0, ["waits"])
    assert planned(live, 2) == (0, ["waits", "loads"])
    assert planned(live, 1) == (0, ["waits", "loads", "new"])


def test_where_none_is_wanted_all_are_told_once() -> None:
    live = [row("a"), row("b", "loading"), row("c", "draining", stop_requested_at=at(1))]
    assert planned(live, 0) == (0, ["a", "b"])


def test_one_that_ends_does_not_count() -> None:
    assert planned([row("a"), row("b", "draining", stop_requested_at=at(1))], 2) == (1, [])


def test_nothing_is_started_before_its_time() -> None:
    assert planned([], 2, may_start=False) == (0, [])


def test_an_update_starts_one_beside_the_old_ones_and_then_lets_one_go() -> None:
    old = [row("a"), row("b")]
    assert planned(old, 2, version=2) == (1, [])
    assert planned([*old, row("c", "loading", version=2)], 2, version=2) == (0, [])
    assert planned([*old, row("c", version=2)], 2, version=2) == (1, ["a"])
    assert planned([old[1], row("c", version=2), row("d", "warming", version=2)], 2, version=2) == (0, [])
    assert planned([old[1], row("c", version=2), row("d", version=2)], 2, version=2) == (0, ["b"])


def test_an_update_lets_go_at_once_of_what_never_took_traffic() -> None:
    assert planned([row("a", "loading")], 1, version=2) == (1, ["a"])


def test_an_update_without_room_makes_some_where_there_are_several() -> None:
    waiting = row("c", "pending", version=2, host=None)
    assert planned([row("a"), row("b"), waiting], 2, version=2, room=False) == (0, ["a"])
    going = row("a", "draining", stop_requested_at=at(1))
    assert planned([going, row("b"), waiting], 2, version=2, room=False) == (0, [])
    # What the update has brought so far serves, so that the last old one may go too.
    assert planned([row("b"), row("c", version=2), waiting], 2, version=2, room=False) == (0, ["b"])


def test_an_update_without_room_beside_the_only_one_waits() -> None:
    live = [row("a"), row("b", "pending", version=2, host=None)]
    made = plan(Wanted(2, 1, room=False), live, (), replica.SCALED_DOWN)
    assert (made.start, list(made.stop), made.waits) == (0, [], True)


def test_replicas_of_a_host_that_drains_are_replaced_elsewhere_first() -> None:
    a, b = row("a", host="left"), row("b", host="stays")
    assert planned([a, b], 2, draining=("left",)) == (1, [])
    made = plan(Wanted(1, 2), [a, b, row("c", host="stays")], ("left",), replica.SCALED_DOWN)
    assert [(told.id, why) for told, why in made.stop] == [("a", replica.HOST_DRAINS)]


def test_where_no_other_host_has_room_they_end_without_a_replacement() -> None:
    waiting = row("b", "pending", host=None)
    assert planned([row("a", host="left"), waiting], 1, draining=("left",), room=False) == (0, ["a"])


def failed(name: str, second: float, **values: Any) -> Replica:
    return row(name, "failed", ended_at=at(second), **values)


def test_failures_count_in_a_row_since_one_was_ready() -> None:
    rows = [failed("a", 1), failed("b", 2), row("c", ready_at=at(3)), failed("d", 4), failed("e", 5)]
    found = streak(rows, at(0))
    assert (found.count, found.last and found.last.id, found.pause_s) == (2, "e", 5.0)


def test_one_that_had_served_is_the_first_failure_of_its_row() -> None:
    rows = [failed("a", 1), failed("b", 2), failed("c", 4, ready_at=at(0.5))]
    assert streak(rows, at(0)).count == 1


def test_a_host_that_went_away_and_what_was_before_are_no_failures() -> None:
    rows = [failed("a", 1), failed("b", 6, fail_reason=replica.HOST_GONE), row("c", "stopped", ended_at=at(7))]
    assert (streak(rows, at(5)).count, streak(rows, at(5)).last) == (0, None)
