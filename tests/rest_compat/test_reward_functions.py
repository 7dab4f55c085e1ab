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
    }
    assert made["id"].startswith("rf_")
    assert (await client.get(f"/v1/reward_functions/{made['id']}")).json() == made
    assert (await client.get("/v1/reward_functions")).json() == {"object": "list", "data": [made], "has_more": False}


async def test_the_format_can_be_named(client: httpx2.AsyncClient) -> None:
    form = {"name": "r", "format": "trl"}
    answer = await client.post("/v1/reward_functions", data=form, files={"file": ("reward.py", things.REWARD)})
    assert (answer.status_code, answer.json()["format"]) == (201, "trl")


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
