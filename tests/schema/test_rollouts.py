"""The explorer of rollouts through GraphQL: filters, order, steps and the file."""

from typing import Any

import pytest

from tests.schema.conftest import Answer, Api, NewRun, Run

pytestmark = pytest.mark.anyio
GROUPS = """query($id: ID!, $first: Int! = 10, $after: Cursor, $fromStep: Int, $toStep: Int, $step: Int, $datasetRow: Int,
    $filter: RolloutFilter, $order: StepOrder! = OLDEST_FIRST) { job(id: $id) { rolloutGroups(first: $first, after: $after,
    step: $step, fromStep: $fromStep, toStep: $toStep, datasetRow: $datasetRow, filter: $filter, order: $order) {
  nodes { step datasetRow outcome rewardOutput } pageInfo { hasNextPage endCursor } } } }"""


def group(row: int, *rewards: float | None) -> dict[str, Any]:
    made: dict[str, Any] = {"text": f"t{row}", "components": {}, "advantage": None, "tokens": 1, "truncated": False}
    completions = [{**made, "score_error": None, "reward": reward} for reward in rewards]
    return {"dataset_row": row, "prompt": "p", "completions": completions, "weights": {}}


@pytest.fixture
async def run(new_run: NewRun) -> Run:
    made = await new_run()
    for step in (1, 2, 3):
        row = {"step": step, "groups": [group(0, 1.0, 1.0), group(step, 0.0, float(step == 2)), group(9, None)]}
        await made.append("rollouts", [row | ({"stdout": "seen"} if step == 3 else {})])
    await made.metrics([1, 2, 3], reward=0.5, frac_reward_all_pass=0.25, kl=0.1)
    return made


async def groups(api: Api, run: Run, **given: Any) -> tuple[list[tuple[int, int]], Answer]:
    page = (await api.data(GROUPS, id=run.id, **given))["job"]["rolloutGroups"]
    return [(node["step"], node["datasetRow"]) for node in page["nodes"]], page["pageInfo"]


async def test_groups_are_filtered_ordered_and_paged(api: Api, run: Run) -> None:
    page = (await api.data(GROUPS, id=run.id, step=3))["job"]["rolloutGroups"]
    assert [(node["outcome"], node["rewardOutput"]) for node in page["nodes"]] == [
        ("ALL_PASS", "seen"),
        ("ALL_FAIL", "seen"),
        ("UNSCORED", "seen"),
    ]
    assert (await groups(api, run, filter={"outcome": ["MIXED"]}))[0] == [(2, 2)]
    assert (await groups(api, run, datasetRow=0, order="NEWEST_FIRST"))[0] == [(3, 0), (2, 0), (1, 0)]
    assert (await groups(api, run, fromStep=2, toStep=2, filter={"pattern": "^t[29]$"}))[0] == [(2, 2), (2, 9)]
    assert (await groups(api, run, filter={"search": "T9", "truncated": False, "scoreError": False}))[0] == [
        (1, 9),
        (2, 9),
        (3, 9),
    ]
    found, info = await groups(api, run, first=1, datasetRow=0, order="NEWEST_FIRST")
    assert (found, info["hasNextPage"]) == ([(3, 0)], True)
    found, info = await groups(api, run, first=2, datasetRow=0, order="NEWEST_FIRST", after=info["endCursor"])
    assert (found, info["hasNextPage"]) == ([(2, 0), (1, 0)], False)


async def test_the_steps_come_with_their_numbers(api: Api, run: Run) -> None:
    query = """query($id: ID!) { job(id: $id) { rolloutSteps { firstStep lastStep count series { key steps values } }
      rolloutsExportUrl(format: JSONL) } }"""
    found = (await api.data(query, id=run.id))["job"]
    assert found["rolloutSteps"] == {
        "firstStep": 1,
        "lastStep": 3,
        "count": 3,
        "series": [
            {"key": "frac_reward_all_pass", "steps": [1, 2, 3], "values": [0.25] * 3},
            {"key": "reward", "steps": [1, 2, 3], "values": [0.5] * 3},
        ],
    }
    assert found["rolloutsExportUrl"].endswith("/sums-rollouts.jsonl")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"step": 1, "fromStep": 1}, "Give either one step or a range of them."),
        ({"filter": {"pattern": "("}}, "This is no regular expression: missing ) at position 1."),
    ],
)
async def test_what_cannot_be_asked_is_refused(api: Api, run: Run, given: Answer, message: str) -> None:
    (error,) = (await api(GROUPS, id=run.id, **given))["errors"]
    assert error["message"] == message
