"""Reward functions through GraphQL: made with weights and samples, tested, deleted; and weights in rollouts."""

from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from models.reward_function import RewardFunction
from tests.schema.conftest import REWARD, Api, NewRun

pytestmark = pytest.mark.anyio

ERRORS = "errors { __typename code reason message path hint ... on RewardFunctionRejected { issues { line message } } }"
FIELDS = """id name fileName format weights { name weight } trial { samples prompts rewards durationMs
  components { name weight values } warnings { line message } }"""
CREATE = f"""mutation($input: CreateRewardFunctionInput!) {{ createRewardFunction(input: $input) {{
  rewardFunction {{ {FIELDS} }} {ERRORS} }} }}"""
TEST = f"""mutation($input: TestRewardInput!) {{ testReward(input: $input) {{ test {{ rewards stdout durationMs
  components {{ name weight values }} errors {{ sample file line message }} }} {ERRORS} }} }}"""
DELETE = f"mutation($input: DeleteRewardFunctionInput!) {{ deleteRewardFunction(input: $input) {{ deletedId {ERRORS} }} }}"
PARTS = """def reward(completions, cases):
    return [{"right": case["x"], "short": 1 / len(text)} for text, case in zip(completions, cases)]
"""


async def made(api: Api, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await api.data(CREATE, input={"name": "r", "source": REWARD, **changes}))["createRewardFunction"]
    return found


async def kept(api: Api) -> int:
    async with api.server.platform.db.read() as session:
        return (await session.exec(select(func.count(col(RewardFunction.id))))).one()


async def test_weights_samples_and_the_file_name_are_taken(api: Api) -> None:
    samples = [{"prompt": "p", "completion": "ab", "columns": {"cases": {"x": 3}}}]
    found = await made(
        api, source=PARTS, weights=[{"name": "right", "weight": 2.0}], samples=samples, fileName="dir/mine.py", format="TRL"
    )
    assert found["errors"] == []
    row = found["rewardFunction"]
    assert (row["fileName"], row["weights"]) == ("mine.py", [{"name": "right", "weight": 2.0}])
    assert row["trial"] == {
        "samples": "GIVEN",
        "prompts": "TEXT",
        "rewards": [6.5],
        "durationMs": row["trial"]["durationMs"],
        "components": [
            {"name": "right", "weight": 2.0, "values": [3.0]},
            {"name": "short", "weight": 1.0, "values": [0.5]},
        ],
        "warnings": [],
    }


async def test_a_function_that_needs_its_rows_carries_its_warning(api: Api) -> None:
    trial = (await made(api, source=PARTS))["rewardFunction"]["trial"]
    assert (trial["samples"], trial["rewards"], trial["components"]) == ("BUILT_IN", None, [])
    assert [warning["line"] for warning in trial["warnings"]] == [2]


async def test_a_function_that_fails_its_test_is_data_with_its_line(api: Api) -> None:
    source = "import random\ndef reward(completions, **k):\n    return [random.random() for _ in completions]\n"
    found = await made(api, source=source)
    (error,) = found["errors"]
    assert (error["__typename"], error["path"]) == ("RewardFunctionRejected", ["source"])
    assert [issue["line"] for issue in error["issues"]] == [2]
    assert await kept(api) == 0
    assert (await made(api, source=source, allowNondeterministic=True))["errors"] == []


async def test_the_other_formats_are_taken(api: Api) -> None:
    found = await made(api, source="async def reward(args, sample):\n    return args.seed\n", format="MILES")
    assert found["rewardFunction"]["trial"]["rewards"] == [42.0] * 5
    found = await made(api, source="def compute_score(solution_str, **k):\n    return 0.5\n", format="VERL")
    assert found["rewardFunction"]["trial"]["rewards"] == [0.5] * 5


async def test_samples_are_scored_and_errors_told(api: Api) -> None:
    samples = [{"prompt": "p", "completion": "ab", "columns": {"cases": {"x": 3}}}]
    row = (await made(api, source=PARTS, samples=samples, weights=[{"name": "short", "weight": 0.0}]))["rewardFunction"]
    tested = (await api.data(TEST, input={"id": row["id"], "samples": samples}))["testReward"]
    assert (tested["errors"], tested["test"]["rewards"], tested["test"]["errors"]) == ([], [3.0], [])
    assert tested["test"]["components"][1] == {"name": "short", "weight": 0.0, "values": [0.5]}
    samples[0]["completion"] = ""
    tested = (await api.data(TEST, input={"id": row["id"], "samples": samples}))["testReward"]["test"]
    assert tested["rewards"] == [None]
    assert [(error["sample"], error["file"], error["line"]) for error in tested["errors"]] == [(None, "reward.py", 2)]


async def test_source_is_tested_without_being_stored(api: Api) -> None:
    samples = [{"prompt": "p", "completion": "ab", "columns": {"cases": {"x": 3}}}]
    weights = [{"name": "right", "weight": 2.0}]
    tested = await api.data(TEST, input={"source": PARTS, "samples": samples, "weights": weights, "fileName": "a/b.py"})
    assert (tested["testReward"]["test"]["rewards"], tested["testReward"]["errors"]) == ([6.5], [])
    tested = await api.data(TEST, input={"source": "def reward(:\n    pass\n", "fileName": "b.py"})
    assert tested["testReward"]["errors"] == []
    assert tested["testReward"]["test"]["rewards"] == []
    assert [(error["file"], error["line"]) for error in tested["testReward"]["test"]["errors"]] == [("b.py", 1)]
    tested = await api.data(TEST, input={"source": "def compute_score(solution_str, **k):\n    return 0.5\n", "format": "VERL"})
    assert tested["testReward"]["test"]["rewards"] == [0.5] * 5
    assert await kept(api) == 0


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, ["id"]),
        ({"id": "rf_1", "source": PARTS}, ["source"]),
        ({"id": "rf_1", "weights": []}, ["weights"]),
        ({"source": PARTS, "weights": [{"name": "no name", "weight": 1.0}]}, ["weights"]),
    ],
)
async def test_a_stored_function_or_source_is_given(api: Api, given: dict[str, Any], path: list[str]) -> None:
    found = (await api.data(TEST, input=given))["testReward"]
    assert (found["test"], [error["path"] for error in found["errors"]]) == (None, [path])


async def test_an_unknown_function_and_a_wrong_sample_are_named(api: Api) -> None:
    (error,) = (await api.data(TEST, input={"id": "rf_unknown"}))["testReward"]["errors"]
    assert (error["__typename"], error["path"]) == ("NotFoundError", ["id"])
    row = (await made(api))["rewardFunction"]
    samples = [{"prompt": 3, "completion": "c"}]
    (error,) = (await api.data(TEST, input={"id": row["id"], "samples": samples}))["testReward"]["errors"]
    assert error["path"] == ["samples", "0", "prompt"]


async def test_a_deleted_function_is_gone_everywhere(api: Api) -> None:
    row = (await made(api))["rewardFunction"]
    assert (await api.data(DELETE, input={"id": row["id"]}))["deleteRewardFunction"] == {"deletedId": row["id"], "errors": []}
    query = "query($id: ID!) { rewardFunction(id: $id) { id } node(id: $id) { id } rewardFunctions { nodes { id } } }"
    assert await api.data(query, id=row["id"]) == {"rewardFunction": None, "node": None, "rewardFunctions": {"nodes": []}}
    (error,) = (await api.data(DELETE, input={"id": row["id"]}))["deleteRewardFunction"]["errors"]
    assert (error["__typename"], error["path"]) == ("NotFoundError", ["id"])


async def test_a_job_that_has_ended_still_shows_what_it_ran(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    query = "query($id: ID!) { job(id: $id) { rewardFunction { id source } } jobs { nodes { rewardFunction { id } } } }"
    before = await api.data(query, id=run.id)
    await api.data("mutation($id: ID!) { cancelTrainingJob(input: {id: $id}) { errors { message } } }", id=run.id)
    gone = await api.data(DELETE, input={"id": before["job"]["rewardFunction"]["id"]})
    assert gone["deleteRewardFunction"]["errors"] == []
    assert await api.data(query, id=run.id) == before


async def test_a_function_in_use_is_a_conflict(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    query = "query($id: ID!) { job(id: $id) { rewardFunction { id } } }"
    reward_id = (await api.data(query, id=run.id))["job"]["rewardFunction"]["id"]
    (error,) = (await api.data(DELETE, input={"id": reward_id}))["deleteRewardFunction"]["errors"]
    assert (error["__typename"], error["path"]) == ("ConflictError", ["id"])
    assert run.id in error["message"]
    assert (await api.data(query, id=run.id))["job"]["rewardFunction"]["id"] == reward_id
