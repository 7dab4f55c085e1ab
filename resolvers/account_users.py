"""The user of an account: an email address, and the hash of a password."""

import re

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid
from models import audit
from models.account import Account
from models.account_user import AccountUser
from resolvers import accounts
from resolvers.context import Context

EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")


async def get(ctx: Context) -> AccountUser | None:
    """Return the user of the caller's account, where it has one. Any key may ask whose it is."""
    async with ctx.db.read() as session:
        return await find(session, ctx.account.id)


async def set_email(core: Core, slug: str, email: str) -> None:
    """Set the address that an account signs in with beside its name; Conflict for another account's."""
    if not EMAIL.fullmatch(email):
        raise Invalid("This is no email address.", param="email")
    now = clock.now()
    try:
        async with core.db.transaction() as session:
            account = await accounts.find(session, slug)
            user = await find(session, account.id, lock=True)
            user = user or AccountUser(id=ids.new("usr"), account_id=account.id, created_at=now, updated_at=now)
            user.email, user.updated_at = email.lower(), now
            session.add(user)
            await session.flush()
            audit.note(session, "account_users.set_email", account_id=account.id, resource_id=user.id, details={"slug": slug})
    except IntegrityError:
        raise Conflict("This email address is another account's.", param="email") from None


async def find(session: Session, account_id: str, *, lock: bool = False) -> AccountUser | None:
    """Return an account's user, where it has one."""
    statement = select(AccountUser).where(AccountUser.account_id == account_id)
    return (await session.exec(statement.with_for_update() if lock else statement)).first()


async def named(session: Session, name: str) -> tuple[Account, AccountUser | None] | None:
    """Return the account of a name or an email address, whatever its case, with its user."""
    statement = select(Account, AccountUser).join(AccountUser, col(AccountUser.account_id) == col(Account.id), isouter=True)
    wanted = name.lower()
    which = col(AccountUser.email) == wanted if "@" in wanted else col(Account.slug) == wanted
    row = (await session.exec(statement.where(which))).first()
    return None if row is None else (row[0], row[1])
