"""The fewest outstanding requests win, whatever order they come and go in."""

from engines.serving.router import Table, Target

A, B, C = (Target(f"rep_{name}", f"http://127.0.0.1/{name}") for name in "abc")


def table(*targets: Target) -> Table:
    made = Table()
    made.set("dep", targets)
    return made


def test_an_unknown_deployment_has_no_target() -> None:
    assert Table().pick("dep") is None


def test_a_deployment_whose_targets_are_gone_has_none() -> None:
    made = table(A)
    made.set("dep", [])
    assert made.pick("dep") is None


def test_the_target_with_the_fewest_outstanding_requests_is_picked() -> None:
    made = table(A, B, C)
    for target in (A, A, B, C, C):
        made.acquire(target)
    assert [made.pick("dep") for _ in range(6)] == [B] * 6


def test_idle_targets_take_turns() -> None:
    made = table(A, B, C)
    picked = [made.pick("dep") for _ in range(6)]
    assert {picked.count(target) for target in (A, B, C)} == {2}


def test_a_burst_is_spread_evenly() -> None:
    made = table(A, B, C)
    for _ in range(30):
        target = made.pick("dep")
        assert target is not None
        made.acquire(target)
    assert [made.outstanding(target) for target in (A, B, C)] == [10, 10, 10]


def test_a_released_lease_counts_no_more_and_only_once() -> None:
    made = table(A, B)
    first, second = made.acquire(A), made.acquire(A)
    first.release()
    first.release()
    assert made.outstanding(A) == 1
    second.release()
    assert made.outstanding(A) == 0


def test_counts_outlive_a_change_of_targets() -> None:
    made = table(A, B)
    lease = made.acquire(A)
    made.set("dep", [B])
    made.set("dep", [A, B])
    assert made.outstanding(A) == 1
    made.set("dep", [])
    lease.release()
    assert made.outstanding(A) == 0


def test_deployments_do_not_share_targets() -> None:
    made = table(A)
    made.set("other", [B])
    assert (made.pick("dep"), made.pick("other")) == (A, B)
