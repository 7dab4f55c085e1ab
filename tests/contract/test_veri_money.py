"""What the published `veri-sdk` asks about money."""

import asyncio
from typing import Any

import pytest
import veri_sdk

pytestmark = pytest.mark.anyio


async def test_costs_and_billing(veri: veri_sdk.Client) -> None:
    def ask() -> dict[str, Any]:
        return {
            "estimate": veri.cost.estimate("A100-80GB", provider="prime_intellect"),
            "rates": veri.cost.rates(),
            "summary": veri.cost.summary(days=7),
            "compare": veri.cost.compare("H100", gpu_count=2, duration_minutes=30),
            "balance": veri.billing.balance(),
            "transactions": veri.billing.transactions(limit=5),
            "burn_rate": veri.billing.burn_rate(),
        }

    found = await asyncio.to_thread(ask)
    assert (found["estimate"]["cost_usd"], found["estimate"]["overhead_cost_usd"]) == (4.5136, 0.072)
    assert found["rates"]["rates"]["prime_intellect"]["A100-80GB"] == 3.4
    assert found["summary"]["total_cost_usd"] == 0.0
    assert [row["provider"] for row in found["compare"]] == ["runpod", "lambda", "prime_intellect", "local"]
    assert found["balance"]["balance_usd"] == 100.0 and found["balance"]["stripe_customer_id"] is None
    assert [row["amount_usd"] for row in found["transactions"]["items"]] == [100.0]
    assert found["burn_rate"]["hours_remaining"] is None
