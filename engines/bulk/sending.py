"""One line of a batch on its way: sent, tried again where an engine is at fault, and answered once.

answered with 2xx or 4xx                      final
5xx of the engine, no answer in time, 429/503 a fault: again after 0.5 s, doubling to 30 s, with jitter; the 6th is final
the replica is gone before it answered        again, elsewhere; after 20 times final, for it may be the line that ends them
no replica is up                              wait
the deployment has ended                      final: `deployment_not_serving`
"""

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from burnish.kit import clock, ids
from engines.serving.engine_errors import SERVER_ERROR, envelope
from engines.serving.metering import Served
from engines.serving.proxy import Call, ReplicaUnreachable, Reply, forward
from engines.serving.request_log import LONGEST_ERROR, Logged
from engines.serving.router import Outcome, QueueSlow

if TYPE_CHECKING:
    from engines.bulk.pool import Pool, Route

FAULTS = 6
DEATHS = 20
BACKOFF_S, MOST_BACKOFF_S = 0.5, 30.0
WAIT_S = 60.0
LATER = (429, 503)
NOT_SERVING, UNREACHABLE = "deployment_not_serving", "engine_unreachable"
OK = 200
NANOS_A_MICRO = 1000
HOUR_S = 3600


class Line(NamedTuple):
    """A request of a batch: `raw` is the JSON of `body`, sent to `path` of the deployment's engines."""

    batch_id: str
    line: int
    custom_id: str
    deployment_id: str
    account_id: str
    path: str
    raw: bytes
    body: dict[str, Any]


class Answer(NamedTuple):
    """What became of a line. `status_code` is null, and `code` and `message` say why, where nothing answered it.

    `logged` are its rows of the request log, the last one that of this answer; `cost_nanos` is of all of them.
    """

    status_code: int | None
    body: bytes
    code: str | None
    message: str | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float | None = None
    cost_nanos: int = 0
    attempts: int = 0
    logged: tuple[Logged, ...] = ()


class Sending:
    """The way of one line."""

    __slots__ = ("_cost", "_deaths", "_faults", "_line", "_logged", "_pool")

    def __init__(self, pool: "Pool", line: Line) -> None:
        self._pool = pool
        self._line = line
        self._logged: tuple[Logged, ...] = ()
        self._faults = 0
        self._deaths = 0
        self._cost = 0.0

    async def run(self) -> Answer:
        pool, line = self._pool, self._line
        call = Call(line.path, line.raw, line.body)
        while True:
            route = await pool.route(line.deployment_id)
            if route.ended is not None:
                return self._unanswered(NOT_SERVING, route.ended)
            try:
                seat = await pool.table.sit(line.deployment_id, wait_s=WAIT_S)
            except QueueSlow:
                continue
            if seat is None:
                await pool.changed(line.deployment_id)
                continue
            outcome, told = Outcome.NEITHER, list[Served]()
            came, started = clock.now_micros(), perf_counter()
            reply: Reply | None = None
            target = seat.target
            try:
                reply = await forward(
                    pool.client,
                    target.url,
                    call,
                    model=target.served_name or route.name,
                    on_done=told.append,
                    started=started,
                    shown_model=route.name,
                    upstream=route.upstream,
                )
                outcome = _outcome(told[0])
            except ReplicaUnreachable:
                outcome = Outcome.UNREACHABLE
            finally:
                self._cost += seat.release(outcome) * route.rates.get(target.replica_id, 0) * NANOS_A_MICRO / HOUR_S
            if reply is None:
                self._deaths += 1
                if self._deaths >= DEATHS:
                    return self._unanswered(UNREACHABLE, "Its replicas went away, one after the other, before they answered.")
                await pool.pause(self._backoff(self._deaths))
                continue
            served = told[0]
            self._log(route, target.replica_id, served, came)
            if not _is_fault(served):
                return self._answered(reply, served)
            self._faults += 1
            if self._faults >= FAULTS:
                return self._answered(reply, served)
            await pool.pause(self._backoff(self._faults))

    def _backoff(self, number: int) -> float:
        """Return how long to wait after so many faults; full jitter in the upper half, so that lines part."""
        longest: float = min(BACKOFF_S * 2 ** (number - 1), MOST_BACKOFF_S)
        return longest * (0.5 + self._pool.chance() / 2)

    def _log(self, route: "Route", replica_id: str, served: Served, came: int) -> None:
        line = self._line
        told = served.error_message
        if told is not None:
            told = _plain(told)[:LONGEST_ERROR]
        row = Logged(
            ids.new("req"),
            line.account_id,
            line.deployment_id,
            replica_id,
            served.prompt_tokens,
            served.completion_tokens,
            served.latency_ms,
            served.ttft_ms,
            served.status_code,
            served.streamed,
            served.finish_reason,
            served.client_cancelled,
            told,
            came,
        )
        self._logged = (*self._logged, row)

    def _answered(self, reply: Reply, served: Served) -> Answer:
        body = reply.body or b""
        code = message = None
        if reply.status != OK:
            code, message = _cause(body, reply.status)
        return Answer(
            reply.status,
            body,
            code,
            message,
            served.prompt_tokens,
            served.completion_tokens,
            served.latency_ms,
            round(self._cost),
            len(self._logged) + self._deaths,
            self._logged,
        )

    def _unanswered(self, code: str, message: str) -> Answer:
        body = orjson.dumps(envelope(message, SERVER_ERROR, code=code))
        attempts = len(self._logged) + self._deaths
        return Answer(None, body, code, message, cost_nanos=round(self._cost), attempts=attempts, logged=self._logged)


def _outcome(served: Served) -> Outcome:
    if served.replica_failed:
        return Outcome.FAULT
    return Outcome.OK if served.status_code == OK else Outcome.NEITHER


def _is_fault(served: Served) -> bool:
    return served.replica_failed or served.status_code in LATER


def _cause(body: bytes, status: int) -> tuple[str, str]:
    """Return what an error is called and says."""
    try:
        error = orjson.loads(body)["error"]
        code, message = error.get("code") or error.get("type"), error.get("message")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        code = message = None
    return _plain(str(code or f"http_{status}"))[:64], _plain(str(message or f"The engine answered {status}."))[:LONGEST_ERROR]


def _plain(text: str) -> str:
    """Return a text as every database can hold it: an engine quotes what it was asked, whatever that was."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
