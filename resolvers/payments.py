"""Top-ups that Stripe tells of: an event is believed by its signature, a payment is credited once, whichever events tell of it.

A finished checkout and the payment behind it both credit under the payment's own id, so that the first to come counts and the
other changes nothing; so does any replay. The account is the one that the checkout or the payment names (`client_reference_id`,
or `account_id` in its metadata), else the one that the customer belongs to. What belongs to nobody here is logged and answered
like the rest: Stripe would only send it again. That is what a refund wants whose payment nobody has told of yet, for Stripe keeps
no order. A refund takes back no more than what is free, and never what work has used.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound, Unavailable
from burnish.kit.money import MAX_MICROS, usd
from models import audit, books, ledger
from models.account import Account
from models.ledger import LedgerTransaction

log = structlog.get_logger(__name__)
TOLERANCE_S = 300
# For as long Stripe goes on sending an event that was not taken.
RESENT_S = 3 * 86_400
CURRENCY = "usd"
MICROS_PER_CENT = 10_000
CREDITED, REFUNDED, KNOWN, IGNORED = "credited", "refunded", "known", "ignored"

Json = Mapping[str, Any]


async def receive(core: Core, payload: bytes, signature: str | None) -> str:
    """Act on an event of Stripe's; return what was done: `credited`, `refunded`, `known` or `ignored`.

    NotFound where no signing secret is set, Invalid (`invalid_signature`) for an event that Stripe did not sign just now,
    Unavailable (`payment_unknown`) for one that has to come again.
    """
    secret = core.settings.stripe_webhook_secret
    if not secret:
        raise NotFound("This installation takes no payments.")
    event = _verified(payload, signature, secret)
    act = HANDLERS.get(str(event.get("type")))
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if act is None or not isinstance(found, dict):
        return IGNORED
    async with core.db.transaction() as session:
        outcome = await act(session, found)
    log.info("stripe_event", id=str(event.get("id")), type=str(event.get("type")), outcome=outcome)
    return outcome


def _verified(payload: bytes, signature: str | None, secret: str) -> Json:
    # Loaded here only: it costs a quarter of a second, which no other request should pay.
    import stripe

    try:
        stripe.Webhook.construct_event(payload, signature, secret, TOLERANCE_S)
        event = json.loads(payload)
    except (stripe.SignatureVerificationError, ValueError, AttributeError, TypeError, KeyError):
        raise Invalid("Stripe did not sign this, or not lately.", code="invalid_signature", param="Stripe-Signature") from None
    if not isinstance(event, dict):
        raise Invalid("This is no event.", code="invalid_signature", param="body")
    return event


async def _checkout(session: Session, found: Json) -> str:
    if found.get("mode") != "payment" or found.get("payment_status") != "paid":
        return IGNORED
    return await _credit(session, found, found.get("payment_intent") or found.get("id"), found.get("amount_total"))


async def _payment(session: Session, found: Json) -> str:
    return await _credit(session, found, found.get("id"), found.get("amount_received"))


async def _credit(session: Session, found: Json, payment: object, cents: object) -> str:
    micros = _micros(cents)
    if found.get("currency") != CURRENCY or micros is None or not isinstance(payment, str):
        log.warning("payment_ignored", payment=str(payment), currency=str(found.get("currency")))
        return IGNORED
    account = await _account(session, found)
    if account is None:
        log.warning("payment_of_nobody", payment=payment, customer=str(found.get("customer")))
        return IGNORED
    await _link(session, account, found.get("customer"))
    booked = await ledger.fund(
        session, account.id, micros, reference=f"stripe:{payment}", description=f"Payment by Stripe, {payment}"
    )
    if booked is None:
        return KNOWN
    _note(session, "payments.credit", account.id, booked)
    return CREDITED


async def _refund(session: Session, found: Json) -> str:
    """Take back what was refunded of a charge since the last event that told of it."""
    payment, charge, total = found.get("payment_intent"), found.get("id"), _micros(found.get("amount_refunded"))
    if total is None or not isinstance(charge, str):
        return IGNORED
    paid = (await session.exec(select(LedgerTransaction).where(LedgerTransaction.reference == f"stripe:{payment}"))).first()
    if paid is None and found.get("currency") == CURRENCY and _is_recent(found.get("created")):
        raise Unavailable("Nothing has told of this payment yet.", retry_after_s=60, code="payment_unknown")
    if paid is None:
        return IGNORED
    await books.lock(session, paid.account_id)
    prefix = f"stripe-refund:{charge}:"
    earlier = select(LedgerTransaction.reference).where(col(LedgerTransaction.reference).startswith(prefix, autoescape=True))
    before = max((int(reference.removeprefix(prefix)) for reference in (await session.exec(earlier)).all()), default=0)
    if total <= before:
        return KNOWN
    due = total - before
    what = f"Refund by Stripe of {usd(due):.2f} USD, {charge}"
    booked = await ledger.withdraw(session, paid.account_id, due, reference=f"{prefix}{total}", description=what)
    if booked is not None and -booked.amount_micros < due:
        log.warning("refund_of_what_was_used", account=paid.account_id, charge=charge, short_micros=due + booked.amount_micros)
    if booked is not None:
        _note(session, "payments.refund", paid.account_id, booked)
    return REFUNDED


def _note(session: Session, action: str, account_id: str, booked: LedgerTransaction) -> None:
    details = {"amount_usd": f"{usd(booked.amount_micros):.6f}", "reference": booked.reference}
    audit.note(
        session, action, account_id=account_id, resource_id=booked.id, actor="stripe", actor_name="stripe", details=details
    )


async def _account(session: Session, found: Json) -> Account | None:
    metadata = found.get("metadata")
    named = found.get("client_reference_id") or (metadata.get("account_id") if isinstance(metadata, dict) else None)
    if isinstance(named, str):
        return await session.get(Account, named)
    customer = found.get("customer")
    if not isinstance(customer, str):
        return None
    return (await session.exec(select(Account).where(Account.stripe_customer_id == customer))).first()


async def _link(session: Session, account: Account, customer: object) -> None:
    """Remember the customer of an account that has none, unless another account's it is."""
    if account.stripe_customer_id is not None or not isinstance(customer, str):
        return
    if (await session.exec(select(Account.id).where(Account.stripe_customer_id == customer))).first() is None:
        account.stripe_customer_id = customer
        session.add(account)
        await session.flush()


def _is_recent(created: object) -> bool:
    return isinstance(created, int) and clock.now_micros() / 1e6 - created < RESENT_S


def _micros(cents: object) -> int | None:
    if isinstance(cents, bool) or not isinstance(cents, int) or not 0 < cents <= MAX_MICROS // MICROS_PER_CENT:
        return None
    return cents * MICROS_PER_CENT


HANDLERS: Mapping[str, Callable[[Session, Json], Awaitable[str]]] = {
    "checkout.session.completed": _checkout,
    "checkout.session.async_payment_succeeded": _checkout,
    "payment_intent.succeeded": _payment,
    "charge.refunded": _refund,
}
