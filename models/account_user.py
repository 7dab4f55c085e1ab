"""Users and their ways into the dashboard: a password, and links that sign in once."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class AccountUser(SQLModel, table=True):
    """Who uses an account; one for each so far. `password_hash` is Argon2's own text, with its parameters and salt; None where
    no password was set. `email` is in lower case.
    """

    __tablename__ = "account_user"

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", unique=True)
    email: str | None = Field(default=None, unique=True)
    password_hash: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)


class SignInLink(SQLModel, table=True):
    """A link that makes one session. `token_hash` is keyed; the token itself is stored nowhere."""

    __tablename__ = "sign_in_link"

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    token_hash: str = Field(unique=True)
    created_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    used_at: datetime | None = Field(default=None, sa_type=Timestamp)
