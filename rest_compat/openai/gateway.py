"""The way of completions through this process: an ASGI application of its own, in front of the routing of everything else.

What users feel and pay of the gateway is what is done here for each request: nothing is looked up that is remembered, nothing is
parsed that need not be, and whoever only waits costs nothing. What goes wrong is told by the same code as everywhere else.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from burnish.kit.errors import BurnishError, NotFound, PayloadTooLarge, Unauthenticated, Unavailable
from burnish.requests import known_as
from engines.serving.proxy import JSON, Call, Reply
from engines.serving.relay import Relay
from resolvers import auth, inference
from resolvers.context import Context, Platform
from resolvers.rate_limits import InferenceAllowance
from rest_compat import http, sse
from rest_compat.errors import OPENAI, public
from rest_compat.keys import Keys
from rest_compat.openai import asynchronous
from rest_compat.operation import PROCESSING, caller, milliseconds, told

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
# Whoever gets an answer so soon is not watched for leaving before it.
UNWATCHED_S = 0.05
KEYS = Keys()
# Among the extensions of a request: `write(part) -> bool` of an answer that has begun, False where it has to be sent.
WRITE = "burnish.write_part"
ENDS = Unavailable("This server is being stopped. Try again.")
Pairs = Sequence[tuple[bytes, bytes]]


class Completion:
    """ASGI application of one kind of completion; `path` is what engines call it. `__doc__` is the operation's documentation."""

    def __init__(self, path: str, doc: str, *, cookie: bool) -> None:
        self.__doc__ = doc
        self._path = path
        # Whether a page of ours may call it with its session.
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope, receive, send, scope["path_params"].get("deployment_id"))

    async def answer(self, scope: Scope, receive: Receive, send: Send, deployment_id: str | None) -> None:
        """Answer a request; `deployment_id` is what its path names."""
        started = perf_counter()
        # Of a header that comes twice the first one counts, as everywhere else.
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        given = headers.get("x-request-id")
        request_id = known_as(given)
        scope.setdefault("state", {})["request_id"] = request_id
        answering = _Answer(send, request_id, started, scope.get("extensions", {}).get(WRITE))
        try:
            if deployment_id is not None and "\0" in deployment_id:
                # No id holds a NUL, and Postgres refuses to look for one.
                raise NotFound("No such resource.")
            platform: Platform = scope["app"].state.platform
            ctx = auth.remembered(platform, headers, request_id) or await caller(Request(scope), self._cookie)
            ctx.require("inference")
            allowance = answering.allowance = InferenceAllowance.of(ctx.core, ctx.key)
            allowance.admit()
            wanted = asynchronous.wanted(headers, deployment_id)
            http.check_json(http.media_type_of(headers.get("content-type", "")))
            raw = await _body(receive, headers, ctx.core.settings.max_body_bytes)
            call = Call(self._path, raw, http.json_of(raw))
            if wanted.later:
                response = await asynchronous.accept(ctx, call, allowance, wanted)
                await answering.whole(response.status_code, JSON, bytes(response.body))
                return
            with _Meanwhile(partial(_until_gone, receive), UNWATCHED_S):
                reply = await inference.complete(
                    ctx,
                    call,
                    allowance,
                    deployment_id=wanted.deployment_id,
                    timeout_s=wanted.timeout_s,
                    started=started,
                    # What a caller calls it may be what he has called another.
                    log_id=request_id if given is None else None,
                )
                await answering.reply(ctx, reply)
        except ClientDisconnect:
            return
        except (Exception, asyncio.CancelledError) as error:
            # Nobody cancels it but a server that ends, and has waited for this answer as long as it may.
            why = ENDS if isinstance(error, asyncio.CancelledError) else error
            if why is ENDS and answering.streams:
                await answering.broken(ENDS)
                return
            if answering.has_begun:
                raise
            response = OPENAI.response(public(why, request_id, self._path))
            response.headers.update(told(Request(scope), OPENAI, started))
            response.raw_headers += answering.headers()
            await response(scope, receive, send)


CHATTING = Completion(CHAT, "Answer a conversation.", cookie=False)
CHATTING_OF_OURS = Completion(CHAT, "Answer a conversation.", cookie=True)
CONTINUING = Completion(TEXT, "Continue a text.", cookie=False)
FIXED = {
    "/v1/chat/completions": CHATTING_OF_OURS,
    "/v1/completions": CONTINUING,
    "/v1/openai/chat/completions": CHATTING,
    "/v1/openai/completions": CONTINUING,
}
DEPLOYMENTS = "/v1/deployments/"
OF_DEPLOYMENT = {"chat/completions": CHATTING, "completions": CONTINUING}


class FrontDoor:
    """ASGI application that answers completions itself, and has `app` answer everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            path: str = scope["path"]
            completion, deployment_id = FIXED.get(path), None
            if completion is None and path.startswith(DEPLOYMENTS):
                deployment_id, _, rest = path.removeprefix(DEPLOYMENTS).partition("/")
                completion = OF_DEPLOYMENT.get(rest) if deployment_id else None
            if completion is not None:
                await completion.answer(scope, receive, send, deployment_id)
                return
        await self._app(scope, receive, send)


class _Answer:
    """What is sent for one request. `allowance` is that of its key, once it is known; `streams` while events may follow."""

    __slots__ = ("_request_id", "_send", "_started", "_write", "allowance", "has_begun", "streams")

    def __init__(self, send: Send, request_id: str, started: float, write: Callable[[bytes], bool] | None = None) -> None:
        self._write = write
        self._send = send
        self._started = started
        self.has_begun = self.streams = False
        self._request_id = request_id
        self.allowance: InferenceAllowance | None = None

    async def reply(self, ctx: Context, reply: Reply) -> None:
        if reply.stream is None:
            await self.whole(reply.status, reply.pairs, reply.body or b"")
        else:
            await self._stream(ctx, reply, reply.stream)

    async def whole(self, status: int, headers: Pairs, body: bytes) -> None:
        await self._begin(status, (b"content-length", b"%d" % len(body)), *headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _stream(self, ctx: Context, reply: Reply, stream: Relay) -> None:
        """Pass a streamed answer on while the caller's key is in force; then one error event ends it, and the engine stops."""
        send = self._send
        try:
            await self._begin(reply.status, *reply.pairs)
            self.streams = True
            with _Meanwhile(partial(_while_in_force, ctx, stream), sse.CHECK_S):
                while frames := await stream.next():
                    await send({"type": "http.response.body", "body": frames, "more_body": True})
                    if self._write is not None:
                        await stream.flow(self._write)
        except Unauthenticated as error:
            await self.broken(error)
            return
        finally:
            stream.close()
        await self._end()

    async def broken(self, error: BurnishError) -> None:
        """End a streamed answer with an event that says why."""
        frames = sse.event(OPENAI.body(error).model_dump_json(exclude_unset=True))
        await self._send({"type": "http.response.body", "body": frames, "more_body": True})
        await self._end()

    async def _end(self) -> None:
        self.streams = False
        await self._send({"type": "http.response.body", "body": b""})

    async def _begin(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        took = (PROCESSING.encode(), milliseconds(self._started).encode())
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": [*self.headers(), took, *headers]})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what goes before the headers of every answer."""
        known_as = (b"x-request-id", self._request_id.encode())
        return [known_as] if self.allowance is None else [known_as, *self.allowance.headers()]


class _Meanwhile:
    """Does `work` beside the task within it, from `after_s` on; what it raises ends that task.

    The work is a task of its own, which most requests have ended without.
    """

    __slots__ = ("_after_s", "_error", "_task", "_timer", "_work", "_working")

    def __init__(self, work: Callable[[], Coroutine[None, None, None]], after_s: float) -> None:
        self._work = work
        self._after_s = after_s
        self._error: Exception | None = None
        self._working: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = task.get_loop().call_later(self._after_s, self._begin)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._timer.cancel()
        if self._working is not None:
            self._working.cancel()
        if self._error is not None and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._error from None

    def _begin(self) -> None:
        self._working = self._task.get_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as error:
            self._error = error
            self._task.cancel()


async def _until_gone(receive: Receive) -> None:
    """Raise ClientDisconnect when the client leaves. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect


async def _while_in_force(ctx: Context, stream: Relay) -> None:
    """Raise Unauthenticated when the caller's key ends, also while the engine says nothing; the log says that this is why."""
    try:
        while True:
            await KEYS.check(ctx)
            await asyncio.sleep(sse.CHECK_S)
    except Unauthenticated as error:
        # Before the caller hears of it: one who takes nothing would keep the engine at work.
        stream.close(error.status, error.message)
        raise


async def _body(receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
    """Return the body as it was sent; PayloadTooLarge past `most` bytes, ClientDisconnect where it has no end."""
    left, pieces, more = most, [], http.fits(headers.get("content-length", "0"), most)
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        left -= len(piece)
        more = message.get("more_body", False) and left >= 0
    if not pieces or left < 0:
        raise PayloadTooLarge(f"{http.BODY} has at most {most} bytes.")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
