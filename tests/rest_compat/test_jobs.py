"""Training jobs over REST: the documented objects, the errors, cancelling, and what a start costs."""

import asyncio
from typing import Any
from unittest.mock import ANY

import httpx2
import pytest
from sqlmodel import select

from burnish.kit import clock
from models import job
from models.account import Account
from models.job import Job
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
GRPO = {
    "learning_rate": 1e-6,
    "num_epochs": 1,
    "max_steps": None,
    "rollouts_per_prompt": 8,
    "kl_coef": 0.001,
    "max_prompt_length": 1024,
    "max_response_length": 2048,
    "global_batch_size": 64,
    "seed": 42,
}
OPTIONAL = {
    "lora_rank": None,
    "load_in_4bit": False,
    "checkpoint_every": None,
    "temperature": 1.0,
    "top_p": 1.0,
    "clip_eps": 0.2,
    "warmup_steps": 0,
    "max_tool_turns": 8,
    "eval_fraction": None,
    "eval_every": None,
    "early_stop_patience": None,
    "keep_best": False,
}
# What the documented object has not, after all that it has.
BEYOND = {
    "current_step": 0,
    "total_steps": None,
    "dropped_prompts": None,
    "environments": None,
    "checkpoint_destination": {"type": "veri"},
    "destination_url": None,
    "best_step": None,
    "resumed_from": None,
    "requires_heartbeat": False,
    "heartbeat_at": None,
    "max_cost_usd": None,
    # What it is made of is the business of test_memory.
    "memory_estimate": ANY,
    "peak_memory_bytes": None,
}
WRONG: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"gpu": {"type": "B2000", "count": 1}}, 400, "INVALID_GPU_TYPE", "gpu.type"),
    ({"gpu": {"type": "H100", "count": 0}}, 422, "schema_validation", "gpu.count"),
    ({"gpu": {"type": "H100"}}, 422, "schema_validation", "gpu.count"),
    ({"base_model": "../etc/passwd"}, 400, None, "base_model"),
    ({"dataset_id": "ds_unknown"}, 404, "resource_not_found", "dataset_id"),
    ({"reward_function_id": "rf_unknown"}, 404, "resource_not_found", "reward_function_id"),
    ({"reward_function_id": None}, 400, None, "reward_function_id"),
    (
        {"environments": {"coding_sandbox": {"splits": ["train"]}}, "reward_function_id": None},
        400,
        "integration_not_configured",
        "environments",
    ),
    ({"environments": {"coding_sandbox": {"splits": ["train"]}}}, 400, None, "environments"),
    ({"volume": "corpus"}, 400, "volume_unavailable", "volume"),
    ({"method": "sft_video_gen"}, 400, None, "reward_function_id"),
    ({"resume_from": "ckpt_unknown"}, 404, "resource_not_found", "resume_from"),
    ({"resume_from": "job_unknown@3"}, 404, "resource_not_found", "resume_from"),
    ({"requires_heartbeat": "perhaps"}, 422, "schema_validation", "requires_heartbeat"),
    ({"checkpoint_destination": {"type": "s3"}}, 422, "schema_validation", "checkpoint_destination.uri"),
    (
        {"checkpoint_destination": {"type": "s3", "uri": "http://10.0.0.1/x"}},
        422,
        "schema_validation",
        "checkpoint_destination.uri",
    ),
    (
        {"checkpoint_destination": {"type": "s3", "uri": "s3://bucket/../x"}},
        422,
        "schema_validation",
        "checkpoint_destination.uri",
    ),
    (
        {"checkpoint_destination": {"type": "s3", "uri": "s3://bucket/x"}},
        400,
        "destination_unavailable",
        "checkpoint_destination.uri",
    ),
    ({"checkpoint_destination": {"type": "hf"}}, 422, "schema_validation", "checkpoint_destination.repo"),
    ({"checkpoint_destination": {"type": "hf", "repo": "noslash"}}, 422, "schema_validation", "checkpoint_destination.repo"),
    ({"checkpoint_destination": {"type": "hf", "repo": "a/b"}}, 400, "integration_not_configured", "checkpoint_destination"),
    (
        {"checkpoint_destination": {"type": "veri", "uri": "s3://bucket/x"}},
        422,
        "schema_validation",
        "checkpoint_destination.uri",
    ),
    ({"checkpoint_destination": {"type": "veri", "private": True}}, 422, "schema_validation", "checkpoint_destination.private"),
    ({"method": "ppo"}, 400, None, "method"),
    ({"provider": "aws"}, 400, None, "provider"),
    ({"output_name": "no spaces"}, 422, "schema_validation", "output_name"),
    ({"hyperparameters": {"learning_rat": 1}}, 422, "schema_validation", "hyperparameters.learning_rat"),
    ({"hyperparameters": {"learning_rate": 2.0}}, 422, "schema_validation", "hyperparameters.learning_rate"),
    ({"hyperparameters": {"rollouts_per_prompt": 7}}, 422, "schema_validation", "hyperparameters.global_batch_size"),
    ({"checkpoint_destination": {"type": "ftp"}}, 422, "schema_validation", "checkpoint_destination.type"),
    ({"surprise": 1}, 422, "schema_validation", "surprise"),
]


async def jobs_in(server: Server) -> list[Job]:
    async with server.platform.db.read() as session:
        return list((await session.exec(select(Job))).all())


async def account_of(server: Server) -> Account:
    async with server.platform.db.read() as session:
        return await session.get_one(Account, server.tenant.account.id)


async def test_the_documented_request_gets_the_documented_answer(client: httpx2.AsyncClient, server: Server) -> None:
    given = await things.job_body(client)
    answer = await client.post(
        "/v1/training_jobs",
        json={
            **given,
            "method": "grpo",
            "output_name": "qwen3-4b-math",
            "hyperparameters": {
                "learning_rate": 1e-6,
                "num_epochs": 1,
                "rollouts_per_prompt": 8,
                "max_response_length": 2048,
                "global_batch_size": 64,
            },
            "gpu": {"type": "A100-80GB", "count": 1},
            "checkpoint_destination": {"type": "veri"},
        },
    )
    made = answer.json()
    assert answer.status_code == 201
    assert made == {
        "id": made["id"],
        "object": "training_job",
        "status": "queued",
        "base_model": "Qwen/Qwen3-4B",
        "dataset_id": given["dataset_id"],
        "reward_function_id": given["reward_function_id"],
        "method": "grpo",
        "output_name": "qwen3-4b-math",
        "hyperparameters": {**GRPO, **OPTIONAL},
        "dashboard_url": None,
        "download_url": None,
        "error": None,
        "gpu": None,
        "gpu_requested": {"type": "A100-80GB", "count": 1},
        "provider": None,
        "duration_seconds": None,
        "cost_usd": None,
        "started_at": None,
        "completed_at": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        **BEYOND,
    }
    assert list(made) == [
        "id", "object", "status", "base_model", "dataset_id", "reward_function_id", "method", "output_name", "hyperparameters",
        "dashboard_url", "download_url", "error", "gpu", "gpu_requested", "provider", "duration_seconds", "cost_usd",
        "started_at", "completed_at", "created_at", "updated_at", *BEYOND,
    ]  # fmt: skip
    assert list(made["hyperparameters"]) == [*GRPO, *OPTIONAL]
    assert made["id"].startswith("job_")
    assert made["created_at"].endswith("Z")
    assert (await client.get(f"/v1/training_jobs/{made['id']}")).json() == made
    assert (await client.get("/v1/training_jobs")).json() == {"object": "list", "data": [made], "has_more": False}


@pytest.mark.parametrize(
    ("gpu", "echoed"),
    [
        ({"gpu_type": "H100", "gpu_count": 2}, {"type": "H100", "count": 2}),
        ({"type": "a100-80gb", "count": 1}, {"type": "a100-80gb", "count": 1}),
        ({"type": "CPU", "count": 1}, {"type": "CPU", "count": 1}),
    ],
)
async def test_both_spellings_of_hardware_are_read_and_echoed_in_one(
    client: httpx2.AsyncClient, gpu: dict[str, Any], echoed: dict[str, Any]
) -> None:
    made = await things.queued_job(client, gpu=gpu)
    assert (made["gpu_requested"], made["gpu"]) == (echoed, None)


async def test_a_running_job_shows_where_it_runs(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client, provider="local", hyperparameters={"max_steps": 20, "lora_rank": 8})
    placed = {"gpu": {"type": "CPU", "count": 1}, "provider": "local", "current_step": 3, "total_steps": 20, "cost_micros": 2_500}
    await things.moved(server, made["id"], job.PROVISIONING, job.RUNNING, **placed)
    found = (await client.get(f"/v1/training_jobs/{made['id']}")).json()
    assert found == {
        **made,
        "status": "running",
        "dashboard_url": f"{server.url}/jobs/{made['id']}",
        "gpu": {"type": "CPU", "count": 1},
        "provider": "local",
        "current_step": 3,
        "total_steps": 20,
        "cost_usd": 0.0025,
        "started_at": found["started_at"],
        "updated_at": found["updated_at"],
    }
    assert found["hyperparameters"] == {**GRPO, **OPTIONAL, "max_steps": 20, "lora_rank": 8}
    assert found["started_at"].endswith("Z")


async def test_a_failed_job_says_why(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    why = {"code": "reward_function_error", "message": "NameError: x", "attribution": "user", "user_code_line": 2}
    await things.moved(server, made["id"], job.PROVISIONING, job.RUNNING, job.FAILED, error=why)
    found = (await client.get(f"/v1/training_jobs/{made['id']}")).json()
    assert found["error"] == {"code": "reward_function_error", "message": "NameError: x", "attribution": "user"}
    assert (found["status"], found["cost_usd"], found["download_url"]) == ("failed", 0.0, None)


async def test_a_completed_job_has_a_duration_a_cost_and_a_download(client: httpx2.AsyncClient, server: Server) -> None:
    found = await things.completed_job(server, client)
    assert (found["status"], found["cost_usd"]) == ("completed", 0.0015)
    assert found["duration_seconds"] >= 0
    assert found["download_url"].startswith(f"{server.url}/v1/downloads/")
    assert found["download_url"].endswith("/sums.tar.gz")


async def test_lists_filter_by_status_and_method(client: httpx2.AsyncClient) -> None:
    first, second = await things.queued_job(client), await things.queued_job(client)
    await client.post(f"/v1/training_jobs/{first['id']}/cancel")
    queued = (await client.get("/v1/training_jobs?status=queued&method=grpo")).json()
    assert [item["id"] for item in queued["data"]] == [second["id"]]
    assert (await client.get("/v1/training_jobs?method=sft_video_gen")).json()["data"] == []
    for wrong in ("status=done", "method=ppo"):
        answer = await client.get(f"/v1/training_jobs?{wrong}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, wrong.partition("=")[0])


async def test_a_bad_request_names_the_field_and_leaves_nothing(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    for changes, status, code, param in WRONG:
        answer = await client.post("/v1/training_jobs", json={**body, **changes})
        found = answer.json()["error"]
        assert (answer.status_code, found["code"], found["param"]) == (status, code, param)
    assert await jobs_in(server) == []
    assert (await account_of(server)).held_micros == 0


async def test_an_unknown_gpu_type_is_answered_with_the_known_ones(client: httpx2.AsyncClient) -> None:
    body = await things.job_body(client, gpu={"type": "B2000", "count": 1})
    message = (await client.post("/v1/training_jobs", json=body)).json()["error"]["message"]
    assert message.startswith("Unknown GPU type 'B2000'. Known: CPU, T4-16GB, ")


async def test_every_wrong_field_is_listed_at_once(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/training_jobs", json={"gpu": {"type": "H100", "count": 1}, "output_name": "a"})
    assert answer.json()["error"]["details"] == [
        {"param": "base_model", "message": "this field is required"},
        {"param": "dataset_id", "message": "this field is required"},
    ]


async def test_a_start_that_the_credit_does_not_cover_is_402(server: Server) -> None:
    poor = await server.new_tenant("poor", credit_usd="0.01")
    async with server.client(poor) as client:
        answer = await client.post("/v1/training_jobs", json=await things.job_body(client))
        assert answer.status_code == 402
        found = answer.json()["error"]
        assert (found["type"], found["code"]) == ("insufficient_credit", "insufficient_credit")
        assert (await client.get("/v1/training_jobs")).json()["data"] == []


async def test_cancelling_answers_with_the_cancelled_job(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    assert (await account_of(server)).held_micros > 0
    answer = await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    found = answer.json()
    assert answer.status_code == 200
    assert found == {
        **made,
        "status": "cancelled",
        "cost_usd": 0.0,
        "dashboard_url": f"{server.url}/jobs/{made['id']}",
        "updated_at": found["updated_at"],
        "completed_at": found["completed_at"],
    }
    assert (await account_of(server)).held_micros == 0


async def test_of_many_cancels_at_once_one_succeeds(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    answers = await asyncio.gather(*(client.post(f"/v1/training_jobs/{made['id']}/cancel") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    refused = next(answer for answer in answers if answer.status_code == 400).json()["error"]
    assert (refused["type"], refused["code"]) == ("invalid_request_error", "invalid_state")


async def test_dates_are_utc_to_the_microsecond(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_micros", lambda: 1_776_168_000_000_000)
    assert (await things.queued_job(client))["created_at"] == "2026-04-14T12:00:00Z"
