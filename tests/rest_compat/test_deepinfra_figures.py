"""What DeepInfra's clients read of a deployment's work: figures of exact periods, money in cents, and its log by instance."""

from datetime import datetime
from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids, stream
from burnish.kit.settings import Settings
from models import events, ledger
from models.deployment import Deployment, InferenceRequest
from models.ledger import LedgerTransaction
from tests.conftest import Server
from tests.rest_compat import spending, things
from tests.rest_compat.deepinfra import NOWHERE, created

pytestmark = pytest.mark.anyio
NOON = 1_800_000_000
NOTHING = {
    "requests": 0,
    "total_time": 0,
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "total_amount": 0,
    "avg_time": 0.0,
    "avg95_time": 0.0,
    "errors": 0,
}


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings of an installation on the database of the test, where it asks for one."""
    if "database_url" in request.fixturenames:
        settings.database_url = request.getfixturevalue("database_url")
    return settings


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_micros", lambda: NOON * 1_000_000)


def second(after: float) -> datetime:
    return clock.from_micros(int((NOON + after) * 1_000_000))


async def asked(server: Server, row: Deployment, after: float, **values: Any) -> None:
    """Log a request that arrived so many seconds after noon."""
    given = {"prompt_tokens": 10, "completion_tokens": 20, "latency_ms": 100.0, "status_code": 200, "replica_id": "rep", **values}
    async with server.platform.db.transaction() as session:
        its: dict[str, Any] = {
            "id": ids.new("req"),
            "account_id": row.account_id,
            "deployment_id": row.id,
            "created_at": second(after),
        }
        session.add(InferenceRequest(**its, **given))


async def charged(server: Server, row: Deployment, after: float, micros: int) -> None:
    """Post an amount so many seconds after noon, as the ledger does."""
    async with server.platform.db.transaction() as session:
        entry: dict[str, Any] = {
            "account_id": row.account_id,
            "resource_id": row.id,
            "description": "test",
            "created_at": second(after),
        }
        session.add(LedgerTransaction(id=ids.new("txn"), reference=ids.new("txn"), amount_micros=-micros, **entry))


async def stats(client: httpx2.AsyncClient, row: Deployment, start: Any, end: Any = None, what: str = "stats") -> dict[str, Any]:
    params = {"from": str(start)} | ({} if end is None else {"to": str(end)})
    answer = await client.get(f"/deploy/{row.id}/{what}", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_period_holds_its_start_and_not_its_end(client: httpx2.AsyncClient, server: Server, at_noon: None) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    for after in (-0.000001, 0, 5, 9.999999, 10):
        await asked(server, row, after)
        await charged(server, row, after, 30_000)
    found = await stats(client, row, NOON, NOON + 10)
    assert found == {
        "requests": 3,
        "total_time": 0,
        "total_tokens": 90,
        "input_tokens": 30,
        "output_tokens": 60,
        "total_amount": 9,
        "avg_time": 100.0,
        "avg95_time": 100.0,
        "errors": 0,
    }
    assert await stats(client, row, NOON, NOON) == NOTHING
    assert (await stats(client, row, f"{NOON}.000000001", f"{NOON + 10}.000001"))["requests"] == 3
    assert (await stats(client, row, 0, NOON + 60))["requests"] == 5


@pytest.mark.usefixtures("database_url", "at_noon")
async def test_figures_are_exact(client: httpx2.AsyncClient, server: Server) -> None:
    row, other = await things.serving_deployment(server, NOWHERE), await things.serving_deployment(server, NOWHERE, "other")
    for number in range(1, 41):
        await asked(
            server,
            row,
            -number,
            latency_ms=number * 100.0,
            prompt_tokens=number,
            completion_tokens=0 if number == 40 else 10,
            ttft_ms=number * 1.0 if number <= 20 else None,
            status_code=(200, 400, 503)[max(0, number - 38)],
        )
    await asked(server, other, -1)
    for micros in (12_345_678, 1_234, 5_000_000):
        await charged(server, row, -2, micros)
    await charged(server, other, -2, 7_000_000)
    assert await stats(client, row, "now-1h") == {
        "requests": 40,
        "total_time": 82,
        "total_tokens": 820 + 390,
        "input_tokens": 820,
        "output_tokens": 390,
        "total_amount": 1735,
        "avg_time": 2050.0,
        "avg95_time": 3800.0,
        "errors": 2,
    }
    assert await stats(client, row, "now-1h", what="stats2") == {
        "llm": {
            "requests": 40,
            "input_tokens": 820,
            "output_tokens": 390,
            "avg_ttft_ms": 10.5,
            "avg95_ttft_ms": 19.0,
            "avg_tpt_ms": 200.0,
            "avg95_tpt_ms": 380.0,
            "total_amount_cents": 1735,
            "errors": 2,
        },
        "embeddings": None,
        "time": {
            "requests": 40,
            "total_time_s": 82,
            "total_amount_cents": 1735,
            "avg_time_ms": 2050.0,
            "avg95_time_ms": 3800.0,
            "errors": 2,
        },
    }


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("5s", 5), ("5sec", 5), ("5m", 300), ("5min", 300), ("5h", 18_000), ("5hour", 18_000), ("5d", 432_000),
        ("5day", 432_000), ("2w", 1_209_600), ("2week", 1_209_600), ("1M", 2_592_000), ("1Month", 2_592_000),
    ],
)  # fmt: skip
async def test_so_long_before_now(client: httpx2.AsyncClient, server: Server, at_noon: None, word: str, seconds: int) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    await asked(server, row, -seconds)
    await asked(server, row, -seconds - 1)
    assert (await stats(client, row, f"now-{word}"))["requests"] == 1
    assert (await stats(client, row, 0, f"now-{word}"))["requests"] == 1


async def test_a_period_that_cannot_be_read_is_422(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    for start in ("yesterday", "now-5y", "now-h", "now+1h", "-5", "1e9", "2026-01-01", "now-999999h", "999999999999", "١"):
        for what in ("stats", "stats2"):
            answer = await client.get(f"/deploy/{row.id}/{what}", params={"from": start})
            assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "from"]), start
    assert await stats(client, row, "now-99999M") == NOTHING
    backwards = await client.get(f"/deploy/{row.id}/stats", params={"from": "now", "to": "now-1s"})
    assert (backwards.status_code, backwards.json()["detail"][0]["loc"]) == (422, ["query", "to"])


@pytest.mark.usefixtures("database_url", "at_noon")
async def test_what_models_were_asked_in_a_period(client: httpx2.AsyncClient, server: Server) -> None:
    first = await things.serving_deployment(server, NOWHERE, "tenant/b")
    await asked(server, first, -5)
    await client.delete(f"/deploy/{first.id}")
    second_of_name = await things.serving_deployment(server, NOWHERE, "tenant/b")
    idle, other = await things.serving_deployment(server, NOWHERE, "idle"), await things.serving_deployment(server, NOWHERE, "a")
    await asked(server, second_of_name, -4)
    await asked(server, other, -3)
    await asked(server, idle, -3600)
    answer = await client.get("/deploy/stats", params={"from": "now-1min"})
    assert answer.json() == [{"model_name": "a", "requests": 1}, {"model_name": "tenant/b", "requests": 2}]


async def test_stop_ends_the_billing_and_start_begins_it_anew(
    client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    await spending.spent(server, row.id, 100, rate_usd=3.6, running=True)
    before = clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: before + 20_000_000)
    await client.post(f"/deploy/{row.id}/stop")
    meter = await spending.open_meter(server, row.id)
    posted = (await stats(client, row, "now-1h", f"{NOON * 2}"))["total_amount"]
    assert (meter.closed, meter.posted_micros // 10_000, posted) == (True, posted, posted)
    monkeypatch.setattr(clock, "now_micros", lambda: before + 3_600_000_000)
    await client.delete(f"/deploy/{row.id}")
    async with server.platform.db.read() as session:
        assert await ledger.charged(session, row.id) == meter.posted_micros


async def lines(client: httpx2.AsyncClient, **params: Any) -> dict[str, list[list[str]]]:
    answer = await client.get("/v1/deployment_logs/query", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[list[str]]] = answer.json()["entries"]
    return found


async def said(server: Server, deploy_id: str, count: int, *replicas: str | None) -> None:
    """Append lines a second apart from noon on, of each replica in turn."""
    rows = []
    for number in range(count):
        replica = replicas[number % len(replicas)]
        row = {**events.log_line(f"line {number}", source="engine" if replica else "platform"), "at": second(number).isoformat()}
        rows.append(row | ({"replica": replica} if replica else {}))
    async with server.platform.db.transaction() as session:
        await stream.append(session, deploy_id, "logs", rows)


async def test_lines_come_by_instance_in_order(client: httpx2.AsyncClient, server: Server) -> None:
    made = await created(client)
    deploy_id = made["deploy_id"]
    (queued,) = (await lines(client, deploy_id=deploy_id))["platform"]
    assert queued[1] == "Status: queued"
    await said(server, deploy_id, 6, "rep_a", "rep_b", None)
    found = await lines(client, deploy_id=deploy_id, **{"from": f"{NOON}"})
    assert found == {
        "rep_a": [[f"{NOON}.000000000", "line 0"], [f"{NOON + 3}.000000000", "line 3"]],
        "rep_b": [[f"{NOON + 1}.000000000", "line 1"], [f"{NOON + 4}.000000000", "line 4"]],
        "platform": [[f"{NOON + 2}.000000000", "line 2"], [f"{NOON + 5}.000000000", "line 5"]],
    }
    assert await lines(client, deploy_id=deploy_id, pod_name="rep_b") == {"rep_b": found["rep_b"]}
    assert await lines(client, deploy_id=deploy_id, pod_name="rep_c") == {}
    window = {"from": f"{NOON + 3}", "to": f"{NOON + 5}"}
    assert await lines(client, deploy_id=deploy_id, **window) == {"rep_a": found["rep_a"][1:], "rep_b": found["rep_b"][1:]}


async def test_without_a_start_the_last_lines_come_with_one_the_first(
    client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.deployment_logs.LOOKED_AT_ONCE", 3)
    made = await created(client)
    deploy_id = made["deploy_id"]
    for _ in range(3):
        await said(server, deploy_id, 50, "rep_a")
    newest = (await lines(client, deploy_id=deploy_id, limit=2, to=f"{NOON + 50}"))["rep_a"]
    assert [line for _, line in newest] == ["line 48", "line 49"]
    assert len((await lines(client, deploy_id=deploy_id))["rep_a"]) == 100
    read: list[str] = []
    after = f"{NOON}"
    while page := await lines(client, deploy_id=deploy_id, limit=60, **{"from": after}):
        assert sum(map(len, page.values())) <= 60
        read += [line for _, line in page["rep_a"]]
        # A nanosecond after the last one.
        after = page["rep_a"][-1][0].removesuffix("000") + "001"
    assert set(read) == {f"line {number}" for number in range(50)}
