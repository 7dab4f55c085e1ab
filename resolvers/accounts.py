"""Accounts: made and funded by the operator, on the database of this machine."""

import re

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid, NotFound
from burnish.kit.money import usd
from models import audit, ledger
from models.account import METERED, PREPAID, Account
from models.api_key import SCOPES
from models.books import lock
from resolvers import api_keys
from resolvers.context import Context

CUSTOMER = re.compile(r"cus_[A-Za-z0-9]{1,250}")
FIRST = "operator"
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


async def create(
    core: Core, slug: str, *, credit_micros: int = 0, operator: bool = False, metered: bool = False
) -> tuple[Account, str]:
    """Make an account with a first API key; return both. The operator's is metered, others where that is asked for. Conflict
    for a taken name.
    """
    if not SLUG.fullmatch(slug):
        raise Invalid("An account name has 1 to 63 lower-case letters, digits and inner hyphens.", param="name")
    if credit_micros < 0:
        raise Invalid("Credit cannot be negative.", param="credit")
    account = Account(
        id=ids.new("acct"),
        slug=slug,
        is_operator=operator,
        billing_mode=METERED if operator or metered else PREPAID,
        created_at=clock.now(),
    )
    try:
        async with core.db.transaction() as session:
            session.add(account)
            await session.flush()
            _, key = await api_keys.insert(session, core, account.id, name="default", scopes=list(SCOPES))
            if credit_micros:
                await _fund(session, account, credit_micros)
            _note(session, "accounts.create", account, credit_micros)
    except IntegrityError:
        raise Conflict(f"There is an account called {slug} already.", param="name") from None
    return account, key


async def credit(core: Core, slug: str, amount_micros: int) -> Account:
    """Add credit to an account; NotFound for an unknown name."""
    if amount_micros <= 0:
        raise Invalid("A top-up is more than zero.", param="amount")
    async with core.db.transaction() as session:
        account = await find(session, slug)
        await _fund(session, account, amount_micros)
        _note(session, "accounts.credit", account, amount_micros)
    return account


async def set_mode(core: Core, slug: str, mode: str) -> Account:
    """Make an account prepaid or metered; Conflict where its balance does not cover what a prepaid one has set aside."""
    if mode not in (PREPAID, METERED):
        raise Invalid(f"Unknown mode '{mode}'; there are {PREPAID} and {METERED}.", param="mode")
    async with core.db.transaction() as session:
        account = await lock(session, (await find(session, slug)).id)
        if mode == PREPAID and account.free_micros < 0:
            short = usd(-account.free_micros)
            raise Conflict(f"{slug} needs {short:.6f} USD of credit first: a prepaid account owes nothing.", param="mode")
        account.billing_mode = mode
        session.add(account)
        _note(session, "accounts.set_mode", account)
    return account


async def set_customer(core: Core, slug: str, customer: str) -> Account:
    """Say which customer at Stripe an account is; Conflict for another account's."""
    if not CUSTOMER.fullmatch(customer):
        raise Invalid("A customer id of Stripe begins with cus_.", param="customer")
    try:
        async with core.db.transaction() as session:
            account = await find(session, slug)
            account.stripe_customer_id = customer
            session.add(account)
            await session.flush()
            _note(session, "accounts.set_customer", account)
    except IntegrityError:
        raise Conflict(f"{customer} is another account's.", param="customer") from None
    return account


async def get(ctx: Context) -> Account:
    """Return the caller's account as it stands."""
    ctx.require("read")
    async with ctx.db.read() as session:
        return await session.get_one(Account, ctx.account.id)


async def ensure_first(core: Core) -> str | None:
    """Make the operator's account where the installation has no account; return its key, or None."""
    async with core.db.read() as session:
        count = (await session.exec(select(func.count(col(Account.id))))).one()
    if count:
        return None
    try:
        return (await create(core, FIRST, operator=True))[1]
    except Conflict:
        return None


async def find(session: Session, slug: str) -> Account:
    """Return the account of a name; NotFound where there is none."""
    account = (await session.exec(select(Account).where(Account.slug == slug))).first()
    if account is None:
        raise NotFound(f"There is no account called {slug}.", param="name")
    return account


async def _fund(session: Session, account: Account, amount_micros: int) -> None:
    reference = f"topup:{ids.new('top')}"
    await ledger.fund(session, account.id, amount_micros, reference=reference, description="Credit added by the operator")
    await session.refresh(account)


def _note(session: Session, action: str, account: Account, amount_micros: int | None = None) -> None:
    details = {"slug": account.slug, "billing_mode": account.billing_mode, "stripe_customer_id": account.stripe_customer_id}
    if amount_micros is not None:
        details = {"slug": account.slug, "credit_usd": str(usd(amount_micros))}
    audit.note(session, action, account_id=account.id, resource_id=account.id, details=details)
