"""Events: what happened to a resource, in past tense, once in the resource's own stream and once in its account's activity."""

from typing import Any

from burnish.kit import clock, stream
from burnish.kit.db import Session


def log_line(message: str, *, level: str = "info", source: str = "platform") -> dict[str, Any]:
    """Return one row of a `logs` stream; `at` is ISO-8601."""
    return {"at": clock.now().isoformat(), "level": level, "source": source, "message": message}


async def note(
    session: Session,
    account_id: str,
    resource_id: str,
    event_type: str,
    metadata: dict[str, Any] | None = None,
    *,
    attempt: int = 0,
) -> dict[str, Any]:
    """Record what happened to a resource that has no stream of its own in its account's activity; return the event."""
    event = {"type": event_type, "at": clock.now().isoformat(), "metadata": metadata or {}}
    await stream.append(session, account_id, "activity", [{**event, "attempt": attempt, "resource_id": resource_id}])
    return event


async def record(
    session: Session,
    account_id: str,
    resource_id: str,
    event_type: str,
    metadata: dict[str, Any] | None = None,
    *,
    attempt: int = 0,
    line: str | None = None,
    level: str = "info",
) -> None:
    """Record an event and, where `line` is given, the line that a follower of the resource's log reads of it."""
    event = await note(session, account_id, resource_id, event_type, metadata, attempt=attempt)
    await stream.append(session, resource_id, "events", [event], attempt=attempt)
    if line is not None:
        await stream.append(session, resource_id, "logs", [log_line(line, level=level)], attempt=attempt)
