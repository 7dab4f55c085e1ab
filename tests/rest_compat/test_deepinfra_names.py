"""What DeepInfra's clients choose from: priced hardware, and names that are free; and how chat calls may name a deployment."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from burnish.kit import clock
from engines.compute.hardware import Shape
from models.deployment import Deployment
from models.host import Host
from resolvers.hardware import Configuration, cheapest
from tests.conftest import Server
from tests.rest_compat import replica, things
from tests.rest_compat.deepinfra import NOWHERE, created
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
MESSAGES = [{"role": "user", "content": "2+2?"}]
GPUS = ("L4-24GB", "L40S-48GB", "A100-80GB", "H100-80GB", "H200-141GB", "B200-180GB", "B300-270GB", "RTXPRO6000-96GB")


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


async def with_host(server: Server, *gpus: str, cpu_slots: int = 0) -> None:
    """Have a live host with this hardware, on an installation that takes requests for what they are."""
    server.platform.core.settings.cpu_fallback = False
    offers = {"gpus": [{"type": name, "index": index} for index, name in enumerate(gpus)], "cpu_slots": cpu_slots}
    async with server.platform.db.transaction() as session:
        session.add(Host(id="host", name="host", offers=offers, started_at=clock.now(), seen_at=clock.now()))


async def offered(client: httpx2.AsyncClient, **params: str) -> dict[str, dict[str, Any]]:
    answer = await client.get("/deploy/llm/gpu_availability", params=params)
    assert answer.status_code == 200
    return {one["gpu_config"]: one for one in answer.json()["gpus"]}


async def test_hardware_has_its_price_and_whether_it_is_there(client: httpx2.AsyncClient, server: Server) -> None:
    await with_host(server, "A100-80GB", "A100-80GB")
    found = await offered(client)
    assert list(found) == [*(f"{count}x{name}" for name in GPUS for count in (1, 2, 4, 8)), "1xother"]
    assert [name for name, one in found.items() if one["available"]] == ["1xA100-80GB", "2xA100-80GB"]
    assert [name for name, one in found.items() if one["recommended"]] == ["1xA100-80GB"]
    assert found["2xA100-80GB"]["usd_per_hour"] == 2 * found["1xA100-80GB"]["usd_per_hour"] > 0
    large = await offered(client, base_model="meta-llama/Llama-3.3-70B-Instruct", source="hf")
    assert [name for name, one in large.items() if one["recommended"]] == []
    medium = await offered(client, base_model="Qwen/Qwen3-32B")
    assert [name for name, one in medium.items() if one["recommended"]] == ["1xA100-80GB"]
    larger = await offered(client, base_model="Qwen/Qwen-48B")
    assert [name for name, one in larger.items() if one["recommended"]] == ["2xA100-80GB"]


async def test_a_cpu_is_recommended_where_there_is_nothing_else(client: httpx2.AsyncClient, server: Server) -> None:
    await with_host(server, cpu_slots=2)
    found = await offered(client, base_model="Qwen/Qwen3-14B")
    assert [(name, one["recommended"]) for name, one in found.items() if one["available"]] == [("1xother", True)]


async def test_without_hosts_nothing_is_available_or_recommended(client: httpx2.AsyncClient, server: Server) -> None:
    found = await offered(client)
    assert {(one["available"], one["recommended"]) for one in found.values()} == {(False, False)}
    before = await things.everything(server)
    answer = await client.post("/deploy/hf/", json={"model_name": "Qwen/Qwen3-4B"})
    error = "No hardware is available for this model. POST /deploy/llm takes hardware to wait for."
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert await things.everything(server) == before


async def test_a_model_is_deployed_by_its_name_on_what_is_recommended(client: httpx2.AsyncClient, server: Server) -> None:
    await with_host(server, "H100-80GB", "L4-24GB", cpu_slots=2)
    answer = await client.post("/deploy/hf/", json={"model_name": "Qwen/Qwen3-14B", "task": "text-generation"})
    assert (answer.status_code, list(answer.json())) == (200, ["deploy_id"])
    async with server.platform.db.read() as session:
        row = await session.get_one(Deployment, answer.json()["deploy_id"])
    assert row.gpu_requested == {"type": "H100-80GB", "count": 1}
    assert (row.name, row.model, row.source) == ("Qwen/Qwen3-14B", "Qwen/Qwen3-14B", "huggingface")
    again = await client.post("/deploy/hf/", json={"model_name": "Qwen/Qwen3-14B"})
    assert (again.status_code, list(again.json())) == (409, ["error"])


@pytest.mark.parametrize(
    ("model", "fits"),
    [
        ("", 24), ("gpt2", 24), ("Qwen/Qwen3-0.6B", 24), ("HuggingFaceTB/SmolLM2-135M-Instruct", 24), ("meta/Llama-3.1-8B", 24),
        ("Qwen/Qwen3-14b", 48), ("mistralai/Mixtral-8x7B-v0.1", 141), ("Qwen/Qwen3-235B-A22B", None), ("org/v3.1B2", 24),
    ],
)  # fmt: skip
def test_what_is_recommended_holds_as_much_as_the_name_says(model: str, fits: int | None) -> None:
    cpu = Configuration(Shape("CPU", 1), 1, fits is not None, None)
    offers = [cpu, *(Configuration(Shape(f"G{size}", 1), size, size != 96, size) for size in (180, 141, 96, 48, 24))]
    best = cheapest(offers, model)
    assert (best.memory_gb if best else None) == fits


async def test_a_name_is_suggested_that_is_free(client: httpx2.AsyncClient) -> None:
    async def suggested(**params: str) -> str:
        answer = await client.get("/deploy/llm/suggest_name", params=params)
        assert answer.status_code == 200
        name: str = answer.json()["model_name"]
        return name

    assert await suggested(model_name="Qwen/Qwen3-4B") == "tenant/Qwen3-4B"
    made = await created(client, model_name="tenant/Qwen3-4B")
    await created(client, model_name="tenant/Qwen3-4B-2")
    assert await suggested(model_name="Qwen/Qwen3-4B") == "tenant/Qwen3-4B-3"
    await client.delete(f"/deploy/{made['deploy_id']}")
    assert await suggested(model_name="Qwen/Qwen3-4B") == "tenant/Qwen3-4B"
    assert await suggested() == await suggested(model_name="///") == "tenant/model"
    for odd in ("my model: v2!", "ü/ñ", "x" * 200, "a/../b", "./."):
        await created(client, model_name=await suggested(model_name=odd))
    long = await client.get("/deploy/llm/suggest_name", params={"model_name": "x" * 201})
    assert (long.status_code, long.json()["detail"][0]["loc"]) == (422, ["query", "model_name"])


async def test_a_chat_names_its_deployment_in_any_way(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url, "tenant/sums")
    plain = await things.serving_deployment(server, engine.url, "plain")
    wanted = [
        (row, ("tenant/sums", row.id, f"deploy_id:{row.id}", "tenant/tenant/sums")),
        (plain, ("plain", "tenant/plain", f"deploy_id:{plain.id}")),
    ]
    for deployment, references in wanted:
        for model in references:
            for prefix in ("/v1", "/v1/openai", f"/v1/deployments/{deployment.id}"):
                answer = await client.post(f"{prefix}/chat/completions", json={"model": model, "messages": MESSAGES})
                assert (answer.status_code, answer.json()["model"]) == (200, deployment.name), (prefix, model)
            assert (await client.get(f"/v1/openai/models/{model}")).json()["id"] == deployment.name


async def test_the_very_name_goes_before_the_accounts(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    exact = await things.serving_deployment(server, engine.url, "tenant/sums")
    await things.serving_deployment(server, engine.url, "sums")
    answer = await client.post("/v1/chat/completions", json={"model": "tenant/sums", "messages": MESSAGES})
    assert answer.json()["model"] == exact.name


async def test_what_names_nothing_of_the_callers_is_404(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE, "sums")
    theirs = await things.serving_deployment(server, NOWHERE, "theirs/sums", await server.new_tenant("theirs"))
    for model in (
        "deploy_id:sums", "deploy_id:", f"deploy_id:{theirs.id}", "theirs/sums", "other/sums", f"tenant/{row.id}", "tenant/",
    ):  # fmt: skip
        answer = await client.post("/v1/chat/completions", json={"model": model, "messages": MESSAGES})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found"), model
    elsewhere = {"model": "deploy_id:dep_other", "messages": MESSAGES}
    assert (await client.post(f"/v1/deployments/{row.id}/chat/completions", json=elsewhere)).status_code == 404
    await client.delete(f"/deploy/{row.id}")
    ended = await client.post("/v1/chat/completions", json={"model": f"deploy_id:{row.id}", "messages": MESSAGES})
    assert (ended.status_code, ended.json()["error"]["code"]) == (400, "deployment_not_serving")
