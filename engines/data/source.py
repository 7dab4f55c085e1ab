"""A connected source as it is described to the child that reads it, and what goes wrong with one."""

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

SourceType = Literal["hf", "s3", "gs", "az", "url", "postgres", "mysql"]
TYPES = ("hf", "s3", "gs", "az", "url", "postgres", "mysql")


class SourceError(Exception):
    """Why a source cannot be read: `code` is a fixed word, the text is for the user and holds no credential."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Source(BaseModel):
    """Where rows are. Without `secrets` it is what a dataset's row keeps as its `connection`.

    `location` is a repository of the hub, a URI, or a database's URL without userinfo and query; `options` are harmless ones.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    type: SourceType
    location: str
    split: str = "train"
    config_name: str | None = None
    query: str | None = None
    options: dict[str, str] = Field(default_factory=dict)
    column_mapping: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)

    @property
    def connection(self) -> dict[str, Any]:
        """Return what may be stored."""
        return self.model_dump(exclude={"secrets"}, exclude_defaults=True)

    def scrub(self, text: str) -> str:
        """Return a message without anything that is secret here."""
        for secret in sorted(self._hidden(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _hidden(self) -> list[str]:
        values = [value for name, value in self.secrets.items() if name != "username"]
        values += [part for value in values for part in value.replace("&", "\n").split("\n") if len(part) >= MIN_SECRET]
        url = self.secrets.get("url", "")
        return [value for value in [*values, urlsplit(url).query] if value]


# Shorter parts of a secret are words that a message may hold anyway.
MIN_SECRET = 8
