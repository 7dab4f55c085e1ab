"""The published `veri-sdk` 0.2.1 and 0.2.9, for everything that needs no engine but a stand-in for one."""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server
from tests.contract.published import ERRORS, Published, Refused
from tests.rest_compat import things
from tests.rest_compat.replica import USAGE, Replica

pytestmark = pytest.mark.anyio


async def created(veri: Published, rows: str, reward: str, **options: Any) -> Any:
    dataset = await veri.sdk("datasets.upload", rows)
    function = await veri.sdk("reward_functions.upload", reward)
    arguments = {"gpu_type": "A100-80GB", "gpu_count": 1, "reward_function_id": function["id"], **options}
    return await veri.sdk("training_jobs.create", "Qwen/Qwen3-4B", dataset["id"], "sums", **arguments)


async def test_datasets(veri: Published, rows: str) -> None:
    made = await veri.sdk("datasets.upload", rows, name="gsm8k")
    shown = {"name": "gsm8k", "source_type": "upload", "source_uri": None, "huggingface_dataset": None}
    assert made == {"id": made["id"], **shown}
    assert await veri.sdk("datasets.get", made["id"]) == made
    other = await veri.sdk("datasets.upload", rows)
    assert other["name"] == "sums"
    assert await veri.sdk("datasets.list", limit=1) == [other]
    assert await veri.sdk("datasets.list", after=other["id"]) == [made]
    assert await veri.sdk("datasets.delete", other["id"]) is None
    assert await veri.sdk("datasets.list") == [made]


async def test_reward_functions(veri: Published, reward: str) -> None:
    made = await veri.sdk("reward_functions.upload", reward)
    assert made == {"id": made["id"], "name": "exact", "format": "trl"}
    assert await veri.sdk("reward_functions.get", made["id"]) == made
    assert await veri.sdk("reward_functions.list") == [made]
    assert await veri.sdk("reward_functions.delete", made["id"]) is None
    assert await veri.sdk("reward_functions.list") == []


async def test_a_job_is_created_listed_and_cancelled(veri: Published, rows: str, reward: str) -> None:
    made = await created(veri, rows, reward, hyperparameters={"max_steps": 3}, provider="local")
    unknown = {"download_url": None, "error": None, "cost_usd": None}
    assert made == {"id": made["id"], "status": "queued", "base_model": "Qwen/Qwen3-4B", "dashboard_url": None, **unknown}
    assert await veri.sdk("training_jobs.get", made["id"]) == made
    assert await veri.sdk("training_jobs.list", status="queued", method="grpo") == [made]
    cancelled = await veri.sdk("training_jobs.cancel", made["id"])
    dashboard = f"{veri.url}/jobs/{made['id']}"
    assert cancelled == {**made, "status": "cancelled", "cost_usd": 0.0, "dashboard_url": dashboard}
    assert (await veri.sdk("training_jobs.get", made["id"], then="wait"))["status"] == "cancelled"
    assert await veri.sdk("training_jobs.list", status="queued") == []


async def test_a_completed_job_is_downloaded(veri: Published, server: Server, tmp_path: Path) -> None:
    async with server.client() as client:
        done = await things.completed_job(server, client)
    waited = await veri.sdk("training_jobs.get", done["id"], then="wait")
    assert (waited["status"], waited["cost_usd"]) == ("completed", 0.0015)
    folder = await veri.sdk("training_jobs.get", done["id"], then="download", then_args=(str(tmp_path / "out"),))
    # The client writes whatever it gets under this name; what it gets is an archive.
    with tarfile.open(Path(folder) / "model.safetensors") as archive:
        assert sorted(archive.getnames()) == sorted(things.FILES)


async def test_deployments(veri: Published) -> None:
    gpu = {"gpu_type": "H100", "gpu_count": 1}
    made = await veri.sdk("deployments.create", "Qwen/Qwen3-4B", "qwen", gpu=gpu, source="huggingface")
    assert made == {
        "id": made["id"],
        "status": "queued",
        "name": "qwen",
        "model": "Qwen/Qwen3-4B",
        "source": "huggingface",
        "endpoint_url": None,
        "gpu": {"type": "H100", "count": 1},
        "provider": "local",
        "cost_per_hour_usd": None,
        "total_cost_usd": 0,
        "total_requests": 0,
        "error": None,
    }
    assert await veri.sdk("deployments.list", status="queued") == [made]
    assert await veri.sdk("deployments.get", made["id"]) == made
    stopped = await veri.sdk("deployments.get", made["id"], then="stop")
    assert stopped == {**made, "status": "stopped"}
    assert await veri.sdk("deployments.stop", made["id"]) == stopped
    assert (await veri.sdk("deployments.get", made["id"], then="wait"))["status"] == "stopped"


async def test_a_deployment_answers(veri: Published, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    messages = [{"role": "user", "content": "2+2?"}]
    answer = await veri.sdk(
        "deployments.get", row.id, then="chat", then_args=(messages,), then_kwargs={"max_tokens": 5, "temperature": 0.5}
    )
    assert answer["choices"][0]["message"]["content"] == "four it is"
    assert answer["usage"] == USAGE
    assert {"max_tokens": 5, "temperature": 0.5, "messages": messages}.items() <= engine.seen[-1].items()
    await server.platform.gateway.flush()
    (logged,) = await veri.sdk("deployments.get", row.id, then="requests")
    assert (logged["status_code"], logged["prompt_tokens"], logged["completion_tokens"]) == (200, 3, 2)
    metrics = await veri.sdk("deployments.get", row.id, then="metrics")
    assert (metrics["total_requests"], metrics["total_prompt_tokens"], metrics["error_rate"]) == (1, 3, 0.0)


async def test_costs(veri: Published) -> None:
    estimate = await veri.sdk("cost.estimate", "A100-80GB", provider="prime_intellect")
    assert estimate == {
        "object": "cost_estimate",
        "cost_usd": 4.5136,
        "gpu_cost_usd": 3.4,
        "storage_cost_usd": 0.0,
        "overhead_cost_usd": 0.072,
        "duration_seconds": 3600,
        "gpu_type": "A100-80GB",
        "gpu_count": 1,
        "provider": "prime_intellect",
        "markup_multiplier": 1.3,
    }
    assert (await veri.sdk("cost.rates"))["rates"]["prime_intellect"]["A100-80GB"] == 3.4
    offers = await veri.sdk("cost.compare", "A100-80GB", gpu_count=2, duration_minutes=30)
    prime = next(offer for offer in offers if offer["provider"] == "prime_intellect")
    assert (prime["rate_per_hour_usd"], prime["gpu_count"], prime["available"] in (True, False)) == (3.4, 2, True)
    assert await veri.sdk("cost.summary", days=7) == {
        "object": "cost_summary",
        "period_days": 7,
        "job_count": 0,
        "total_cost_usd": 0.0,
        "total_gpu_hours": 0.0,
        "avg_cost_per_job_usd": 0.0,
    }


async def test_billing(veri: Published) -> None:
    assert {"object": "balance", "stripe_customer_id": None, "balance_usd": 100.0}.items() <= (
        await veri.sdk("billing.balance")
    ).items()
    (credit,) = (await veri.sdk("billing.transactions", limit=5))["items"]
    assert (credit["id"][:4], credit["amount_usd"]) == ("txn_", 100.0)
    idle = {"balance_usd": 100.0, "hourly_burn_usd": 0.0, "hours_remaining": None, "active_jobs": 0, "active_deployments": 0}
    assert idle.items() <= (await veri.sdk("billing.burn_rate")).items()


async def test_every_refusal_has_its_class_and_tells_why(veri: Published, server: Server, rows: str, reward: str) -> None:
    poor = Published(veri.version, veri.url, (await server.new_tenant("poor", "0")).key, veri.home)
    wrong = Published(veri.version, veri.url, "vk_wrong", veri.home)
    gpu = {"gpu_type": "H100", "gpu_count": 1}
    await veri.sdk("deployments.create", "Qwen/Qwen3-4B", "taken", gpu=gpu, source="huggingface")
    waiting = await veri.sdk("deployments.create", "Qwen/Qwen3-4B", "waiting", gpu=gpu, source="huggingface")
    ended = await created(veri, rows, reward)
    await veri.sdk("training_jobs.cancel", ended["id"])
    wanted: list[tuple[int, str, Published, str, tuple[Any, ...], dict[str, Any]]] = [
        (401, "Invalid API key", wrong, "datasets.list", (), {}),
        (404, "job_unknown", veri, "training_jobs.get", ("job_unknown",), {}),
        (404, "dep_unknown", veri, "deployments.stop", ("dep_unknown",), {}),
        (422, "limit", veri, "datasets.list", (0,), {}),
        (400, "ds_unknown", veri, "datasets.list", (20, "ds_unknown"), {}),
        (400, "cancelled", veri, "training_jobs.cancel", (ended["id"],), {}),
        (402, "USD", poor, "deployments.create", ("Qwen/Qwen3-4B", "a"), {"gpu": gpu, "source": "huggingface"}),
        (409, "taken", veri, "deployments.create", ("Qwen/Qwen3-4B", "taken"), {"gpu": gpu, "source": "huggingface"}),
        (503, "", veri, "deployments.chat", (waiting["id"], [{"role": "user", "content": "?"}]), {"model": "waiting"}),
    ]
    for status, words, client, call, arguments, options in wanted:
        with pytest.raises(Refused) as caught:
            await client.sdk(call, *arguments, **options)
        assert (caught.value.type, caught.value.status) == (
            ERRORS[veri.version][status],
            status if veri.version == "0.2.1" else None,
        )
        if veri.version == "0.2.9":
            # The older one tells only the status.
            assert words in caught.value.message
    for client in (poor, wrong):
        client.close()
