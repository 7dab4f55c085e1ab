"""Models that the operator registered by name: the only way to a path of this machine."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class BaseModel(SQLModel, table=True):
    """A folder with a safetensors model, known to tenants only by its name."""

    __tablename__ = "base_model"

    name: str = Field(primary_key=True)
    path: str
    created_at: datetime = Field(sa_type=Timestamp)
