"""Reward functions over REST."""

import hashlib

import httpx2
import pytest
from sqlmodel import select

from models.reward_function import RewardFunction
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


async def test_an_upload_answers_with_the_reward_function(client: httpx2.AsyncClient) -> None:
    made = await things.reward_function(client, "math_reward")
    assert made == {
        "id": made["id"],
        "object": "reward_function",
        "name": "math_reward",
        "format": "trl",
        "sha256": hashlib.sha256(things.REWARD).hexdigest(),
        "created_at": made["created_at"],
        "file_name": "reward.py",
        "weights": None,
        "trial": {
            "samples": "built-in",
            "prompts": "text",
            "rewards": [1.0] * 5,
            "components": {},
            "duration_ms": made["trial"]["duration_ms"],
            "warnings": [],
        },
    }
    assert made["id"].startswith("rf_")
    assert (await client.get(f"/v1/reward_functions/{made['id']}")).json() == made
    assert (await client.get("/v1/reward_functions")).json() == {"object": "list", "data": [made], "has_more": False}


async def test_the_format_can_be_named(client: httpx2.AsyncClient) -> None:
    sources = {
        "trl": things.REWARD,
        "miles": b"async def reward(args, sample):\n    return 1.0\n",
        "verl": b"def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    return 1.0\n",
    }
    for name, source in sources.items():
        form = {"name": "r", "format": name}
        answer = await client.post("/v1/reward_functions", data=form, files={"file": ("reward.py", source)})
        assert (answer.status_code, answer.json()["format"]) == (201, name)


async def test_weights_and_samples_are_json_fields(client: httpx2.AsyncClient) -> None:
    source = b"def reward(completions, cases):\n    return [{'right': case['x']} for case in cases]\n"
    form = {"name": "r", "weights": '{"right": 2}', "samples": '[{"prompt": "p", "completion": "c", "cases": {"x": 3}}]'}
    answer = await client.post("/v1/reward_functions", data=form, files={"file": ("folder/my reward.py", source)})
    made = answer.json()
    assert (answer.status_code, made["weights"], made["file_name"]) == (201, {"right": 2.0}, "my reward.py")
    assert (made["trial"]["samples"], made["trial"]["rewards"]) == ("given", [6.0])


@pytest.mark.parametrize(
    ("form", "status", "param"),
    [
        ({"weights": "{"}, 422, "weights"),
        ({"weights": '{"a": "x"}'}, 422, "weights.a"),
        ({"weights": '{"a b": 1}'}, 400, "weights"),
        ({"weights": '{"a": 1e999}'}, 422, "weights"),
        ({"samples": "[]"}, 422, "samples"),
        ({"samples": '[{"prompt": "p"}]'}, 422, "samples.0.completion"),
        ({"allow_nondeterministic": "perhaps"}, 422, "allow_nondeterministic"),
        ({"wieghts": "{}"}, 422, "wieghts"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(
    client: httpx2.AsyncClient, server: Server, form: dict[str, str], status: int, param: str
) -> None:
    files = {"file": ("r.py", things.REWARD)}
    answer = await client.post("/v1/reward_functions", data={"name": "r", **form}, files=files)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text
    async with server.platform.db.read() as session:
        assert (await session.exec(select(RewardFunction))).all() == []


async def test_samples_are_scored(client: httpx2.AsyncClient) -> None:
    made = await things.reward_function(client)
    samples = [{"prompt": "1+1", "completion": "2", "answer": "2"}]
    answer = await client.post(f"/v1/reward_functions/{made['id']}/test", json={"samples": samples})
    tested = answer.json()
    assert answer.status_code == 200
    assert tested == {
        "object": "reward_test",
        "rewards": [1.0],
        "components": {},
        "weights": {},
        "stdout": "",
        "duration_ms": tested["duration_ms"],
        "errors": [],
    }


async def test_what_a_function_does_wrong_is_told_with_its_file_and_line(client: httpx2.AsyncClient) -> None:
    source = b"def reward(completions, **k):\n    print('here')\n    return [1 / (len(c) - 77) for c in completions]\n"
    files = {"file": ("mine.py", source)}
    made = (await client.post("/v1/reward_functions", data={"name": "r"}, files=files)).json()
    samples = [{"prompt": "p", "completion": "x" * 77}]
    tested = (await client.post(f"/v1/reward_functions/{made['id']}/test", json={"samples": samples})).json()
    assert (tested["rewards"], tested["stdout"]) == ([None], "here\n")
    (error,) = tested["errors"]
    assert (error["sample"], error["file"], error["line"]) == (None, "mine.py", 3)
    assert error["message"].endswith("ZeroDivisionError: division by zero")


async def test_a_deleted_function_is_404_and_one_in_use_409(client: httpx2.AsyncClient, server: Server) -> None:
    queued = await things.queued_job(client)
    path = f"/v1/reward_functions/{queued['reward_function_id']}"
    before = await things.everything(server)
    answer = await client.delete(path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "conflict_error")
    assert queued["id"] in answer.json()["error"]["message"]
    assert await things.everything(server) == before
    await client.post(f"/v1/training_jobs/{queued['id']}/cancel")
    answer = await client.delete(path)
    assert (answer.status_code, answer.json()) == (
        200, {"id": queued["reward_function_id"], "object": "reward_function", "deleted": True},
    )  # fmt: skip
    for method, url in (("GET", path), ("DELETE", path), ("POST", f"{path}/test")):
        assert (await client.request(method, url, json={})).status_code == 404
    assert (await client.get("/v1/reward_functions")).json()["data"] == []
    assert (await client.get(f"/v1/training_jobs/{queued['id']}")).json()["reward_function_id"] == queued["reward_function_id"]


@pytest.mark.parametrize(
    ("source", "form", "line"),
    [
        (b"def reward(:\n", {}, 1),
        (b"x = 1\n\ndef score(completions):\n    return []\n", {}, 3),
        (things.REWARD, {"format": "nonsense"}, None),
    ],
)
async def test_a_file_that_cannot_work_is_refused_with_its_line(
    client: httpx2.AsyncClient, server: Server, source: bytes, form: dict[str, str], line: int | None
) -> None:
    answer = await client.post("/v1/reward_functions", data={"name": "r", **form}, files={"file": ("r.py", source)})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_reward_function", "file")
    assert [item["line"] for item in error["details"]] == [line]
    async with server.platform.db.read() as session:
        assert (await session.exec(select(RewardFunction))).all() == []


async def test_a_file_past_the_limit_is_413(client: httpx2.AsyncClient, server: Server) -> None:
    most = server.platform.core.settings.max_reward_bytes
    form = {"data": {"name": "r"}, "files": {"file": ("r.py", b"#" * (most + 1))}}
    answer = await client.post("/v1/reward_functions", **form)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["param"]) == (413, "file")


async def test_the_field_is_called_file(client: httpx2.AsyncClient) -> None:
    form = {"data": {"name": "r"}, "files": {"source": ("r.py", things.REWARD)}}
    answer = await client.post("/v1/reward_functions", **form)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, "file: this field is required")
