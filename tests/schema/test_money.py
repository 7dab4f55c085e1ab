"""Costs, billing and budgets in GraphQL: the same figures as over REST, typed."""

from typing import Any

import pytest

from burnish.kit import clock
from models import ledger
from models.account import METERED
from resolvers import accounts, jobs
from tests.conftest import Server
from tests.rest_compat import things
from tests.rest_compat.spending import spent
from tests.schema.conftest import Api, NewRun

pytestmark = pytest.mark.anyio
A100 = 'hardware: {type: "A100-80GB", provider: "prime_intellect"}'


async def test_the_estimate_and_the_projection_of_the_contract(api: Api) -> None:
    found = await api.data(
        "{ costEstimate(A100) { hardware { type count provider } total { amount currency } gpus { amount } storage { amount }"
        " overhead { amount } markup durationSeconds }"
        " costProjection(A100, jobsPerDay: 100, averageMinutes: 30) { totalJobs perJob { amount } monthly { amount }"
        " keepWarm { amount } monthlyWithKeepWarm { amount } } }".replace("A100", A100)
    )
    assert found["costEstimate"] == {
        "hardware": {"type": "A100-80GB", "count": 1, "provider": "prime_intellect"},
        "total": {"amount": "4.5136", "currency": "USD"},
        "gpus": {"amount": "3.4000"},
        "storage": {"amount": "0.0000"},
        "overhead": {"amount": "0.0720"},
        "markup": "1.3",
        "durationSeconds": 3600,
    }
    assert found["costProjection"] == {
        "totalJobs": 3000,
        "perJob": {"amount": "1.7360"},
        "monthly": {"amount": "5208.0000"},
        "keepWarm": {"amount": "216.0000"},
        "monthlyWithKeepWarm": {"amount": "5424.0000"},
    }


async def test_offers_and_rates(api: Api) -> None:
    found = await api.data(
        '{ costComparison(type: "H100", count: 2) { available hardware { provider } pricePerHour { amount } cost { amount } }'
        ' rates(provider: "lambda") { provider gpuType perHour { amount } source updatedAt } }'
    )
    assert [
        (row["hardware"]["provider"], row["available"], row["cost"] and row["cost"]["amount"]) for row in found["costComparison"]
    ] == [
        ("runpod", True, "5.3800"),
        ("lambda", True, "6.5800"),
        ("prime_intellect", True, "6.5800"),
        ("local", False, None),
    ]
    assert {row["gpuType"]: row["perHour"]["amount"] for row in found["rates"]}["A100-80GB"] == "2.79"
    assert {(row["source"], row["updatedAt"]) for row in found["rates"]} == {("DEFAULT", "2026-04-14T00:00:00Z")}


async def test_costs_by_what_and_when(api: Api, server: Server) -> None:
    await spent(server, "job_a", 3600, rate_usd=2)
    await spent(server, "dep_a", 1800, rate_usd=1, provider="runpod", gpu="CPU")
    await spent(server, "job_b", 3600, rate_usd=9, refund=True)
    query = """query Costs($by: [CostDimension!]!, $grain: TimeGrain!) {
      costs(range: {from: "2026-01-01T00:00:00Z"}, groupBy: $by, grain: $grain) { since until
        total { cost { amount } hours jobCount provider }
        groups { provider gpuType kind resourceId cost { amount } hours jobCount }
        buckets { startsAt kind cost { amount } } } }"""
    found = (await api.data(query, by=["KIND", "PROVIDER", "RESOURCE"], grain="DAY"))["costs"]
    assert found["total"] == {"cost": {"amount": "2.5"}, "hours": "2.5000", "jobCount": 2, "provider": None}
    assert [
        (row["kind"], row["provider"], row["resourceId"], row["gpuType"], row["cost"]["amount"]) for row in found["groups"]
    ] == [
        ("TRAINING", "local", "job_a", None, "2"),
        ("SERVING", "runpod", "dep_a", None, "0.5"),
        ("TRAINING", "local", "job_b", None, "0"),
    ]
    today = clock.now().date().isoformat()
    assert [(row["startsAt"], row["kind"], row["cost"]["amount"]) for row in found["buckets"]] == [
        (f"{today}T00:00:00Z", "TRAINING", "2"),
        (f"{today}T00:00:00Z", "SERVING", "0.5"),
    ]
    month = (await api.data(query, by=[], grain="MONTH"))["costs"]
    assert [(row["startsAt"], row["cost"]["amount"]) for row in month["buckets"]] == [(f"{today[:8]}01T00:00:00Z", "2.5")]
    assert [row["cost"]["amount"] for row in month["groups"]] == ["2.5"]


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        (
            '{ costs(range: {from: "2026-02-01T00:00:00Z", to: "2026-01-01T00:00:00Z"}, groupBy: []) { since } }',
            "INVALID",
            "range",
        ),
        ('{ costs(range: {from: "2000-01-01T00:00:00Z"}, groupBy: [], grain: HOUR) { since } }', "INVALID", "range"),
        ('{ costEstimate(hardware: {type: "H900"}) { markup } }', "INVALID", "gpuType"),
        ('{ costEstimate(hardware: {type: "H100"}, durationMinutes: 0) { markup } }', "INVALID", "durationMinutes"),
        ("{ checkBalance(estimatedCostUsd: -1) { sufficient } }", "INVALID", "estimatedCostUsd"),
        ('{ rates(provider: "azure") { gpuType } }', "INVALID", "provider"),
    ],
)
async def test_what_cannot_be_answered_says_why(api: Api, query: str, code: str, param: str) -> None:
    (error,) = (await api(query))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["param"]) == (code, param)


ACCOUNT = """{ viewer { account { balance { amount } available { amount } hoursRemaining stripeCustomerId
  warnings { code message } budget { limit { amount } period spent { amount } remaining { amount } } } }
  burnRate { hourly { amount } hoursRemaining budgetHoursRemaining activeJobs activeDeployments } }"""


async def test_how_the_account_stands(api: Api, server: Server) -> None:
    before = await api.data(ACCOUNT)
    assert before["viewer"]["account"] == {
        "balance": {"amount": "100"},
        "available": {"amount": "100"},
        "hoursRemaining": None,
        "stripeCustomerId": None,
        "warnings": [],
        "budget": None,
    }
    await spent(server, "job_a", 0, rate_usd=200, running=True)
    payload = (await api.data("mutation { setBudget(input: {limitUsd: 50}) { budget { period } errors { message } } }"))[
        "setBudget"
    ]
    assert payload == {"budget": {"period": "MONTH"}, "errors": []}
    found = await api.data(ACCOUNT)
    assert found["burnRate"]["hourly"] == {"amount": "200"} and found["burnRate"]["hoursRemaining"] == 0.5
    assert found["burnRate"]["budgetHoursRemaining"] == pytest.approx(0.25, abs=0.01)
    assert found["viewer"]["account"]["hoursRemaining"] == 0.5
    assert [warning["code"] for warning in found["viewer"]["account"]["warnings"]] == ["credit_low"]
    assert found["viewer"]["account"]["budget"]["remaining"] == {"amount": "50"}
    await accounts.set_mode(server.platform.core, "tenant", METERED)
    assert (await api.data(ACCOUNT))["burnRate"]["hoursRemaining"] is None
    payload = (await api.data("mutation { setBudget(input: {limitUsd: null}) { budget { period } errors { message } } }"))[
        "setBudget"
    ]
    assert payload == {"budget": None, "errors": []}


async def test_a_bad_budget_is_an_error_of_its_field_and_changes_nothing(api: Api, server: Server) -> None:
    before = await things.everything(server)
    query = "mutation { setBudget(input: {limitUsd: -1}) { budget { period } errors { code path } } }"
    assert (await api.data(query))["setBudget"] == {"budget": None, "errors": [{"code": "INVALID", "path": ["limitUsd"]}]}
    assert await things.everything(server) == before


async def test_transactions_come_in_pages_and_by_their_id(api: Api, server: Server) -> None:
    await spent(server, "job_a", 3600, rate_usd=25)
    query = """query Page($after: Cursor) { transactions(first: 1, after: $after) {
      nodes { id amount { amount } description resourceId } pageInfo { hasNextPage endCursor } } }"""
    first = (await api.data(query))["transactions"]
    assert [(node["amount"]["amount"], node["resourceId"]) for node in first["nodes"]] == [("-25", "job_a")]
    second = (await api.data(query, after=first["pageInfo"]["endCursor"]))["transactions"]
    assert [node["amount"]["amount"] for node in second["nodes"]] == ["100"]
    assert second["pageInfo"]["hasNextPage"] is False
    one = "query One($id: ID!) { node(id: $id) { id ... on Transaction { description } } }"
    assert (await api.data(one, id=first["nodes"][0]["id"]))["node"]["description"] == "Training job job_a"
    stranger = Api(server, await server.new_tenant("stranger"))
    assert (await stranger.data(one, id=first["nodes"][0]["id"]))["node"] is None


async def test_transactions_of_one_job_alone(api: Api, server: Server) -> None:
    await spent(server, "job_a", 3600, rate_usd=25)
    await spent(server, "job_b", 3600, rate_usd=4)
    query = "query Of($id: ID) { transactions(resourceId: $id) { nodes { amount { amount } resourceId } } }"
    found = await api.data(query, id="job_b")
    assert found["transactions"]["nodes"] == [{"amount": {"amount": "-4"}, "resourceId": "job_b"}]
    stranger = Api(server, await server.new_tenant("stranger"))
    assert (await stranger.data(query, id="job_b"))["transactions"]["nodes"] == []


async def test_what_a_budget_does_not_cover_is_a_typed_error(api: Api, server: Server, new_run: NewRun) -> None:
    run = await new_run()
    await api.data('mutation { setBudget(input: {limitUsd: "0.1"}) { errors { message } } }')
    query = """mutation Start($input: TrainingJobInput!) { createTrainingJob(input: $input) { job { maxCost { amount } } errors {
      __typename code reason ... on BudgetExceeded { limit { amount } spent { amount } needed { amount } } } } }"""
    row = await jobs.get(await server.context(), run.id)
    given: dict[str, Any] = {
        "baseModel": "tiny",
        "datasetId": row.dataset_id,
        "rewardFunctionId": row.reward_function_id,
        "outputName": "more",
        "hardware": {"type": "CPU"},
        "maxCostUsd": "0.05",
    }
    answer = (await api.data(query, input=given))["createTrainingJob"]
    assert answer["job"] is None
    assert answer["errors"] == [
        {
            "__typename": "BudgetExceeded",
            "code": "BUDGET_EXCEEDED",
            "reason": "budget_exceeded",
            "limit": {"amount": "0.1"},
            "spent": {"amount": "0"},
            "needed": {"amount": "0.05"},
        }
    ]
    async with server.platform.db.transaction() as session:
        await ledger.release(session, run.id)
    made = (await api.data(query, input=given))["createTrainingJob"]
    assert (made["errors"], made["job"]["maxCost"]) == ([], {"amount": "0.05"})
