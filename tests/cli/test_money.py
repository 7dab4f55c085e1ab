"""Costs, billing, budgets and rates on the command line."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.kit.settings import Settings
from tests.cli.conftest import Commands
from tests.conftest import Server
from tests.rest_compat import things
from tests.rest_compat.spending import spent

pytestmark = pytest.mark.anyio
CATALOGUE = """InstanceType,AcceleratorName,AcceleratorCount,Price,SpotPrice
gpu_1x_h100,H100,1.0,3.10,
gpu_8x_h100,H100,8.0,24.00,
"""


async def test_what_was_spent_in_all_and_in_its_parts(burnish: Commands, server: Server) -> None:
    assert (await burnish.json("cost"))["total_cost_usd"] == 0.0
    await spent(server, "job_a", 3600, rate_usd=2)
    await spent(server, "job_b", 1800, rate_usd=1, gpu="CPU", provider="runpod")
    await spent(server, "dep_a", 1800, rate_usd=1)
    found = await burnish.json("cost", "--since", "7d")
    assert (found["period_days"], found["total_cost_usd"], found["job_count"]) == (7, 3.0, 2)
    assert await burnish.json("cost", "summary", "--since", "7d") == found
    assert await burnish.json("cost", "--by", "job") == [
        {"resource_id": "job_a", "cost_usd": 2.0, "hours": 1.0, "job_count": 1},
        {"resource_id": "dep_a", "cost_usd": 0.5, "hours": 0.5, "job_count": 0},
        {"resource_id": "job_b", "cost_usd": 0.5, "hours": 0.5, "job_count": 1},
    ]
    by = {name: await burnish.json("cost", "--by", name, "--since", "12h") for name in ("gpu", "provider", "kind", "day")}
    assert [(row["gpu_type"], row["cost_usd"]) for row in by["gpu"]] == [("H100-80GB", 2.5), ("CPU", 0.5)]
    assert [(row["provider"], row["job_count"]) for row in by["provider"]] == [("local", 1), ("runpod", 1)]
    assert [(row["kind"], row["cost_usd"]) for row in by["kind"]] == [("training", 2.5), ("serving", 0.5)]
    assert sum(row["cost_usd"] for row in by["day"]) == 3.0
    assert "job_a" in (await burnish("cost", "--by", "job")).stdout
    assert "--by: costs are told apart by job" in (await burnish("cost", "--by", "colour", code=2)).stderr
    assert "--since: 'soon' is neither" in (await burnish("cost", "--since", "soon", code=2)).stderr
    assert "--since" in (await burnish("cost", "--since", "2000-01-01", code=2)).stderr


async def test_what_things_would_cost(burnish: Commands) -> None:
    found = await burnish.json("cost", "estimate", "-g", "A100-80GB", "--provider", "prime_intellect")
    assert (found["cost_usd"], found["overhead_cost_usd"]) == (4.5136, 0.072)
    offers = await burnish.json("cost", "compare", "-g", "H100:2", "--hours", "0.5")
    assert (offers[0]["provider"], offers[0]["cost_usd"]) == ("runpod", 2.69)
    month = await burnish.json(
        *("cost", "projection", "-g", "A100", "--provider", "prime_intellect", "--jobs-per-day", "100", "--minutes", "30")
    )
    assert (month["avg_cost_per_job_usd"], month["total_monthly_usd"]) == (1.736, 5208.0)
    assert (await burnish.json("cost", "rates"))["rates"]["local"] == {"CPU": 0.1}
    assert "prime_intellect  A100-80GB" in (await burnish("cost", "rates", "--provider", "prime_intellect")).stdout
    assert "--gpu: Unknown GPU type" in (await burnish("cost", "estimate", "-g", "H900", code=1)).stderr
    assert "--hours" in (await burnish("cost", "estimate", "-g", "H100", "--hours", "0", code=2)).stderr


async def test_the_credit_and_what_changed_it(burnish: Commands, server: Server) -> None:
    await spent(server, "job_a", 3600, rate_usd=25)
    await spent(server, "job_b", 0, rate_usd=25, running=True)
    found = await burnish.json("billing", "balance")
    assert (found["balance_usd"], found["free_usd"], found["plan"]) == (75.0, 75.0, "prepaid")
    assert [row["amount_usd"] for row in await burnish.json("billing", "transactions")] == [-25.0, 100.0]
    assert [row["amount_usd"] for row in await burnish.json("billing", "transactions", "--limit", "1")] == [-25.0]
    assert (await burnish.json("billing", "burn-rate"))["hours_remaining"] == 3.0
    assert (await burnish.json("billing", "check", "75"))["sufficient"] is True
    assert "are free" in (await burnish("billing", "check", "75.01", code=6)).stderr
    assert "USD: 'much'" in (await burnish("billing", "check", "much", code=2)).stderr


async def test_a_budget_is_set_shown_and_taken_away(burnish: Commands) -> None:
    assert "There is no budget" in (await burnish("budget", "show")).stderr
    found = await burnish.json("budget", "set", "20", "--period", "total")
    assert (found["limit_usd"], found["period"], found["remaining_usd"]) == (20.0, "total", 20.0)
    assert await burnish.json("budget", "show") == found
    assert "USD: " in (await burnish("budget", "set", "much", code=2)).stderr
    assert "--period: " in (await burnish("budget", "set", "1", "--period", "week", code=2)).stderr
    assert (await burnish.json("budget", "set", "none"))["limit_usd"] is None


async def test_a_job_has_a_cap(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json("jobs", "create", "-f", "job.toml", "--max-cost", "2.50", "-y")
    assert made["max_cost_usd"] == 2.5
    made = await burnish.json("jobs", "create", "-f", "job.toml", "--set", "max_cost_usd=3", "-y")
    assert made["max_cost_usd"] == 3.0
    refused = await burnish("jobs", "create", "-f", "job.toml", "--max-cost", "0.001", "-y", code=1)
    assert "--max-cost: max_cost_usd is at least" in refused.stderr


async def test_accounts_owe_or_pay_before_and_have_a_customer(burnish: Commands) -> None:
    made = await burnish.json("accounts", "create", "acme", "--metered")
    assert (made["billing"], made["stripe_customer_id"]) == ("metered", None)
    assert (await burnish.json("accounts", "billing", "acme", "prepaid"))["billing"] == "prepaid"
    assert (await burnish.json("accounts", "stripe", "acme", "cus_123"))["stripe_customer_id"] == "cus_123"
    assert "customer: cus_123 is another account's" in (await burnish("accounts", "stripe", "tenant", "cus_123", code=1)).stderr
    assert "mode: Unknown mode" in (await burnish("accounts", "billing", "acme", "free", code=1)).stderr
    await burnish("accounts", "billing", "nobody", "prepaid", code=4)


async def test_an_account_that_owes_cannot_become_prepaid(burnish: Commands, server: Server) -> None:
    await burnish("accounts", "billing", "tenant", "metered")
    await spent(server, "job_a", 3600, rate_usd=101)
    before = await things.everything(server)
    assert "needs 1.000000 USD of credit first" in (await burnish("accounts", "billing", "tenant", "prepaid", code=1)).stderr
    assert await things.everything(server) == before


class Catalogues(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/v8/lambda/vms.csv"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(CATALOGUE.encode() if found else b"")

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def catalogues() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Catalogues) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}/v8/"
        served.shutdown()


async def test_rates_are_fetched_and_shown_with_their_source(burnish: Commands, settings: Settings, catalogues: str) -> None:
    assert "no catalogue is named" in (await burnish("rates", "refresh", code=2)).stderr
    burnish.environment["BURNISH_RATES_REFRESH_URL"] = catalogues
    assert await burnish.json("rates", "refresh") == [
        {"provider": "lambda", "rates": 1, "error": None},
        {"provider": "prime_intellect", "rates": 0, "error": "HTTP 404"},
        {"provider": "runpod", "rates": 0, "error": "HTTP 404"},
    ]
    (settings.home / "rates.toml").write_text("[local]\nCPU = 0.25\n")
    shown = {(row["provider"], row["gpu_type"]): row for row in await burnish.json("rates", "show")}
    assert (shown["lambda", "H100-80GB"]["usd_per_hour"], shown["lambda", "H100-80GB"]["source"]) == (3.0, "fetched")
    assert (shown["local", "CPU"]["usd_per_hour"], shown["local", "CPU"]["source"]) == (0.25, "file")
    assert shown["runpod", "H100-80GB"]["source"] == "default"
    assert (await burnish.json("cost", "rates"))["rates"]["lambda"]["H100-80GB"] == 3.0


async def test_a_bad_file_of_rates_is_told_by_the_doctor_and_keeps_the_platform_from_starting(
    burnish: Commands, settings: Settings
) -> None:
    found = {check["check"]: check for check in await burnish.json("doctor")}
    assert (found["rates"]["status"], found["rates"]["detail"]) == ("ok", "the defaults; no rates.toml")
    file = settings.home / "rates.toml"
    file.write_text("[local]\nCPU = 0.10\n\n[runpod]\nH900 = 2\n")
    checks = {check["check"]: check for check in await burnish.json("doctor", code=1)}
    assert checks["rates"]["status"] == "fail"
    assert checks["rates"]["detail"].startswith(f"{file}:5: [runpod] H900: no such GPU type")
    for command in ("up", "worker"):
        process = burnish.start(command)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "")
        assert f"{file}:5: [runpod] H900: no such GPU type" in err
