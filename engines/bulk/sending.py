"""One line of a batch on its way: sent, tried again where an engine is at fault, and answered once.

answered with 2xx or 4xx                     final
5xx of the engine, no answer in time, 429    a fault: again after 0.5 s, doubling to 30 s, with jitter; the 6th is final
the replica is gone before it answered       again, elsewhere; the 20th such replica is final, for the line may be why
it had been asked when it went               again after a back-off, so that other lines try it first; the 20th time is final
no replica is up                             wait
the deployment has ended                     final: `deployment_not_serving`
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import orjson

from burnish.kit import clock, ids
from engines.bulk.places import Places, Seat
from engines.bulk.routes import Route, Routes, Used
from engines.serving import http1
from engines.serving.engine_errors import SERVER_ERROR, envelope
from engines.serving.metering import Served
from engines.serving.proxy import Call, ReplicaUnreachable, Reply, forward
from engines.serving.request_log import LONGEST_ERROR, Logged
from engines.serving.router import Outcome, Target

FAULTS = 6
DEATHS = 20
BACKOFF_S, MOST_BACKOFF_S = 0.5, 30.0
TOO_MANY = 429
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


class Patience(NamedTuple):
    """How lines wait before they are tried again. `chance` is from 0 to 1."""

    sleep: Callable[[float], Awaitable[None]]
    chance: Callable[[], float]

    async def back_off(self, faults: int) -> None:
        """Wait after so many faults; the jitter is of the upper half, so that lines part and none comes back at once."""
        longest = min(BACKOFF_S * 2.0 ** (faults - 1), MOST_BACKOFF_S)
        await self.sleep(longest * (1 + self.chance()) / 2)


class Sending:
    """The way of one line."""

    __slots__ = (
        "_client",
        "_cost",
        "_dead",
        "_dropped",
        "_faults",
        "_line",
        "_logged",
        "_patience",
        "_routes",
        "_table",
        "_unreached",
        "_used",
    )

    def __init__(self, line: Line, used: Used, routes: Routes, table: Places, client: http1.Client, patience: Patience) -> None:
        self._line = line
        self._used = used
        self._routes = routes
        self._table = table
        self._client = client
        self._patience = patience
        self._logged: tuple[Logged, ...] = ()
        self._dead: frozenset[str] = frozenset()
        self._dropped = 0
        self._unreached = 0
        self._faults = 0
        self._cost = 0.0

    async def run(self) -> Answer:
        line, used, table = self._line, self._used, self._table
        while True:
            route = used.route or await self._routes.find(used)
            if route.ended is not None:
                return self._unanswered(NOT_SERVING, route.ended)
            seat = await table.sit(line.deployment_id, line.batch_id)
            if seat is None:
                await self._routes.changed(used, route)
                continue
            answer = await self._ask(seat, used.route or route)
            if answer is not None:
                return answer

    async def _ask(self, seat: Seat, route: Route) -> Answer | None:
        """Send it; return None where it is to be tried again."""
        line, target = self._line, seat.target
        told: list[Served] = []
        outcome, refused, gone = Outcome.NEITHER, False, None
        came = clock.now_micros()
        try:
            reply = await forward(
                self._client,
                target.url,
                Call(line.path, line.raw, line.body),
                model=target.served_name or route.name,
                on_done=told.append,
                shown_model=route.name,
                upstream=route.upstream,
            )
            served = told[0]
            outcome, refused = _outcome(served), served.status_code == TOO_MANY
        except ReplicaUnreachable as error:
            outcome, gone = Outcome.UNREACHABLE, error
        finally:
            share_s = seat.leave(outcome, refused=refused)
            self._cost += share_s * route.rates.get(target.replica_id, 0) * NANOS_A_MICRO / HOUR_S
        if gone is not None:
            return await self._died(target, was_asked=isinstance(gone.__cause__, (http1.Dropped, http1.Broken)))
        self._log(route, target.replica_id, served, came)
        if served.replica_failed or refused:
            self._faults += 1
            if self._faults < FAULTS:
                await self._patience.back_off(self._faults)
                return None
        return self._answered(reply, served)

    async def _died(self, target: Target, *, was_asked: bool) -> Answer | None:
        """Go to another replica, or wait for one: the breaker of this one is open. A line before which one replica after another
        dies may be why, and is given up; so is one that a server ends the connection on each time that it is asked.
        """
        self._unreached += 1
        self._dead |= {target.replica_id}
        self._dropped += was_asked
        if len(self._dead) >= DEATHS:
            return self._unanswered(UNREACHABLE, f"{DEATHS} replicas went away, one after the other, before they answered it.")
        if self._dropped >= DEATHS:
            return self._unanswered(UNREACHABLE, f"The connection ended {DEATHS} times after this was sent, without an answer.")
        if was_asked:
            await self._patience.back_off(self._dropped)
        return None

    def _log(self, route: Route, replica_id: str, served: Served, came: int) -> None:
        line = self._line
        told = served.error_message
        if told is not None:
            told = _plain(told)[:LONGEST_ERROR]
        row = Logged(
            ids.new("req"),
            route.account_id,
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
            len(self._logged) + self._unreached,
            self._logged,
        )

    def _unanswered(self, code: str, message: str) -> Answer:
        body = orjson.dumps(envelope(message, SERVER_ERROR, code=code))
        attempts = len(self._logged) + self._unreached
        return Answer(None, body, code, message, cost_nanos=round(self._cost), attempts=attempts, logged=self._logged)


def _outcome(served: Served) -> Outcome:
    if served.replica_failed:
        return Outcome.FAULT
    return Outcome.OK if served.status_code == OK else Outcome.NEITHER


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
