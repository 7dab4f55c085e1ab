"""Rates fetched from providers, where that is enabled; they outrank the defaults, and the operator's file outranks them."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class ProviderRate(SQLModel, table=True):
    """What an hour of one GPU of a type costs at a provider."""

    __tablename__ = "provider_rate"

    provider: str = Field(primary_key=True)
    gpu_type: str = Field(primary_key=True)
    rate_micros_per_hour: int = Field(sa_type=BigInteger)
    fetched_at: datetime = Field(sa_type=Timestamp)
