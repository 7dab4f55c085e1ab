"""The one word of this dialect for everything that goes wrong: `{"detail": "…"}`."""

from pydantic import Field

from burnish.kit.errors import BurnishError
from rest_compat.errors import Dialect
from rest_compat.wire import Wire


class DetailBody(Wire):
    """The body of every answer of 400 and above."""

    detail: str = Field(description="What is wrong, in words for people.")


class Detailed(Dialect):
    """All that programs get is the status."""

    def body(self, error: BurnishError) -> DetailBody:
        return DetailBody(detail=f"{error.message} {error.hint}" if error.hint else error.message)


DEDICATED = Detailed(answers=DetailBody, name="Dedicated")
