"""Automatic persisted queries, Apollo's protocol: a client sends a hash, and the text only where the hash is not known here.

Each account has its own, so that none can fill the place of another or learn what it asks: at most `MAX_TEXTS`, forgotten
`KEPT` after the last was added, or all at once where there are more; clients then send the text again by themselves. A stranger
has none. They live in Redis, for all processes, and the latest in this process: with Redis away nothing but the hits are fewer.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from graphql import GraphQLError
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
KEPT = timedelta(days=7)
MAX_TEXTS = 1000
MAX_LOCAL = 2_000_000
REDIS_S = 0.5
PREFIX = "burnish:persisted:"
NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
# A miss is part of the protocol: clients expect it as an ordinary answer.
STATUS = 200
HASH = re.compile(r"[0-9a-f]{64}")


class Wanted(NamedTuple):
    """What `extensions.persistedQuery` asked for; `text` where it was sent along."""

    sha256: str
    text: str | None


def wanted(extensions: Mapping[str, Any] | None, text: str | None) -> Wanted | None:
    """Return what is asked for by hash, None where nothing is; GraphQLError where the hash is not that of the text."""
    given = (extensions or {}).get("persistedQuery")
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("version") != 1:
        raise GraphQLError("Only version 1 of persistedQuery is known here.")
    sha256 = given.get("sha256Hash")
    if not isinstance(sha256, str) or not HASH.fullmatch(sha256):
        raise GraphQLError("persistedQuery.sha256Hash is 64 hexadecimal digits.")
    if text is not None and hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() != sha256:
        raise GraphQLError("persistedQuery.sha256Hash is not the hash of this query.")
    return Wanted(sha256, text)


def not_found() -> GraphQLError:
    return GraphQLError("PersistedQueryNotFound", extensions={"code": NOT_FOUND})


def is_miss(error: GraphQLError) -> bool:
    return (error.extensions or {}).get("code") == NOT_FOUND


class PersistedQueries:
    """The persisted queries of all accounts, as one process sees them."""

    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._characters = 0

    async def find(self, redis: Redis, account_id: str, sha256: str) -> str | None:
        found = self._texts.get((account_id, sha256))
        if found is not None:
            self._texts.move_to_end((account_id, sha256))
            return found
        try:
            async with asyncio.timeout(REDIS_S):
                raw = await redis.hget(PREFIX + account_id, sha256)
        except (RedisError, OSError) as error:
            log.info("persisted_query_not_read", error=str(error))
            return None
        if raw is None:
            return None
        text = raw.decode() if isinstance(raw, bytes) else raw
        self._keep(account_id, sha256, text)
        return text

    async def add(self, redis: Redis, account_id: str, sha256: str, text: str) -> None:
        """Keep a text that was admitted."""
        if (account_id, sha256) in self._texts:
            return
        self._keep(account_id, sha256, text)
        name = PREFIX + account_id
        try:
            async with asyncio.timeout(REDIS_S), redis.pipeline(transaction=True) as pipe:
                pipe.hset(name, sha256, text)
                pipe.expire(name, KEPT)
                pipe.hlen(name)
                count: int = (await pipe.execute())[-1]
            if count > MAX_TEXTS:
                await redis.delete(name)
        except (RedisError, OSError) as error:
            log.info("persisted_query_not_kept", error=str(error))

    def _keep(self, account_id: str, sha256: str, text: str) -> None:
        if (account_id, sha256) in self._texts:
            return
        self._texts[account_id, sha256] = text
        self._characters += len(text)
        while self._characters > MAX_LOCAL:
            _, oldest = self._texts.popitem(last=False)
            self._characters -= len(oldest)
