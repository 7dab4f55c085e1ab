"""Chat and text completions: from a caller's request to a replica, metered.

The gateway adds no meaning of its own: what the engine understands passes through. Each request that names a deployment which
takes requests is logged once, whatever becomes of it: answered, refused, or left by its client.
"""

import asyncio
from time import perf_counter
from typing import Any

import orjson

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.errors import BurnishError, RateLimited, Unavailable
from engines.serving import http1
from engines.serving.engine_errors import SERVER_ERROR, envelope
from engines.serving.metering import CLIENT_GONE, Served
from engines.serving.proxy import JSON, TIMED_OUT, Call, ReplicaUnreachable, Reply, forward
from engines.serving.request_log import Logged, RequestLog
from engines.serving.router import Lease, Outcome, QueueFull, QueueSlow, Table
from engines.serving.sharing import Sharing
from models.deployment import Deployment
from resolvers.context import Context
from resolvers.rate_limits import InferenceAllowance
from resolvers.routes import Route, Routes
from resolvers.waking import Patience, Waking

OK, OUR_FAULT = 200, 500
TOO_LATE = "There was no answer within the time that its caller gave it."
RETRY_AFTER_S = 1


class Gateway:
    """What one API process has of the serving side: connections to replicas, routes, and the request log. `run()` keeps them
    going; `close()` writes what is left of the log.
    """

    def __init__(self, core: Core) -> None:
        settings = core.settings
        self.request_log = RequestLog(core)
        self.table = Table(cap=settings.replica_requests, queue=settings.queued_requests)
        self.routes = Routes(core, self.table)
        self.waking = Waking(core)
        self.client = http1.Client()
        self._sharing = Sharing(core, self.table)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for work in (self.request_log.run(), self.routes.run(), self._sharing.run()):
                tasks.create_task(work)

    async def flush(self) -> None:
        """Write the request log as far as it goes."""
        await self.request_log.flush()

    async def close(self) -> None:
        await self.waking.close()
        await self._sharing.close()
        # What still goes on is logged as it ends.
        await self.client.close()
        await self.request_log.close()


async def complete(
    ctx: Context,
    call: Call,
    allowance: InferenceAllowance,
    *,
    deployment_id: str | None = None,
    timeout_s: float | None = None,
    started: float | None = None,
    log_id: str | None = None,
) -> Reply:
    """Answer a completion request with a replica of the deployment that `model`, or the URL's `deployment_id`, names; held for a
    while where it has served before and no replica is ready, or all are busy. What it uses is charged to `allowance`, which has
    admitted it.

    After `timeout_s` the answer is 504; of a stream that is how long its first word may take. `started` is when the request came,
    by `perf_counter`; `log_id`, an id that nothing else has, is what the log calls it.

    NotFound (`model_not_found`) for what names none of the caller's deployments, Invalid (`deployment_not_serving`) for one that
    has ended or is paused, RateLimited where too many wait already, Unavailable while no replica is ready.
    """
    ctx.require("inference")
    model, gateway = call.body.get("model"), ctx.platform.gateway
    route = gateway.routes.get((ctx.account.id, deployment_id, model)) if isinstance(model, str | None) else None
    route = route or await gateway.routes.find(ctx, model, deployment_id)
    asking = _Asking(ctx, gateway, route, call, allowance, perf_counter() if started is None else started, log_id)
    if timeout_s is None:
        return await asking.answer()
    return await asking.within(timeout_s)


async def named(ctx: Context, model: Any, deployment_id: str | None) -> Deployment:
    """Return the deployment that `model`, or an id beside it, names; errors are those of `complete` as far as that goes."""
    ctx.require("inference")
    return (await ctx.platform.gateway.routes.find(ctx, model, deployment_id)).row


class _Asking:
    """One request on its way to a replica, and then another one where that gave no answer."""

    __slots__ = (
        "_allowance", "_call", "_came", "_ctx", "_gateway", "_is_logged", "_lease", "_limit", "_log_id", "_route", "_started",
    )  # fmt: skip

    def __init__(
        self,
        ctx: Context,
        gateway: Gateway,
        route: Route,
        call: Call,
        allowance: InferenceAllowance,
        started: float,
        log_id: str | None,
    ) -> None:
        self._ctx = ctx
        self._gateway = gateway
        self._route = route
        self._call = call
        self._allowance = allowance
        self._started = started
        self._came = clock.now_micros() - int((perf_counter() - started) * 1e6)
        self._log_id = log_id
        self._lease: Lease | None = None
        self._limit: asyncio.Timeout | None = None
        self._is_logged = False

    async def within(self, timeout_s: float) -> Reply:
        try:
            async with asyncio.timeout(timeout_s) as self._limit:
                return await self.answer()
        except TimeoutError:
            error = envelope(f"There was no answer within {timeout_s:g} s.", SERVER_ERROR, code="timeout")
            return Reply(TIMED_OUT, JSON, orjson.dumps(error))

    async def answer(self) -> Reply:
        table, route, patience = self._gateway.table, self._route, None
        hold_s = self._ctx.core.settings.hold_s
        try:
            while True:
                without = () if patience is None else patience.failed()
                lease = self._lease = await table.take(route.id, without=without, wait_s=patience.left_s if patience else hold_s)
                if lease is not None:
                    try:
                        return await self._ask(lease)
                    except ReplicaUnreachable:
                        lease.release(Outcome.UNREACHABLE)
                        self._lease = None
                        patience = patience or Patience(hold_s)
                        patience.fail(lease.target)
                        continue
                patience = patience or Patience(hold_s)
                targets = await self._gateway.waking.targets(route.row, patience, table.is_up)
                self._gateway.routes.found(route, targets)
        except (QueueFull, QueueSlow) as error:
            refused = _busy(route, error)
            self._refuse(refused.status, refused.message)
            raise refused from None
        except BurnishError as error:
            self._refuse(error.status, error.message)
            raise
        except asyncio.CancelledError:
            self._refuse(CLIENT_GONE, None)
            raise
        except Exception:
            self._refuse(OUR_FAULT, None)
            raise

    async def _ask(self, lease: Lease) -> Reply:
        route, target = self._route, lease.target
        reply = await forward(
            self._gateway.client,
            target.url,
            self._call,
            model=target.served_name or route.name,
            on_done=self._done,
            started=self._started,
            shown_model=route.name,
            upstream=route.upstream,
        )
        if reply.stream is not None:
            lease.answered()
        return reply

    def _refuse(self, status: int, message: str | None) -> None:
        """Log what ended before any replica had answered."""
        latency_ms = (perf_counter() - self._started) * 1000
        self._done(Served(status, latency_ms=latency_ms, streamed=self._call.body.get("stream") is True, error_message=message))

    def _done(self, served: Served) -> None:
        """Give the place free, charge the key, log: once, whoever tells first."""
        if self._is_logged:
            return
        self._is_logged = True
        lease = self._lease
        if lease is not None:
            lease.release(_outcome(served))
        self._allowance.charge(served.prompt_tokens + served.completion_tokens)
        if served.status_code == CLIENT_GONE:
            self._cut(served)
        self._gateway.request_log.add(
            Logged(
                self._log_id or ids.new("req"),
                self._ctx.account.id,
                self._route.id,
                None if lease is None else lease.target.replica_id,
                served.prompt_tokens,
                served.completion_tokens,
                served.latency_ms,
                served.ttft_ms,
                served.status_code,
                served.streamed,
                served.finish_reason,
                served.client_cancelled,
                served.error_message,
                self._came,
            )
        )

    def _cut(self, served: Served) -> None:
        """Tell a client that left from one whose own time limit was over."""
        if self._limit is not None and self._limit.expired():
            served.status_code, served.client_cancelled, served.error_message = TIMED_OUT, False, TOO_LATE
        else:
            served.client_cancelled = True


def _outcome(served: Served) -> Outcome:
    if served.replica_failed:
        return Outcome.FAULT
    return Outcome.OK if served.status_code == OK and not served.client_cancelled else Outcome.NEITHER


def _busy(route: Route, error: QueueFull | QueueSlow) -> BurnishError:
    if isinstance(error, QueueFull):
        message = f"Too many requests wait for the deployment {route.name} already."
        return RateLimited(message, retry_after_s=RETRY_AFTER_S)
    message = f"The deployment {route.name} is busy: no replica had room for this request in time."
    return Unavailable(message, retry_after_s=RETRY_AFTER_S, code="deployment_busy")
