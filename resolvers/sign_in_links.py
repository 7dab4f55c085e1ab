"""Links that sign in once: made by the operator on this machine, used by whoever has one first."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, update
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.db import Session
from models import audit
from models.account_user import SignInLink
from resolvers import accounts

LASTS = timedelta(hours=24)
KEPT = timedelta(days=7)
USE = "sign-in-link"


class Link(NamedTuple):
    """What a link is made of; the token is stored nowhere."""

    token: str
    expires_at: datetime

    def url(self, base_url: str) -> str:
        """Return the link. The token stands behind its `#`: no browser sends that to a server, so that no log or proxy has it."""
        return f"{base_url}/sign-in#link={self.token}"


async def create(core: Core, slug: str) -> Link:
    """Make a link for an account; NotFound for an unknown name."""
    token = secrets.token_urlsafe(24)
    now = clock.now()
    async with core.db.transaction() as session:
        account = await accounts.find(session, slug)
        old = (col(SignInLink.account_id) == account.id, col(SignInLink.expires_at) < now - KEPT)
        await session.exec(delete(SignInLink).where(*old))
        row = SignInLink(
            id=ids.new("lnk"),
            account_id=account.id,
            token_hash=core.secrets.hash_token(USE, token),
            created_at=now,
            expires_at=now + LASTS,
        )
        session.add(row)
        audit.note(session, "sign_in_links.create", account_id=account.id, resource_id=row.id, details={"slug": account.slug})
    return Link(token, row.expires_at)


async def use(session: Session, token_hash: str) -> str | None:
    """Use a link up; return the account that it is of, None where it is none, was used, or its time is over.

    Of several that come at once, one gets it: the rest find it used.
    """
    now = clock.now()
    unused = (col(SignInLink.token_hash) == token_hash, col(SignInLink.used_at).is_(None), col(SignInLink.expires_at) > now)
    done = await session.exec(update(SignInLink).where(*unused).values(used_at=now))
    if done.rowcount != 1:
        return None
    return (await session.exec(select(SignInLink.account_id).where(SignInLink.token_hash == token_hash))).one()
