"""Balance, transactions, burn rate and budgets over REST."""

from typing import Any

import httpx2
import pytest

from burnish.kit.settings import Settings
from models import ledger
from models.account import METERED
from resolvers import accounts
from tests.conftest import Server
from tests.rest_compat import things
from tests.rest_compat.spending import spent

pytestmark = pytest.mark.anyio
CPU = {"gpu": {"type": "CPU", "count": 1}}


async def get(client: httpx2.AsyncClient, path: str, code: int = 200, **query: Any) -> Any:
    answer = await client.get(f"/v1/billing/{path}", params=query)
    assert answer.status_code == code, answer.text
    return answer.json() if code == 200 else answer.json()["error"]


async def put_budget(client: httpx2.AsyncClient, code: int = 200, **body: Any) -> Any:
    answer = await client.put("/v1/billing/budget", json=body)
    assert answer.status_code == code, answer.text
    return answer.json() if code == 200 else answer.json()["error"]


async def test_the_balance_is_before_holds_and_what_is_free_beside_it(client: httpx2.AsyncClient, server: Server) -> None:
    await things.queued_job(client)
    assert await get(client, "balance") == {
        "object": "balance",
        "stripe_customer_id": None,
        "balance_usd": 100.0,
        "held_usd": 0.1,
        "free_usd": 99.9,
        "plan": "prepaid",
        "org_id": server.tenant.account.id,
    }


async def test_the_balance_is_the_sum_of_the_transactions(client: httpx2.AsyncClient, server: Server) -> None:
    await spent(server, "job_a", 60, rate_usd=3.6)
    await spent(server, "job_b", 30, rate_usd=3.6, refund=True)
    found = await get(client, "transactions")
    assert found["object"] == "list" and found["has_more"] is False
    assert [(item["amount_usd"], item["description"], item["resource_id"]) for item in found["items"]] == [
        (0.03, "Refunded", "job_b"),
        (-0.03, "Training job job_b", "job_b"),
        (-0.06, "Training job job_a", "job_a"),
        (100.0, "Credit added by the operator", None),
    ]
    assert all(item["id"].startswith("txn_") and item["object"] == "transaction" for item in found["items"])
    assert (await get(client, "balance"))["balance_usd"] == 99.94
    first = await get(client, "transactions", limit=3)
    assert first["has_more"] is True
    rest = await get(client, "transactions", limit=3, after=first["items"][-1]["id"])
    assert first["items"] + rest["items"] == found["items"]


async def test_a_customer_id_is_the_callers_own_or_not_found(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    await accounts.set_customer(server.platform.core, "tenant", "cus_mine")
    before = await things.everything(server)
    for path in ("balance", "transactions", "burn_rate"):
        assert "object" in await get(client, path, stripe_customer_id="cus_mine")
        for someone in (client, stranger):
            error = await get(someone, path, 404, stripe_customer_id="cus_mine" if someone is stranger else "cus_other")
            assert error["code"] == "resource_not_found" and error["param"] == "stripe_customer_id"
    assert (await get(client, "balance"))["stripe_customer_id"] == "cus_mine"
    body = {"estimated_cost_usd": 1, "stripe_customer_id": "cus_mine"}
    assert (await client.post("/v1/billing/check_balance", json=body)).status_code == 200
    assert (await stranger.post("/v1/billing/check_balance", json=body)).status_code == 404
    assert await things.everything(server) == before


async def test_a_cost_is_covered_by_what_is_free(client: httpx2.AsyncClient) -> None:
    await things.queued_job(client)
    answer = await client.post("/v1/billing/check_balance", json={"estimated_cost_usd": 99.9})
    assert answer.json() == {
        "object": "balance_check",
        "sufficient": True,
        "balance_usd": 100.0,
        "estimated_cost_usd": 99.9,
    }
    refused = await client.post("/v1/billing/check_balance", json={"estimated_cost_usd": 99.9000001})
    assert refused.status_code == 402
    assert refused.json()["error"] == {
        "type": "insufficient_credit",
        "code": "insufficient_credit",
        "message": "This needs 99.900001 USD, and 99.900000 USD are free.",
        "param": None,
    }


@pytest.mark.parametrize("cost", [-1, "NaN", "inf", 1e30, "much", None])
async def test_a_cost_that_is_none_is_422(client: httpx2.AsyncClient, cost: Any) -> None:
    answer = await client.post("/v1/billing/check_balance", json={"estimated_cost_usd": cost})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "estimated_cost_usd")


async def test_the_burn_rate_is_of_what_runs(client: httpx2.AsyncClient, server: Server) -> None:
    assert await get(client, "burn_rate") == {
        "object": "burn_rate",
        "balance_usd": 100.0,
        "hourly_burn_usd": 0.0,
        "hours_remaining": None,
        "active_jobs": 0,
        "active_deployments": 0,
    }
    job = await things.queued_job(client)
    await things.queued_deployment(server)
    await spent(server, job["id"], 0, rate_usd=2, running=True)
    await spent(server, "dep_x", 0, rate_usd=0.5, running=True)
    await spent(server, "job_done", 0, rate_usd=7)
    found = await get(client, "burn_rate")
    assert (found["hourly_burn_usd"], found["hours_remaining"]) == (2.5, 40.0)
    assert (found["active_jobs"], found["active_deployments"]) == (1, 1)


async def test_a_metered_account_owes_and_is_never_refused(client: httpx2.AsyncClient, server: Server) -> None:
    await accounts.set_mode(server.platform.core, "tenant", METERED)
    await spent(server, "job_a", 3600, rate_usd=150, running=True)
    found = await get(client, "balance")
    assert (found["balance_usd"], found["plan"]) == (-50.0, "metered")
    assert (await client.post("/v1/billing/check_balance", json={"estimated_cost_usd": 1000})).status_code == 200
    assert (await get(client, "burn_rate"))["hours_remaining"] is None
    await things.queued_job(client)


async def test_a_start_that_the_credit_does_not_cover_is_402(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    await spent(server, "job_a", 3600, rate_usd=99.95)
    before = await things.everything(server)
    answer = await client.post("/v1/training_jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_credit")
    assert await things.everything(server) == before


async def test_a_budget_is_set_read_and_taken_away(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    nothing = {"object": "budget", **dict.fromkeys(("limit_usd", "period", "spent_usd", "remaining_usd", "period_began_at"))}
    assert await get(client, "budget") == nothing
    await spent(server, "job_a", 3600, rate_usd=2)
    found = await put_budget(client, limit_usd=12.5)
    assert found == {**found, "limit_usd": 12.5, "period": "month", "spent_usd": 2.0, "remaining_usd": 10.5}
    assert found["period_began_at"].endswith("-01T00:00:00Z")
    await spent(server, "job_b", 1800, rate_usd=2)
    await spent(server, "job_c", 1800, rate_usd=2, refund=True)
    assert await get(client, "budget") == {**found, "spent_usd": 3.0, "remaining_usd": 9.5}
    assert await get(stranger, "budget") == nothing
    total = await put_budget(client, limit_usd="5", period="total")
    assert (total["period"], total["spent_usd"], total["remaining_usd"]) == ("total", 1.0, 4.0)
    assert await put_budget(client, limit_usd=None) == nothing


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "limit_usd"),
        ({"limit_usd": -1}, "limit_usd"),
        ({"limit_usd": 1.0000001}, "limit_usd"),
        ({"limit_usd": "NaN"}, "limit_usd"),
        ({"limit_usd": 1, "period": "week"}, "period"),
        ({"limit_usd": 1, "account": "x"}, "account"),
    ],
)
async def test_a_bad_budget_is_named_and_changes_nothing(
    client: httpx2.AsyncClient, server: Server, body: dict[str, Any], param: str
) -> None:
    before = await things.everything(server)
    assert (await put_budget(client, 422, **body))["param"] == param
    assert await things.everything(server) == before


async def test_a_budget_that_is_used_up_lets_nothing_start(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    await spent(server, "job_a", 3600, rate_usd=2)
    await put_budget(client, limit_usd=2.004)
    before = await things.everything(server)
    answer = await client.post("/v1/training_jobs", json=body)
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_credit", "budget_exceeded")
    assert error["message"].startswith("The account's budget is 2.004000 USD; 2.000000 USD are spent and 0.000000 USD set aside")
    assert await things.everything(server) == before
    await put_budget(client, limit_usd=2.05)
    await things.queued_job(client)
    assert (await get(client, "balance"))["held_usd"] == 0.05


async def test_a_cap_bounds_what_is_set_aside(client: httpx2.AsyncClient, settings: Settings) -> None:
    job = await things.queued_job(client, max_cost_usd=0.02)
    assert job["max_cost_usd"] == 0.02
    assert (await get(client, "balance"))["held_usd"] == 0.02
    body = await things.job_body(client, max_cost_usd=0.004)
    answer = await client.post("/v1/training_jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "max_cost_usd")
    assert answer.json()["error"]["message"].startswith("max_cost_usd is at least 0.005000")
    answer = await client.post("/v1/training_jobs", json={**body, "max_cost_usd": 0})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "max_cost_usd")


async def test_no_posting_goes_beyond_a_cap_or_a_budget(client: httpx2.AsyncClient, server: Server) -> None:
    job = await things.queued_job(client, max_cost_usd=2)
    await spent(server, job["id"], 3600, rate_usd=5)
    await spent(server, job["id"], 3600, rate_usd=5, attempt=2)
    assert (await get(client, "balance"))["balance_usd"] == 98.0
    await put_budget(client, limit_usd=10)
    await spent(server, "job_b", 3600, rate_usd=7)
    await spent(server, "job_c", 3600, rate_usd=7)
    assert (await get(client, "budget"))["remaining_usd"] == 0.0
    assert (await get(client, "balance"))["balance_usd"] == 90.0
    async with server.platform.db.read() as session:
        assert await ledger.charged(session, job["id"]) == 2_000_000
