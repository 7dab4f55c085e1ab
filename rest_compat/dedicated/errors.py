"""The one word of this dialect for everything that goes wrong: `{"detail": "…"}`."""

from pydantic import BaseModel, Field

from burnish.kit.errors import BurnishError
from rest_compat.errors import Dialect, told
from rest_compat.wire import Wire


class DetailBody(Wire):
    """The body of every answer of 400 and above."""

    detail: str = Field(description="What is wrong, in words for people.")


class Detailed(Dialect):
    """All that programs get is the status."""

    def body(self, error: BurnishError) -> DetailBody:
        return DetailBody(detail=told(error))

    def model(self, status: int) -> type[BaseModel]:
        return DetailBody


DEDICATED = Detailed()
