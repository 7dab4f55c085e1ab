"""Who calls, and what they call upon."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from burnish.kit.core import Core
from burnish.kit.db import Database
from burnish.kit.errors import Forbidden
from models.account import Account
from models.api_key import KEY, ApiKey
from resolvers.answering import Answering
from resolvers.hashing import Hashing
from resolvers.reward_bench import Bench

if TYPE_CHECKING:
    from resolvers.inference import Gateway


@dataclass
class Platform:
    """What the resolvers of one API process share."""

    core: Core
    gateway: "Gateway"
    # How many sources are being read for each account just now.
    reading: Counter[str] = field(default_factory=Counter)
    # What is being worked out of datasets, by the file that it is for.
    counting: "dict[str, asyncio.Task[bytes]]" = field(default_factory=dict)

    @property
    def db(self) -> Database:
        return self.core.db

    @cached_property
    def hashing(self) -> Hashing:
        """Where this process makes and compares hashes of passwords."""
        return Hashing()

    @cached_property
    def answering(self) -> Answering:
        """Where this process works on completions that nobody waits for."""
        return Answering()

    @cached_property
    def bench(self) -> Bench:
        """Where this process tries reward functions."""
        return Bench(self.core.settings)


@dataclass(frozen=True)
class Context:
    """One caller's request. Resolvers take the tenant from here and from nowhere else. `key` may be a browser's session."""

    platform: Platform
    account: Account
    key: ApiKey
    request_id: str
    idempotency_key: str | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def core(self) -> Core:
        return self.platform.core

    @property
    def db(self) -> Database:
        return self.platform.core.db

    def require(self, scope: str) -> None:
        """Forbidden where the caller's key does not carry the scope."""
        if scope not in self.scopes:
            what = "API key" if self.key.kind == KEY else "session"
            raise Forbidden(f"This {what} does not have the scope '{scope}'.", hint="Make a key with this scope.")
