"""The seven cost routes, with the figures that the contract gives."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from burnish.kit import clock
from burnish.kit.settings import Settings
from models.provider_rate import ProviderRate
from tests.conftest import Server
from tests.rest_compat.spending import spent

pytestmark = pytest.mark.anyio
A100: dict[str, Any] = {"gpu_type": "A100-80GB", "provider": "prime_intellect"}


async def get(client: httpx2.AsyncClient, path: str, code: int = 200, **query: Any) -> Any:
    answer = await client.get(f"/v1/cost/{path}", params=query)
    assert answer.status_code == code, answer.text
    return answer.json() if code == 200 else answer.json()["error"]


async def test_the_estimate_of_the_contract(client: httpx2.AsyncClient) -> None:
    assert await get(client, "estimate", **A100) == {
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


async def test_the_projection_of_the_contract(client: httpx2.AsyncClient) -> None:
    assert await get(client, "monthly_projection", **A100, jobs_per_day=100, avg_duration_minutes=30) == {
        "object": "monthly_projection",
        "total_jobs": 3000,
        "avg_cost_per_job_usd": 1.736,
        "total_monthly_usd": 5208.0,
        "keep_warm_monthly_usd": 216.0,
        "with_keep_warm_usd": 5424.0,
    }


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ({"gpu_count": 8}, 35.4536),
        ({"duration_minutes": 1}, 0.0752),
        ({"duration_minutes": "0.5"}, 0.0376),
        ({"duration_minutes": 90, "markup": 1}, 5.208),
        ({"markup": "1.0001", "duration_minutes": 7}, 0.4051),
        ({"gpu_type": "a100"}, 4.5136),
    ],
)
async def test_estimates_are_exact_and_rounded_at_the_end(client: httpx2.AsyncClient, query: dict[str, Any], cost: float) -> None:
    assert (await get(client, "estimate", **A100 | query))["cost_usd"] == cost


async def test_own_hardware_has_no_markup_and_costs_what_it_is_charged(client: httpx2.AsyncClient) -> None:
    found = await get(client, "estimate", gpu_type="H100", gpu_count=2, provider="local", duration_minutes=90)
    assert (found["gpu_type"], found["gpu_count"], found["provider"]) == ("CPU", 1, "local")
    assert (found["cost_usd"], found["overhead_cost_usd"], found["markup_multiplier"]) == (0.15, 0.0, 1.0)


async def test_without_a_provider_the_cheapest_that_has_it_is_estimated(client: httpx2.AsyncClient) -> None:
    found = await get(client, "estimate", gpu_type="A100-80GB", markup=1)
    assert (found["provider"], found["gpu_cost_usd"]) == ("runpod", 1.39)
    assert (await get(client, "estimate", gpu_type="CPU"))["provider"] == "local"


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("estimate", {}, "gpu_type"),
        ("estimate", A100 | {"gpu_count": 0}, "gpu_count"),
        ("estimate", A100 | {"gpu_count": 9}, "gpu_count"),
        ("estimate", A100 | {"gpu_count": "two"}, "gpu_count"),
        ("estimate", A100 | {"duration_minutes": 0}, "duration_minutes"),
        ("estimate", A100 | {"duration_minutes": "NaN"}, "duration_minutes"),
        ("estimate", A100 | {"duration_minutes": "1e400"}, "duration_minutes"),
        ("estimate", A100 | {"markup": -1}, "markup"),
        ("estimate", A100 | {"color": "red"}, "color"),
        ("compare", A100 | {"gpu_count": 1}, "provider"),
        ("monthly_projection", A100 | {"jobs_per_day": 1}, "avg_duration_minutes"),
        ("monthly_projection", A100 | {"jobs_per_day": -1, "avg_duration_minutes": 1}, "jobs_per_day"),
        ("summary", {"days": 0}, "days"),
        ("summary", {"days": "inf"}, "days"),
        ("by_provider", {"days": 3651}, "days"),
        ("by_gpu", {"days": -3}, "days"),
        ("rates", {"gpu": "H100"}, "gpu"),
    ],
)
async def test_bad_numbers_are_422_and_named(client: httpx2.AsyncClient, path: str, query: dict[str, Any], param: str) -> None:
    assert (await get(client, path, 422, **query))["param"] == param


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"gpu_type": "H900"}, "INVALID_GPU_TYPE", "Unknown GPU type 'H900'."),
        ({"gpu_type": "H100", "provider": "azure"}, None, "Unknown provider 'azure'."),
        ({"gpu_type": "T4", "provider": "lambda"}, "not_offered", "The provider 'lambda' has no T4-16GB."),
        ({"gpu_type": "B300"}, "not_offered", "Nobody has B300-270GB."),
    ],
)
async def test_hardware_that_is_not_to_be_had_is_400(
    client: httpx2.AsyncClient, query: dict[str, Any], code: str | None, message: str
) -> None:
    error = await get(client, "estimate", 400, **query)
    assert error["code"] == code
    assert error["message"].startswith(message)


async def test_a_comparison_is_cheapest_first_and_what_is_not_offered_last(client: httpx2.AsyncClient) -> None:
    rows = await get(client, "compare", gpu_type="H100", gpu_count=2, duration_minutes=30)
    assert [(row["provider"], row["rate_per_hour_usd"], row["cost_usd"], row["available"]) for row in rows] == [
        ("runpod", 2.69, 2.69, True),
        ("lambda", 3.29, 3.29, True),
        ("prime_intellect", 3.29, 3.29, True),
        ("local", None, None, False),
    ]
    assert {(row["gpu_type"], row["gpu_count"]) for row in rows} == {("H100-80GB", 2)}


async def test_rates_are_the_defaults_below_what_was_fetched_below_the_file(
    client: httpx2.AsyncClient, server: Server, settings: Settings
) -> None:
    found = await get(client, "rates")
    assert found["object"] == "cost_rates"
    assert found["rates"]["prime_intellect"]["A100-80GB"] == 3.4
    assert found["rates"]["local"] == {"CPU": 0.1}
    assert found["updated_at"] == "2026-04-14T00:00:00Z"
    async with server.platform.db.transaction() as session:
        for gpu, micros in {"A100-80GB": 1_500_000, "H100-80GB": 2_000_000}.items():
            session.add(
                ProviderRate(provider="prime_intellect", gpu_type=gpu, rate_micros_per_hour=micros, fetched_at=clock.now())
            )
    file: Path = settings.home / "rates.toml"
    file.write_text('[prime_intellect]\nA100 = 1.25\nL40S-48GB = false\n\n[local]\nCPU = "0.000001"\n')
    after = (await get(client, "rates"))["rates"]
    assert after["prime_intellect"] == {"A100-80GB": 1.25, "B200-180GB": 4.4, "H100-80GB": 2.0, "H200-141GB": 2.99}
    assert after["local"] == {"CPU": 1e-06}
    assert (await get(client, "estimate", **A100))["gpu_cost_usd"] == 1.25


async def test_what_was_spent_is_told_by_provider_and_hardware(
    client: httpx2.AsyncClient, server: Server, stranger: httpx2.AsyncClient
) -> None:
    assert await get(client, "summary") == {
        "object": "cost_summary",
        "period_days": 30,
        "job_count": 0,
        "total_cost_usd": 0.0,
        "total_gpu_hours": 0.0,
        "avg_cost_per_job_usd": 0.0,
    }
    assert await get(client, "by_gpu") == []
    await spent(server, "job_a", 3600, rate_usd=2)
    await spent(server, "job_a", 1800, rate_usd=4, attempt=2, provider="runpod", gpu="A100-80GB", count=2)
    await spent(server, "job_b", 600, rate_usd=0.1, gpu="CPU", running=True)
    await spent(server, "dep_a", 900, rate_usd=2)
    await spent(server, "job_c", 3600, rate_usd=9, refund=True)
    assert await get(client, "summary", days=7) == {
        "object": "cost_summary",
        "period_days": 7,
        "job_count": 3,
        "total_cost_usd": 4.5167,
        "total_gpu_hours": 3.4167,
        "avg_cost_per_job_usd": 1.3389,
    }
    assert await get(client, "by_provider") == [
        {"provider": "local", "job_count": 3, "cost_usd": 2.5167},
        {"provider": "runpod", "job_count": 1, "cost_usd": 2.0},
    ]
    assert await get(client, "by_gpu") == [
        {"gpu_type": "H100-80GB", "job_count": 2, "cost_usd": 2.5, "gpu_hours": 2.25},
        {"gpu_type": "A100-80GB", "job_count": 1, "cost_usd": 2.0, "gpu_hours": 1.0},
        {"gpu_type": "CPU", "job_count": 1, "cost_usd": 0.0167, "gpu_hours": 0.1667},
    ]
    assert await get(stranger, "by_provider") == []
    assert (await get(stranger, "summary"))["total_cost_usd"] == 0.0


async def test_what_was_spent_before_the_period_does_not_count(
    client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now_micros()
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now_micros", lambda: now - 3 * 86_400_000_000)
        await spent(server, "job_old", 3600, rate_usd=2)
    await spent(server, "job_new", 1800, rate_usd=2)
    assert (await get(client, "summary", days=2))["total_cost_usd"] == 1.0
    assert await get(client, "summary", days=4) == {
        "object": "cost_summary",
        "period_days": 4,
        "job_count": 2,
        "total_cost_usd": 3.0,
        "total_gpu_hours": 1.5,
        "avg_cost_per_job_usd": 1.5,
    }
