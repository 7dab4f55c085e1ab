"""API keys, and the sessions of browsers: a keyed hash of the secret, what it may do, and until when.

A session is a row of this table too, so that whatever bounds, counts, records or ends a key does the same with a session.
"""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp

SCOPES = ("read", "write", "inference")
KEY = "key"
SESSION = "session"
PASSWORD, API_KEY, LINK = WAYS = ("password", "api_key", "link")


class ApiKey(SQLModel, table=True):
    """`key_hash` covers the secret without its prefix; the key itself is stored nowhere.

    Of a session, `signed_in_with` is one of `WAYS`, and `parent_id` the key that it was signed in with, if that was one: the
    session ends with it. `kind` also tells what its secret is taken as: a key in a header, a session in a cookie. Where the
    limits of inference are null, only the installation's count.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        Index("ix_api_key_page", "account_id", "created_at", "id"),
        Index("ix_api_key_parent_id", "parent_id"),
        CheckConstraint("kind IN ('key', 'session')", name="kind"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    kind: str = KEY
    parent_id: str | None = Field(default=None, foreign_key="api_key.id")
    name: str
    key_prefix: str
    key_hash: str = Field(unique=True)
    scopes: list[str] = Field(sa_type=JSON)
    signed_in_with: str | None = None
    user_agent: str | None = None
    inference_requests_per_minute: int | None = None
    inference_tokens_per_minute: int | None = None
    created_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_used_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)
