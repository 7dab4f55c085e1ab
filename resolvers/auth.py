"""From a bearer key, or the session of a browser's cookie, to a caller.

What was looked up is remembered for a second. A process that revokes a key forgets it, so that it is refused from the next
request on; other processes refuse it within that second. An address that has guessed too often has no guess looked up any more:
only keys that were good a while ago.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.crypto import MAX_KEY_BYTES, bare_secret
from burnish.kit.errors import Unauthenticated
from burnish.kit.once import AtOnce
from models.account import Account
from models.api_key import KEY, SESSION, ApiKey
from resolvers.context import Context, Platform
from resolvers.cookies import shows_key
from resolvers.rate_limits import Allowance

log = structlog.get_logger(__name__)
USED_EVERY = timedelta(minutes=1)
REMEMBERED_MICROS = 1_000_000
# Of a key in use, so that nobody waits for it.
RENEWED_MICROS = 700_000
MOST_REMEMBERED = 10_000
LONG_AGO = 0
NO_SESSION = "The session has ended: sign in again."


class Principal(NamedTuple):
    """The account as it was when its key was looked up: what moves, such as its balance, is to be read again."""

    account: Account
    key: ApiKey


class _Memory:
    """The keys that a process has seen lately, by the keyed hash. `forgotten` counts what was forgotten, so that a look-up which
    began before does not bring a revoked key back.
    """

    def __init__(self) -> None:
        self.forgotten = 0
        self.looking = AtOnce[Principal | None]()
        self._renewing: dict[str, asyncio.Task[Principal | None]] = {}
        self._known: dict[str, tuple[int, Principal]] = {}

    def get(self, key_hash: str) -> Principal | None:
        at, found = self._known.get(key_hash, (LONG_AGO, None))
        # A clock that was set back makes everything old.
        return found if 0 <= clock.now_micros() - at < REMEMBERED_MICROS else None

    def should_renew(self, key_hash: str) -> bool:
        """Tell whether a key that is remembered soon will not be any more, and nobody looks it up yet."""
        at, _ = self._known[key_hash]
        return clock.now_micros() - at > RENEWED_MICROS and key_hash not in self._renewing

    def renew(self, key_hash: str, work: Coroutine[Any, Any, Principal | None]) -> None:
        """Look a key up while those who show it need not wait."""
        task = self._renewing[key_hash] = asyncio.ensure_future(work)
        task.add_done_callback(partial(self._renewed, key_hash))

    def _renewed(self, key_hash: str, task: asyncio.Task[Principal | None]) -> None:
        del self._renewing[key_hash]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever comes when it is forgotten looks for himself, and hears of it.
            log.warning("key_not_renewed", error=str(error))

    def was_good(self, key_hash: str) -> bool:
        return key_hash in self._known

    def put(self, key_hash: str, found: Principal, at: int) -> None:
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[key_hash] = (at, found)

    def drop(self, key_hash: str) -> None:
        self._known.pop(key_hash, None)

    def forget(self) -> None:
        """Have every key looked up again; those that were good stay no strangers."""
        self.forgotten += 1
        self._known = {key_hash: (LONG_AGO, found) for key_hash, (_, found) in self._known.items()}


_memories: WeakKeyDictionary[Core, _Memory] = WeakKeyDictionary()


async def authenticate(core: Core, key: str | None, address: str = "") -> Principal:
    """Return the account and key; Unauthenticated for a missing, unknown, revoked or expired key, which nothing tells apart.

    RateLimited, without asking the database, for a new key of an address that has guessed too often.
    """
    secret = bare_secret(key) if key else None
    if secret is None:
        raise Unauthenticated()
    # The lookup is by keyed hash: its timing tells nothing of the secret.
    return await _authenticate(core, KEY, core.secrets.hash_key(secret), address)


async def authenticate_session(core: Core, secret: str, address: str = "") -> Principal:
    """Return the account and session of a cookie, within the rules of `authenticate`."""
    if len(secret) > MAX_KEY_BYTES or not secret.isascii():
        raise Unauthenticated(NO_SESSION)
    return await _authenticate(core, SESSION, session_hash(core, secret), address)


def session_hash(core: Core, secret: str) -> str:
    """Return the keyed hash of a session's secret, which no API key has."""
    return core.secrets.hash_token(SESSION, secret)


async def _authenticate(core: Core, kind: str, key_hash: str, address: str) -> Principal:
    memory = _memories.setdefault(core, _Memory())
    found = memory.get(key_hash)
    if found is None:
        stranger = Allowance.of_address(core, address) if address else None
        if stranger is not None and not memory.was_good(key_hash):
            stranger.may_guess()
        found = await _look_up(core, memory, kind, key_hash)
        if found is None and stranger is not None:
            stranger.guessed()
    if found is None or (found.key.expires_at is not None and found.key.expires_at <= clock.now()):
        raise Unauthenticated() if kind == KEY else Unauthenticated(NO_SESSION)
    return found


def forget(core: Core) -> None:
    """Have every key looked up again: called after a revocation."""
    if core in _memories:
        _memories[core].forget()


async def _look_up(core: Core, memory: _Memory, kind: str, key_hash: str) -> Principal | None:
    # With what was forgotten: nobody is answered by a look that began before a revocation.
    return await memory.looking.get((key_hash, kind, memory.forgotten), partial(_read, core, memory, kind, key_hash))


async def _read(core: Core, memory: _Memory, kind: str, key_hash: str) -> Principal | None:
    statement = select(ApiKey, Account).join(Account, col(Account.id) == col(ApiKey.account_id))
    statement = statement.where(ApiKey.key_hash == key_hash, ApiKey.kind == kind, col(ApiKey.revoked_at).is_(None))
    before, at = memory.forgotten, clock.now_micros()
    async with core.db.read() as session:
        row = (await session.exec(statement)).first()
    if row is None:
        memory.drop(key_hash)
        return None
    found, now = Principal(row[1], row[0]), clock.now()
    is_over = found.key.expires_at is not None and found.key.expires_at <= now
    if not is_over and (found.key.last_used_at is None or now - found.key.last_used_at > USED_EVERY):
        await _touch(core, found.key)
    if memory.forgotten == before:
        memory.put(key_hash, found, at)
    return found


async def caller(
    platform: Platform, headers: Mapping[str, str], request_id: str, address: str = "", session: str | None = None
) -> Context:
    """Return the context of a request from its headers: `Authorization: Bearer` or `xi-api-key`, and `Idempotency-Key`.

    `session` is the secret of a session cookie that may be believed. A header that names a caller always wins over it.
    """
    once = headers.get("idempotency-key")
    if session is not None and not shows_key(headers):
        account, row = await authenticate_session(platform.core, session, address)
        return Context(platform, account, row, request_id, once, frozenset(row.scopes))
    account, api_key = await authenticate(platform.core, _key(headers), address)
    return Context(platform, account, api_key, request_id, once, frozenset(api_key.scopes))


def remembered(platform: Platform, headers: Mapping[str, str], request_id: str) -> Context | None:
    """Return the context of a request whose key was looked up within the last second; else `caller` tells who it is."""
    memory, key = _memories.get(platform.core), _key(headers)
    secret = bare_secret(key) if memory is not None and key else None
    if memory is None or secret is None:
        return None
    key_hash = platform.core.secrets.hash_key(secret)
    found = memory.get(key_hash)
    if found is None or found.key.kind != KEY or (found.key.expires_at is not None and found.key.expires_at <= clock.now()):
        return None
    if memory.should_renew(key_hash):
        memory.renew(key_hash, _look_up(platform.core, memory, KEY, key_hash))
    return Context(platform, *found, request_id, headers.get("idempotency-key"), frozenset(found.key.scopes))


def _key(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("xi-api-key")


async def ended(core: Core, key_ids: Sequence[str]) -> list[str]:
    """Return those of the keys and sessions that are revoked or have expired."""
    over = col(ApiKey.revoked_at).is_not(None) | (col(ApiKey.expires_at) <= clock.now())
    async with core.db.read() as session:
        return list((await session.exec(select(ApiKey.id).where(col(ApiKey.id).in_(key_ids), over))).all())


async def _touch(core: Core, key: ApiKey) -> None:
    try:
        async with core.db.transaction() as session:
            await session.exec(update(ApiKey).where(col(ApiKey.id) == key.id).values(last_used_at=clock.now()))
    except DBAPIError as error:
        # Whoever may only read must not fail because nothing can be written now.
        log.warning("key_use_not_recorded", key=key.id, error=str(error.orig))
