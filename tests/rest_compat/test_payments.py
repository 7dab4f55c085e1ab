"""What Stripe tells of: signed events credit an account once, whatever comes twice, and nothing else does anything."""

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any

import httpx2
import pytest

from burnish.kit.settings import Settings
from models.account import Account
from resolvers import accounts
from tests.conftest import Server
from tests.rest_compat import things
from tests.rest_compat.spending import spent

pytestmark = pytest.mark.anyio
SECRET = "whsec_of_the_tests"
PATH = "/v1/billing/stripe/webhook"


@pytest.fixture(autouse=True)
def secret(settings: Settings) -> None:
    settings.stripe_webhook_secret = SECRET


def signature(body: bytes, at: float | None = None, secret: str = SECRET) -> str:
    moment = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def event(kind: str, about: dict[str, Any]) -> bytes:
    made = {"id": "evt_1", "object": "event", "api_version": "2026-01-28", "type": kind, "data": {"object": about}}
    return json.dumps(made).encode()


async def tell(server: Server, body: bytes, code: int = 200, **signed: Any) -> Any:
    """Send an event as Stripe does: without a key."""
    async with httpx2.AsyncClient(base_url=server.url, verify=False) as stripe:
        answer = await stripe.post(PATH, content=body, headers={"Stripe-Signature": signature(body, **signed)})
    assert answer.status_code == code, answer.text
    return answer.json()["outcome"] if code == 200 else answer.json()["error"]


def checkout(server: Server, **changes: Any) -> bytes:
    about = {
        "id": "cs_1",
        "object": "checkout.session",
        "mode": "payment",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "amount_total": 2550,
        "currency": "usd",
        "client_reference_id": server.tenant.account.id,
        "customer": "cus_1",
    }
    return event("checkout.session.completed", about | changes)


def payment(**changes: Any) -> bytes:
    about = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount_received": 2550,
        "currency": "usd",
        "customer": "cus_1",
        "metadata": {},
    }
    return event("payment_intent.succeeded", about | changes)


def refund(cents: int, **changes: Any) -> bytes:
    about = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": cents, "currency": "usd"}
    return event("charge.refunded", about | changes)


async def account(server: Server) -> Account:
    return await accounts.get(await server.context())


async def test_a_checkout_credits_once_whichever_event_comes_first(server: Server) -> None:
    assert await tell(server, checkout(server)) == "credited"
    found = await account(server)
    assert (found.balance_micros, found.stripe_customer_id) == (125_500_000, "cus_1")
    assert await tell(server, checkout(server)) == "known"
    assert await tell(server, payment()) == "known"
    assert await tell(server, payment(id="pi_2")) == "credited"
    assert await tell(server, checkout(server, payment_intent="pi_2")) == "known"
    assert (await account(server)).balance_micros == 151_000_000


async def test_fifty_at_once_credit_once(server: Server) -> None:
    outcomes = await asyncio.gather(
        *(
            tell(server, checkout(server) if n % 2 else payment(metadata={"account_id": server.tenant.account.id}))
            for n in range(50)
        )
    )
    assert sorted(outcomes) == ["credited"] + ["known"] * 49
    assert (await account(server)).balance_micros == 125_500_000


@pytest.mark.parametrize("forgery", ["secret", "old", "body", "header", "none", "garbage"])
async def test_what_stripe_did_not_sign_changes_nothing(server: Server, forgery: str) -> None:
    before = await things.everything(server)
    body = checkout(server)
    headers = {
        "secret": {"Stripe-Signature": signature(body, secret="whsec_other")},
        "old": {"Stripe-Signature": signature(body, at=time.time() - 301)},
        "body": {"Stripe-Signature": signature(body)},
        "header": {"Stripe-Signature": "t=1,v1=zz"},
        "none": {},
        "garbage": {"Stripe-Signature": signature(b"\xff\xfe")},
    }[forgery]
    sent = {"body": body.replace(b"2550", b"9999"), "garbage": b"\xff\xfe"}.get(forgery, body)
    async with server.client() as client:
        answer = await client.post(PATH, content=sent, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_signature")
    assert await things.everything(server) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"client_reference_id": "acct_nobody"},
        {"client_reference_id": None, "customer": "cus_unknown"},
        {"client_reference_id": None, "customer": None},
        {"currency": "eur"},
        {"payment_status": "unpaid"},
        {"mode": "subscription"},
        {"amount_total": 0},
        {"amount_total": -5},
        {"amount_total": True},
        {"amount_total": "2550"},
        {"amount_total": 10**18},
        {"payment_intent": 7},
    ],
)
async def test_what_is_nobodys_or_no_payment_is_taken_and_changes_nothing(server: Server, changes: dict[str, Any]) -> None:
    before = await things.everything(server)
    assert await tell(server, checkout(server, **changes)) == "ignored"
    assert await things.everything(server) == before


async def test_other_events_are_taken_and_change_nothing(server: Server) -> None:
    before = await things.everything(server)
    assert await tell(server, event("customer.created", {"id": "cus_1"})) == "ignored"
    assert await tell(server, refund(100)) == "ignored"
    assert (await tell(server, b'"text"', 400))["code"] == "invalid_signature"
    assert await things.everything(server) == before


async def test_a_customer_belongs_to_one_account(server: Server) -> None:
    other = await server.new_tenant("other", "0")
    await tell(server, checkout(server))
    assert await tell(server, checkout(server, payment_intent="pi_2", client_reference_id=other.account.id)) == "credited"
    ctx = await server.context(other)
    found = await accounts.get(ctx)
    assert (found.balance_micros, found.stripe_customer_id) == (25_500_000, None)
    assert (await account(server)).stripe_customer_id == "cus_1"


async def test_refunds_take_back_what_is_free_and_no_more(server: Server) -> None:
    await tell(server, checkout(server))
    assert await tell(server, refund(1000)) == "refunded"
    assert await tell(server, refund(1000)) == "known"
    assert (await account(server)).balance_micros == 115_500_000
    await spent(server, "job_a", 3600, rate_usd=110)
    assert await tell(server, refund(2550)) == "refunded"
    assert (await account(server)).balance_micros == 0
    assert await tell(server, refund(2550)) == "known"
    await accounts.credit(server.platform.core, "tenant", 9_000_000)
    assert await tell(server, refund(2550)) == "known"
    assert (await account(server)).balance_micros == 9_000_000


async def test_without_a_secret_there_is_no_webhook(server: Server, settings: Settings) -> None:
    settings.stripe_webhook_secret = ""
    assert (await tell(server, checkout(server), 404))["code"] == "resource_not_found"


async def test_a_body_that_is_too_large_is_413(server: Server) -> None:
    assert (await tell(server, b" " * (2**20 + 1), 413))["code"] == "payload_too_large"


async def test_a_refund_that_is_told_of_before_its_payment_is_told_again_and_then_counts(server: Server) -> None:
    assert (await tell(server, refund(1000, created=int(time.time())), 503))["code"] == "payment_unknown"
    assert (await account(server)).balance_micros == 100_000_000
    assert await tell(server, checkout(server)) == "credited"
    assert await tell(server, refund(1000, created=int(time.time()))) == "refunded"
    assert (await account(server)).balance_micros == 115_500_000
