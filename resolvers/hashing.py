"""Passwords as Argon2id hashes, made and compared off the event loop, a few at a time: each takes 64 MB and a tenth of a second.

A comparison with nothing takes as long as any other, so that time does not tell which accounts there are.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from burnish.kit.errors import Unavailable

T = TypeVar("T")
AT_ONCE = 2
MOST_WAITING = 32
# RFC 9106's second choice: 64 MiB, three passes, four lanes.
HASHER = PasswordHasher()


class Hashing:
    """The hashing of one process. Unavailable where too many wait for it already."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys: str | None = None

    async def make(self, password: str) -> str:
        """Return a hash of the password, with its parameters and a fresh salt."""
        return await self._run(lambda: make(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Return whether the hash is the password's; never where there is none."""
        if self._nobodys is None:
            self._nobodys = await self._run(lambda: make(secrets.token_urlsafe()))
        against = self._nobodys if stored is None else stored
        return await self._run(lambda: _matches(against, password)) and stored is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many passwords are being checked just now.", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def make(password: str) -> str:
    """Return a hash of the password; takes a tenth of a second."""
    return HASHER.hash(_plain(password))


def is_stale(stored: str) -> bool:
    """Return whether a hash was made with other parameters than are used now."""
    return HASHER.check_needs_rehash(stored)


def _matches(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, _plain(password))
    except (VerificationError, InvalidHashError):
        return False


def _plain(password: str) -> str:
    # The same characters, however a keyboard composes them.
    return unicodedata.normalize("NFKC", password)
