"""The fewest outstanding requests win, no replica gets more than it may, and who waits is served in turn."""

import asyncio

import pytest

from engines.serving.router import Outcome, QueueFull, QueueSlow, Target
from tests.engines.serving import virtual_time
from tests.engines.serving.routing import A, B, C, table, target_of, took, waiting
from tests.engines.serving.virtual_time import VirtualLoop, settled

pytestmark = pytest.mark.anyio
OK, UNREACHABLE = Outcome.OK, Outcome.UNREACHABLE


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualLoop}


async def test_an_unknown_deployment_has_no_target() -> None:
    assert await table().take("dep", wait_s=60) is None


async def test_a_deployment_whose_targets_are_gone_has_none() -> None:
    made = table(A)
    made.set("dep", [])
    assert await made.take("dep", wait_s=60) is None


async def test_the_target_with_the_fewest_outstanding_requests_is_taken() -> None:
    made = table(A, B, C)
    leases = [await took(made) for _ in range(6)]
    for lease in leases:
        if lease.target in (B, C):
            lease.release(OK)
    assert {(await took(made)).target for _ in range(2)} == {B, C}
    assert {(await took(made)).target for _ in range(2)} == {B, C}


async def test_what_others_have_outstanding_counts_too() -> None:
    made = table(A, B)
    made.others("other", {A.replica_id: 3})
    assert [(await took(made)).target for _ in range(3)] == [B, B, B]
    made.others("other", {})
    assert [(await took(made)).target for _ in range(3)] == [A, A, A]


async def test_idle_targets_take_turns() -> None:
    made = table(A, B, C)
    order = []
    for _ in range(6):
        lease = await took(made)
        order.append(lease.target)
        lease.release(OK)
    assert order == [A, B, C, A, B, C]


async def test_equals_take_turns_beside_one_that_is_busy() -> None:
    made = table(A, B, C)
    made.others("other", {A.replica_id: 5})
    order = []
    for _ in range(6):
        lease = await took(made)
        order.append(lease.target)
        lease.release(OK)
    assert order == [B, C, B, C, B, C]


async def test_a_burst_is_spread_evenly() -> None:
    made = table(A, B, C)
    for _ in range(30):
        await took(made)
    assert made.counts() == {"rep_a": 10, "rep_b": 10, "rep_c": 10}


async def test_a_released_lease_counts_no_more_and_only_once() -> None:
    made = table(A)
    first, second = await took(made), await took(made)
    first.release(OK)
    first.release(UNREACHABLE)
    assert made.outstanding("rep_a") == 1
    second.release(OK)
    assert made.counts() == {}
    assert (await took(made)).target == A


async def test_counts_outlive_a_change_of_targets() -> None:
    made = table(A, B)
    lease = await took(made, without=[B])
    made.set("dep", [B])
    made.set("dep", [A, B])
    assert made.counts() == {"rep_a": 1}
    made.set("dep", [])
    assert made.counts() == {"rep_a": 1}
    lease.release(OK)
    assert (made.counts(), made._replicas, made._deployments) == ({}, {}, {})


async def test_a_target_that_moved_is_asked_at_its_new_place() -> None:
    made = table(A)
    lease = await took(made)
    moved = Target(A.replica_id, "http://127.0.0.1/moved", "served")
    made.set("dep", [moved])
    assert (lease.target, (await took(made)).target, made.counts()) == (A, moved, {"rep_a": 2})


async def test_a_target_that_moved_is_asked_though_it_was_left_alone_at_its_old_place() -> None:
    made = table(A)
    (await took(made)).release(UNREACHABLE)
    made.set("dep", [Target(A.replica_id, A.url, "served")])
    assert await made.take("dep", wait_s=60) is None
    made.set("dep", [Target(A.replica_id, "http://127.0.0.1/moved", "served")])
    assert (await took(made)).target.url == "http://127.0.0.1/moved"


async def test_fewer_targets_than_before_are_all_reached() -> None:
    made = table(A, B, C)
    for _ in range(2):
        await took(made)
    made.set("dep", [B])
    assert (await took(made)).target == B


async def test_deployments_do_not_share_targets() -> None:
    made = table(A, cap=1)
    made.set("other", [B])
    one, other = await took(made), await made.take("other", wait_s=0)
    assert other is not None and (one.target, other.target) == (A, B)
    task = await waiting(made)
    other.release(OK)
    await settled()
    assert not task.done()
    one.release(OK)
    assert await target_of(task) == A


async def test_what_is_left_out_is_not_taken() -> None:
    made = table(A, B)
    assert [(await took(made, without=[A])).target for _ in range(2)] == [B, B]
    assert await made.take("dep", without={A: 0.0, B: 0.0}, wait_s=60) is None


async def test_a_replica_never_has_more_than_the_cap_and_who_comes_waits_in_line() -> None:
    made = table(A, B, cap=2)
    leases = [await took(made) for _ in range(4)]
    tasks = [await waiting(made) for _ in range(3)]
    assert (made.counts(), made.waiting("dep"), made.waiting("other")) == ({"rep_a": 2, "rep_b": 2}, 3, 0)
    for lease, task in zip(leases, tasks, strict=False):
        lease.release(OK)
        assert await target_of(task) == lease.target
    assert (made.counts(), made.waiting("dep")) == ({"rep_a": 2, "rep_b": 2}, 0)


async def test_what_others_have_counts_against_the_cap() -> None:
    made = table(A, cap=3)
    made.others("one", {"rep_a": 1})
    made.others("two", {"rep_a": 1, "rep_unknown": 7})
    await took(made)
    task = await waiting(made)
    made.others("one", {"rep_a": 2})
    await settled()
    assert not task.done()
    made.others("two", {})
    await settled()
    assert not task.done()
    made.others("one", {"rep_a": 1})
    assert await target_of(task) == A


async def test_what_others_have_at_a_replica_is_known_when_it_comes() -> None:
    made = table(A, cap=1)
    made.others("one", {"rep_b": 1})
    await took(made)
    task = await waiting(made)
    made.set("dep", [A, B])
    await settled()
    assert not task.done()
    made.others("one", {})
    assert await target_of(task) == B


async def test_a_full_line_is_refused_at_once() -> None:
    made = table(A, cap=1, queue=2)
    lease = await took(made)
    tasks = [await waiting(made) for _ in range(2)]
    with pytest.raises(QueueFull):
        await made.take("dep", wait_s=60)
    lease.release(OK)
    assert await target_of(tasks[0]) == A
    await waiting(made)


async def test_without_a_line_what_is_busy_refuses() -> None:
    made = table(A, cap=1, queue=0)
    await took(made)
    with pytest.raises(QueueFull):
        await made.take("dep", wait_s=60)


async def test_who_waits_too_long_is_told_so_and_leaves_the_line() -> None:
    made = table(A, cap=1)
    lease = await took(made)
    began = virtual_time.now()
    last = await waiting(made, 9)
    with pytest.raises(QueueSlow):
        await made.take("dep", wait_s=3)
    assert (virtual_time.now() - began, made.waiting("dep")) == (3.0, 1)
    lease.release(OK)
    assert await target_of(last) == A


async def test_a_cancelled_request_leaves_the_line() -> None:
    made = table(A, cap=1)
    lease = await took(made)
    first, second = await waiting(made), await waiting(made)
    first.cancel()
    lease.release(OK)
    assert await target_of(second) == A
    assert (first.cancelled(), made.waiting("dep"), made.counts()) == (True, 0, {"rep_a": 1})


async def test_a_request_that_is_cancelled_as_it_gets_its_place_hands_it_on() -> None:
    made = table(A, cap=1)
    lease = await took(made)
    first, second = await waiting(made), await waiting(made)
    lease.release(OK)
    first.cancel()
    assert await target_of(second) == A
    assert (first.cancelled(), made.counts()) == (True, {"rep_a": 1})


async def test_nobody_overtakes_the_line() -> None:
    made = table(A, cap=1)
    lease = await took(made)
    first = await waiting(made)
    lease.release(OK)
    # The place is given away, though nobody has come for it yet.
    late = asyncio.create_task(made.take("dep", wait_s=60))
    assert await target_of(first) == A
    assert not late.done()


async def test_who_cannot_use_a_place_does_not_keep_it_from_those_behind() -> None:
    made = table(A, B, cap=1)
    leases = {lease.target: lease for lease in (await took(made), await took(made))}
    picky, easy = await waiting(made, without=[A]), await waiting(made)
    leases[A].release(OK)
    assert await target_of(easy) == A
    assert not picky.done()
    leases[B].release(OK)
    assert await target_of(picky) == B


async def test_a_replica_that_comes_wakes_the_line() -> None:
    made = table(A, cap=2)
    for _ in range(2):
        await took(made)
    tasks = [await waiting(made) for _ in range(3)]
    made.set("dep", [A, B])
    assert [await target_of(task) for task in tasks[:2]] == [B, B]
    assert not tasks[2].done()


async def test_who_waits_for_replicas_that_go_is_told_that_there_is_none() -> None:
    made = table(A, B, cap=1)
    for _ in range(2):
        await took(made)
    picky, easy = await waiting(made, without=[A]), await waiting(made)
    made.set("dep", [A])
    assert await target_of(picky) is None
    assert not easy.done()
    made.set("dep", [])
    assert await target_of(easy) is None


async def test_a_process_leaves_those_who_wait_elsewhere_their_share() -> None:
    made = table(A, cap=4)
    leases = [await took(made) for _ in range(4)]
    first, second, third = [await waiting(made) for _ in range(3)]
    assert made.wanted() == {"rep_a": 3}
    made.others("other", {}, {"rep_a": 1})
    leases[0].release(OK)
    await settled()
    assert not first.done()
    leases[1].release(OK)
    assert await target_of(first) == A
    made.others("other", {"rep_a": 1})
    leases[2].release(OK)
    assert await target_of(second) == A
    made.others("other", {"rep_a": 1}, {"rep_a": 50})
    leases[3].release(OK)
    await settled()
    assert not third.done()
    made.others("other", {})
    assert await target_of(third) == A


async def test_only_what_can_be_used_is_wanted() -> None:
    made = table(A, B, C, cap=1)
    (await took(made, without=[A, B])).release(UNREACHABLE)
    for _ in range(2):
        await took(made)
    await waiting(made, without=[A])
    await waiting(made)
    assert made.wanted() == {"rep_a": 1, "rep_b": 2}
