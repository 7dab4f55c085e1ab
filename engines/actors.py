"""The only place of Dramatiq actors. A message says "look at this resource" and nothing more: the work itself is the
supervisor's.

An actor hands the id to whatever the host process registered with `deliver_to` and returns, so that it never runs for long, may
arrive twice, and may be lost: the database is looked at anyway.
"""

import asyncio
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Retries
from redis import Redis

from burnish.kit.settings import Settings

QUEUE = "burnish"
ACTORS = ("training.run", "serving.run", "bulk.run")
# A dead worker's messages come back only by maintenance, which by default is a rare dice throw.
MAINTENANCE_ALWAYS = 1_000_000
MAX_AGE_MS = 3_600_000


class Broker:
    """The broker of one process. `send` queues a message; `worker` makes the embedded Dramatiq worker of a host."""

    def __init__(self, settings: Settings, deliver_to: Callable[[str], None] | None = None) -> None:
        # Only what one-line messages need; Dramatiq's default time limit would raise exceptions inside actors.
        middleware = [AgeLimit(max_age=MAX_AGE_MS), Retries(max_retries=3)]
        self._broker = RedisBroker(  # type: ignore[no-untyped-call]
            client=Redis.from_url(settings.redis, socket_connect_timeout=2.0, socket_timeout=5.0),
            middleware=middleware,
            maintenance_chance=MAINTENANCE_ALWAYS,
            heartbeat_timeout=15_000,
        )
        deliver = deliver_to or _nobody
        self._actors = {
            name: dramatiq.Actor(deliver, actor_name=name, queue_name=QUEUE, broker=self._broker, priority=0, options={})
            for name in ACTORS
        }

    async def send(self, actor: str, resource_id: str) -> None:
        """Queue a message; raises where the broker cannot be reached."""
        await asyncio.to_thread(self._actors[actor].send, resource_id)

    def worker(self) -> dramatiq.Worker:
        """Return a worker that delivers messages from threads of this process; the caller starts and stops it."""
        return dramatiq.Worker(self._broker, worker_threads=1, worker_timeout=100)


def _nobody(resource_id: str) -> None:
    raise RuntimeError(f"a message for {resource_id} reached a process that does no work")
