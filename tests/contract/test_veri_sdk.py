"""The published `veri-sdk` 0.2.1, for everything that needs no engine but a stand-in for one."""

import asyncio
import tarfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import veri_sdk
from veri_sdk.client import Dataset, RewardFunction

from tests.conftest import Server
from tests.rest_compat import things
from tests.rest_compat.replica import USAGE, Replica

pytestmark = pytest.mark.anyio


async def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await asyncio.to_thread(function, *args, **options)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    path.write_bytes(things.ROWS)
    return str(path)


@pytest.fixture
def reward(tmp_path: Path) -> str:
    path = tmp_path / "exact.py"
    path.write_bytes(things.REWARD)
    return str(path)


async def created(veri: veri_sdk.Client, rows: str, reward: str, **options: Any) -> Any:
    dataset = await call(veri.datasets.upload, rows)
    function = await call(veri.reward_functions.upload, reward)
    return await call(
        veri.training_jobs.create,
        "Qwen/Qwen3-4B",
        dataset.id,
        "sums",
        gpu_type="A100-80GB",
        gpu_count=1,
        reward_function_id=function.id,
        **options,
    )


def test_the_client_is_the_published_one() -> None:
    assert version("veri-sdk") == "0.2.1"


async def test_datasets(veri: veri_sdk.Client, rows: str) -> None:
    made = await call(veri.datasets.upload, rows, name="gsm8k")
    assert made == Dataset(made.id, "gsm8k", "upload", None, None)
    assert await call(veri.datasets.get, made.id) == made
    other = await call(veri.datasets.upload, rows)
    assert await call(veri.datasets.list, limit=1) == [other]
    assert await call(veri.datasets.list, after=other.id) == [made]


async def test_reward_functions(veri: veri_sdk.Client, reward: str) -> None:
    made = await call(veri.reward_functions.upload, reward)
    assert made == RewardFunction(made.id, "exact", "trl")
    assert await call(veri.reward_functions.get, made.id) == made
    assert await call(veri.reward_functions.list) == [made]


async def test_a_job_is_created_listed_and_cancelled(veri: veri_sdk.Client, rows: str, reward: str) -> None:
    made = await created(veri, rows, reward, hyperparameters={"max_steps": 3}, provider="local")
    assert (made.status, made.base_model, made.cost_usd, made.error_message) == ("queued", "Qwen/Qwen3-4B", None, None)
    assert (await call(veri.training_jobs.get, made.id)).id == made.id
    assert [job.id for job in await call(veri.training_jobs.list, status="queued", method="grpo")] == [made.id]
    cancelled = await call(veri.training_jobs.cancel, made.id)
    assert cancelled.status == "cancelled"
    assert (await call(cancelled.wait)).status == "cancelled"
    assert await call(veri.training_jobs.list, status="queued") == []


async def test_a_completed_job_is_downloaded(
    veri: veri_sdk.Client, server: Server, rows: str, reward: str, tmp_path: Path
) -> None:
    async with server.client() as client:
        done = await things.completed_job(server, client)
    job = await call(veri.training_jobs.get, done["id"])
    assert (await call(job.wait)).status == "completed"
    folder = await call(job.download, str(tmp_path / "out"))
    # The client writes whatever it gets under this name; what it gets is an archive.
    with tarfile.open(Path(folder) / "model.safetensors") as archive:
        assert sorted(archive.getnames()) == sorted(things.FILES)


async def test_deployments(veri: veri_sdk.Client, server: Server) -> None:
    gpu = {"gpu_type": "H100", "gpu_count": 1}
    made = await call(veri.deployments.create, "Qwen/Qwen3-4B", "qwen", gpu=gpu, source="huggingface")
    assert (made.status, made.gpu, made.total_cost_usd, made.endpoint_url) == ("queued", {"type": "H100", "count": 1}, 0, None)
    assert [row.id for row in await call(veri.deployments.list, status="queued")] == [made.id]
    assert (await call(veri.deployments.get, made.id)).name == "qwen"
    assert (await call(made.stop)).status == "stopped"
    assert (await call(made.wait)).status == "stopped"


async def test_a_deployment_answers(veri: veri_sdk.Client, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    deployment = await call(veri.deployments.get, row.id)
    answer = await call(deployment.chat, [{"role": "user", "content": "2+2?"}], max_tokens=5)
    assert answer["choices"][0]["message"]["content"] == "four it is"
    assert answer["usage"] == USAGE
    await server.platform.gateway.flush()
    (logged,) = await call(deployment.requests)
    assert (logged["status_code"], logged["prompt_tokens"], logged["completion_tokens"]) == (200, 3, 2)
    assert (await call(deployment.metrics))["total_requests"] == 1


async def test_refusals_are_http_errors_with_their_status(veri: veri_sdk.Client, server: Server) -> None:
    wrong = veri_sdk.Client(api_key="vk_wrong", base_url=server.url)
    wanted: list[tuple[int, Callable[..., Any], tuple[Any, ...]]] = [
        (401, wrong.datasets.list, ()),
        (404, veri.training_jobs.get, ("job_unknown",)),
        (404, veri.deployments.stop, ("dep_unknown",)),
        (422, veri.datasets.list, (0,)),
        (400, veri.datasets.list, (20, "ds_unknown")),
    ]
    for status, function, arguments in wanted:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await call(function, *arguments)
        assert caught.value.response.status_code == status
    wrong._http.close()
