"""Operations: a route, the handler behind it, and what the description of the API says of both.

A handler's docstring is its documentation: the first line is the summary. The caller is known, within its rate and allowed to do
this, before anything else of a request is read.
"""

import math
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from burnish.kit.errors import Forbidden, NotFound, RateLimited, Unauthenticated
from burnish.kit.limits import Standing
from resolvers import auth, cookies
from resolvers.context import Context
from resolvers.inputs import Input
from resolvers.rate_limits import Allowance
from rest_compat.errors import OPENAI, VERI, Dialect, MethodNotAllowed, RouteNotFound, public

JSON = "application/json"
# A bare array is a RootModel, everything else a Wire.
Answer = BaseModel | Response
Handler = Callable[[Context, Request], Awaitable[Answer]]
CLIENT_GONE = 499
PROCESSING = "openai-processing-ms"
DEFAULT = "default"
POINTS = 1
SAFE = ("GET", "HEAD")
INFERENCE = "inference"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`handler` answers, or `app`: an ASGI application that does it all. `answers` is the model of a JSON answer, or what media
    types any other has. `upload` sends `body` as a form with a file.

    `schema` describes a body that is passed on as it is; `streams` says that the answer may be server-sent events instead.
    `accepted` is the model of an answer that only says that there will be one: 202. `headers` are schemas of request headers.
    `scope` is what a key needs: by default `read` for GET, else `write`. Inference counts towards no rate: what bounds it is the
    deployment. Asking for what was answered does count. `cookie` says that a page of ours may call it with its session.
    """

    method: str
    path: str
    handler: Handler | None = None
    tag: str
    answers: type[BaseModel] | str | tuple[str, ...]
    status: int = 200
    query: type[Input] | None = None
    body: type[BaseModel] | None = None
    schema: Mapping[str, Any] | None = None
    upload: bool = False
    streams: bool = False
    accepted: type[BaseModel] | None = None
    idempotent: bool = False
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    errors: Sequence[int] = ()
    dialect: Dialect = VERI
    scope: str | None = DEFAULT
    cookie: bool = False
    app: ASGIApp | None = None

    @property
    def doc(self) -> str | None:
        return (self.handler or self.app).__doc__

    @property
    def needed(self) -> str | None:
        """The scope that a key needs; None where any key will do."""
        return ("read" if self.method == "GET" else "write") if self.scope == DEFAULT else self.scope

    @property
    def is_limited(self) -> bool:
        return self.scope != INFERENCE or self.method in SAFE


class Stream(StreamingResponse):
    """A streamed answer whose source is closed at once when the client goes away, so that what it holds is given back."""

    source: AsyncIterable[bytes]

    def __init__(self, source: AsyncIterable[bytes], *args: Any, **kwargs: Any) -> None:
        super().__init__(source, *args, **kwargs)
        self.source = source

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the source, also while this task is being cancelled."""
        close = getattr(self.source, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


class Unmatched(BaseRoute):
    """Stands behind all routes under a prefix: 405 where another method would have matched, else 404, both in the dialect's
    words.
    """

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self.prefix = prefix
        self.dialect = dialect

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "")
        inside = path == self.prefix or path.startswith(self.prefix + "/")
        return (Match.FULL if scope["type"] == "http" and inside else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        partial = [route for route in scope["app"].routes if route.matches(scope)[0] is Match.PARTIAL]
        # A path may be a plain one and also look like an id within another: the plain one comes first.
        allowed = sorted({method for route in partial if route.path == partial[0].path for method in route.methods or ()})
        what = f"{scope['method']} {scope['path']}"
        if allowed:
            error = MethodNotAllowed(f"No such method: {what}. This path has {', '.join(allowed)}.", allowed)
            await self.dialect.response(error)(scope, receive, send)
        else:
            await self.dialect.response(RouteNotFound(f"No such route: {what}"))(scope, receive, send)


def route(operation: Operation) -> Route:
    """Return the route of an operation that only an authenticated caller may use."""
    if operation.app is not None:
        return Route(operation.path, operation.app, methods=[operation.method])
    handler = operation.handler
    assert handler is not None

    async def answer(request: Request) -> Answer:
        ctx = await caller(request, operation.cookie)
        if operation.is_limited:
            _count(allowance := Allowance.of_caller(ctx), request)
            allowance.charge(POINTS)
        if operation.needed is not None:
            ctx.require(operation.needed)
        return await handler(ctx, request)

    return guarded(operation.method, operation.path, answer, operation.dialect, operation.status)


def guarded(
    method: str, path: str, answer: Callable[[Request], Awaitable[Answer]], dialect: Dialect = VERI, status: int = 200
) -> Route:
    """Return a route whose every failure becomes an answer in the words of the dialect."""

    async def endpoint(request: Request) -> Response:
        started = time.perf_counter()
        try:
            _check_path(request)
            response = await _shaped(await answer(request), request, status)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except Exception as error:
            response = dialect.response(public(error, request.state.request_id, path))
        response.headers.update(told(request, dialect, started))
        return response

    return Route(path, endpoint, methods=[method])


async def caller(request: Request, takes_cookie: bool) -> Context:
    """Return who calls; who shows no key in force, or comes with a session from another site, is a stranger of their address."""
    platform = request.app.state.platform
    address = request.client.host if request.client else ""
    headers, changes = request.headers, request.method not in SAFE
    try:
        session = cookies.presented(headers, platform.core.settings.base_url, changes=changes) if takes_cookie else None
        return await auth.caller(platform, headers, request.state.request_id, address, session)
    except (Unauthenticated, RateLimited, Forbidden):
        _count(Allowance.of_address(platform.core, address), request)
        raise


def _count(allowance: Allowance, request: Request) -> None:
    try:
        request.state.standing = allowance.request()
    except RateLimited:
        request.state.standing = allowance.requests()
        raise


def told(request: Request, dialect: Dialect, started: float) -> dict[str, str]:
    """Return the headers of every answer: how many requests are left, and how long it took since `started`."""
    standing = getattr(request.state, "standing", None)
    found = {} if standing is None else _told(standing)
    if dialect is not OPENAI:
        return found
    return {**found, **({} if standing is None else _told_openai(standing)), PROCESSING: milliseconds(started)}


def milliseconds(started: float) -> str:
    """Return how many milliseconds it is since `started`, a reading of `perf_counter`."""
    return str(round((time.perf_counter() - started) * 1000))


def _told(standing: Standing) -> dict[str, str]:
    """Return the headers that say how many requests are left, and in how many seconds all will be there again."""
    return {
        "x-ratelimit-limit": str(standing.limit),
        "x-ratelimit-remaining": str(standing.remaining),
        "x-ratelimit-reset": str(math.ceil(standing.full_in_s)),
    }


def _told_openai(standing: Standing) -> dict[str, str]:
    """Return the same as OpenAI's clients read it: the reset is a duration."""
    return {
        "x-ratelimit-limit-requests": str(standing.limit),
        "x-ratelimit-remaining-requests": str(standing.remaining),
        "x-ratelimit-reset-requests": f"{math.ceil(standing.full_in_s)}s",
    }


async def _shaped(answer: Answer, request: Request, status: int) -> Response:
    response = answer if isinstance(answer, Response) else Response(answer.model_dump_json(), status, media_type=JSON)
    if request.method != "HEAD" or not isinstance(response, Stream):
        return response
    # Nobody reads the body of HEAD: a stream would only run for nothing.
    await response.close()
    bare = Response(status_code=response.status_code, headers=dict(response.headers))
    if "content-length" not in response.headers:
        del bare.headers["content-length"]
    return bare


def _check_path(request: Request) -> None:
    # No id holds a NUL, and Postgres refuses to look for one.
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise NotFound("No such resource.")
