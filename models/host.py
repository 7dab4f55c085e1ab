"""Hosts: the machines whose `burnish worker` is running, and what hardware they offer."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class Host(SQLModel, table=True):
    """`offers` is `{"gpus": [{"type", "vram_gib"}], "cpu_slots": n, "cpu_fallback": bool, "memory_bytes": n}`; a host silent past
    the lease time is gone. One with `draining_at` takes nothing new, and gives away what it has.
    """

    id: str = Field(primary_key=True)
    name: str
    offers: dict[str, Any] = Field(sa_type=JSON)
    started_at: datetime = Field(sa_type=Timestamp)
    seen_at: datetime = Field(sa_type=Timestamp)
    draining_at: datetime | None = Field(default=None, sa_type=Timestamp)
