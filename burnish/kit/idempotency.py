"""Idempotency keys: the same key and request answer with what was made the first time; another request under the same key is a
conflict.

The key is claimed in the transaction that makes the thing, so that of a thousand parallel calls one makes it and the rest find
it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from burnish.kit import clock
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid
from burnish.kit.tables import IdempotencyKey

KEPT = timedelta(hours=24)
MAX_KEY = 255


def fingerprint(request: Mapping[str, Any]) -> str:
    """Return a hash of a request's meaning, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


async def find(session: Session, account_id: str, key: str | None, operation: str, print_: str) -> dict[str, Any] | None:
    """Return the answer stored for this key, or None where it is new; Conflict where it was used for another request."""
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY:
        raise Invalid(f"An idempotency key has 1 to {MAX_KEY} characters.", param="Idempotency-Key")
    row = await session.get(IdempotencyKey, (account_id, key))
    if row is None or row.created_at < clock.now() - KEPT:
        return None
    if (row.operation, row.fingerprint) != (operation, print_):
        raise Conflict("This idempotency key was used for another request.", code="idempotency_conflict", param="Idempotency-Key")
    return row.answer


async def store(session: Session, account_id: str, key: str | None, operation: str, print_: str, answer: dict[str, Any]) -> None:
    """Remember the answer; IntegrityError of a concurrent twin is left to the caller, who then reads the twin's answer."""
    if key is None:
        return
    expired = col(IdempotencyKey.created_at) < clock.now() - KEPT
    await session.exec(
        delete(IdempotencyKey).where(col(IdempotencyKey.account_id) == account_id, col(IdempotencyKey.key) == key, expired)
    )
    session.add(
        IdempotencyKey(
            account_id=account_id, key=key, operation=operation, fingerprint=print_, answer=answer, created_at=clock.now()
        )
    )
    await session.flush()


async def purge(session: Session) -> None:
    """Delete keys past their 24 hours."""
    await session.exec(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < clock.now() - KEPT))


__all__ = ["IntegrityError", "find", "fingerprint", "purge", "store"]
