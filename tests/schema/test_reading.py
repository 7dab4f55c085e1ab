"""What a run leaves behind, read back: logs, events, metrics as columns, rollouts."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from burnish.kit import clock
from models import job
from models.job import Job
from resolvers import progress
from tests.schema.conftest import Api, NewRun

pytestmark = pytest.mark.anyio

METRICS = """query($id: ID!, $keys: [String!], $from: Int, $to: Int, $most: Int! = 500) {
  job(id: $id) { metricKeys metrics(keys: $keys, fromStep: $from, toStep: $to, maxPoints: $most) {
    key steps values lower upper sampled } } }"""
ROLLOUTS = """query($id: ID!, $step: Int, $first: Int! = 10, $after: Cursor) { job(id: $id) {
  rolloutGroups(step: $step, first: $first, after: $after) { pageInfo { hasNextPage endCursor }
    nodes { id step attempt prompt datasetRow rewardMean rewardStd zeroVariance
      completions { id text reward advantage tokens truncated scoreError components { name value } } } } } }"""


def group(*rewards: float | None, prompt: Any = "1 + 1 = ?") -> dict[str, Any]:
    completions = [
        {
            "text": f"answer {index}",
            "reward": reward,
            "components": {"correct": reward},
            "advantage": None if reward is None else 0.5,
            "tokens": 3,
            "truncated": index == 1,
            "score_error": "ZeroDivisionError" if reward is None else None,
        }
        for index, reward in enumerate(rewards)
    ]
    return {"dataset_row": 4, "prompt": prompt, "completions": completions}


async def test_logs_are_paged_and_carry_what_a_line_has(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await run.log("one", "two", "three")
    query = """query($id: ID!, $after: Cursor) { job(id: $id) { logs(first: 2, after: $after) {
      nodes { message source level attempt at cursor } pageInfo { hasNextPage endCursor } } } }"""
    first = (await api.data(query, id=run.id))["job"]["logs"]
    assert [line["message"] for line in first["nodes"]] == ["Status: queued", "one"]
    assert first["nodes"][1]["at"].endswith("Z")
    rest = (await api.data(query, id=run.id, after=first["pageInfo"]["endCursor"]))["job"]["logs"]
    assert [line["message"] for line in rest["nodes"]] == ["two", "three"]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    events = "query($id: ID!, $after: Cursor) { job(id: $id) { events(after: $after) { nodes { type attempt } } } }"
    assert (await api.data(events, id=run.id))["job"]["events"]["nodes"] == [{"type": "created", "attempt": 0}]
    (error,) = (await api(events, id=run.id, after=first["pageInfo"]["endCursor"]))["errors"]
    assert error["message"] == "This cursor belongs to another list or stream."


async def test_metrics_are_columns_and_the_newest_attempt_counts(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await run.metrics([1, 2, 3], reward=0.25, kl=1.5)
    await run.metrics([3, 4], attempt=2, reward=0.75)
    found = (await api.data(METRICS, id=run.id))["job"]["metrics"]
    assert found == [
        {"key": "kl", "steps": [1, 2], "values": [1.5, 1.5], "lower": None, "upper": None, "sampled": False},
        {
            "key": "reward",
            "steps": [1, 2, 3, 4],
            "values": [0.25, 0.25, 0.75, 0.75],
            "lower": None,
            "upper": None,
            "sampled": False,
        },
    ]
    part = (await api.data(METRICS, id=run.id, keys=["reward", "none"], **{"from": 2, "to": 3}))["job"]["metrics"]
    assert [(series["key"], series["steps"]) for series in part] == [("reward", [2, 3])]
    (error,) = (await api(METRICS, id=run.id, most=2))["errors"]
    assert error["extensions"] == {"code": "INVALID", "param": "maxPoints"}


async def test_thinned_metrics_keep_every_spike_and_both_ends(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    values = [0.5] * 1000
    values[0], values[371], values[372], values[999] = 1.0, 99.0, -99.0, 2.0
    await run.append("metrics", [{"step": step, "values": {"reward": value}} for step, value in enumerate(values)])
    (series,) = (await api.data(METRICS, id=run.id, most=50))["job"]["metrics"]
    assert series["sampled"] is True
    assert len(series["steps"]) == len(series["values"]) == len(series["lower"]) == len(series["upper"]) == 50
    assert (series["steps"][0], series["values"][0]) == (0, 1.0)
    assert (series["steps"][-1], series["values"][-1]) == (999, 2.0)
    assert (max(series["upper"]), min(series["lower"])) == (99.0, -99.0)
    assert series["steps"] == sorted(set(series["steps"]))


async def test_every_point_is_in_exactly_one_bucket(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    count = 59
    await run.append("metrics", [{"step": step, "values": {"a": float(step)}} for step in range(count)])
    for most in (3, 4, 10, 29, 57, 58):
        (found,) = (await api.data(METRICS, id=run.id, most=most))["job"]["metrics"]
        ends = [-1, *found["steps"]]
        sizes = [after - before for before, after in pairwise(ends)]
        assert sum(round(value * size) for value, size in zip(found["values"], sizes, strict=True)) == sum(range(count))
        assert (len(found["steps"]), sizes[0], sizes[-1], min(sizes)) == (most, 1, 1, 1)


async def test_rollouts_are_groups_with_every_component(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    messages = [{"role": "user", "content": "hi"}]
    await run.append("rollouts", [{"step": 1, "groups": [group(1.0, 0.0), group(None, None, prompt=messages)]}])
    await run.append("rollouts", [{"step": 2, "groups": [group(0.5, 0.5)]}])
    first = (await api.data(ROLLOUTS, id=run.id, first=2))["job"]["rolloutGroups"]
    one, two = first["nodes"]
    assert (one["step"], one["attempt"], one["datasetRow"], one["prompt"]) == (1, 1, 4, "1 + 1 = ?")
    assert (one["rewardMean"], one["rewardStd"], one["zeroVariance"]) == (0.5, 0.5, False)
    assert one["completions"][1] == {
        "id": "1-0-1",
        "text": "answer 1",
        "reward": 0.0,
        "advantage": 0.5,
        "tokens": 3,
        "truncated": True,
        "scoreError": None,
        "components": [{"name": "correct", "value": 0.0}],
    }
    assert (two["prompt"], two["rewardMean"], two["zeroVariance"]) == (messages, None, False)
    assert two["completions"][0]["scoreError"] == "ZeroDivisionError"
    after = first["pageInfo"]["endCursor"]
    rest = (await api.data(ROLLOUTS, id=run.id, first=2, after=after))["job"]["rolloutGroups"]
    assert ([node["step"] for node in rest["nodes"]], rest["pageInfo"]["hasNextPage"]) == ([2], False)
    assert rest["nodes"][0]["zeroVariance"] is True
    of_two = (await api.data(ROLLOUTS, id=run.id, step=2))["job"]["rolloutGroups"]
    assert of_two["nodes"] == rest["nodes"]


async def test_rollouts_that_a_later_attempt_went_over_again_are_left_out(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await run.append("rollouts", [{"step": step, "groups": [group(0.0)]} for step in (1, 2, 3, 4)])
    await run.append("rollouts", [{"step": step, "groups": [group(1.0)]} for step in (3, 4, 5)], attempt=2)
    found = (await api.data(ROLLOUTS, id=run.id))["job"]["rolloutGroups"]["nodes"]
    assert [(node["step"], node["attempt"]) for node in found] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)]
    (only,) = (await api.data(ROLLOUTS, id=run.id, step=3))["job"]["rolloutGroups"]["nodes"]
    assert only["rewardMean"] == 1.0


async def test_progress_is_known_once_steps_are_done(new_run: NewRun) -> None:
    run = await new_run()
    started = clock.now() - timedelta(seconds=20)
    await run.move(job.PROVISIONING, job.RUNNING, started_at=started, current_step=5, total_steps=20)
    async with run.server.platform.db.read() as session:
        row = await session.get_one(Job, run.id)
    row.completed_at = started + timedelta(seconds=10)
    found = progress.of(row)
    assert (found.step, found.total_steps, found.fraction) == (5, 20, 0.25)
    assert (found.seconds_per_step, found.eta_seconds) == (2.0, 30)
    row.status = job.FAILED
    assert progress.of(row).eta_seconds is None
