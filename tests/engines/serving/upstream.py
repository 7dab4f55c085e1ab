"""A stand-in for an engine: it answers what the test tells it to, over real HTTP on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from engines.serving.proxy import Call

Handler = Callable[[Request], Awaitable[Response]]


class Upstream:
    """One engine. `answer` serves both completion paths; `left` is set when the client of a `stalling` answer went away; `key`
    is what it wants, where it wants one."""

    def __init__(self) -> None:
        self.healthy = True
        self.metrics = ""
        self.metrics_status = 200
        self.asked_for_metrics = 0
        self.models = ["model"]
        self.key: str | None = None
        self.raws: list[bytes] = []
        self.bodies: list[dict[str, Any]] = []
        self.connections: set[Any] = set()
        self.left = asyncio.Event()
        self.answer: Handler = self.whole({"choices": [], "usage": {}})
        self.url = ""
        self._server: uvicorn.Server | None = None

    async def start(self, port: int) -> None:
        routes = [
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/v1/completions", self._complete, methods=["POST"]),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
            Route("/v1/models", self._models),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="critical", lifespan="off")
        config.load()
        self._server = uvicorn.Server(config)
        # Without its main loop, which looks only ten times a second whether it is to end.
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup()
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.force_exit = True
        await self._server.shutdown()

    async def _complete(self, request: Request) -> Response:
        self.raws.append(await request.body())
        self.bodies.append(json.loads(self.raws[-1]))
        self.connections.add(request.client)
        return self._refused(request) or await self.answer(request)

    async def _health(self, _: Request) -> Response:
        return Response(status_code=200 if self.healthy else 503)

    async def _metrics(self, _: Request) -> Response:
        self.asked_for_metrics += 1
        return PlainTextResponse(self.metrics, self.metrics_status)

    async def _models(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        return JSONResponse({"object": "list", "data": [{"id": name} for name in self.models]})

    def _refused(self, request: Request) -> Response | None:
        """Refuse who has not the key, as some do: with what was sent in the message."""
        given = request.headers.get("authorization", "")
        if self.key is None or given == f"Bearer {self.key}":
            return None
        return JSONResponse({"error": {"message": f"Incorrect API key provided: {given}"}}, 401)

    def whole(self, content: Any, status: int = 200) -> Handler:
        """Answer with a JSON document."""

        async def answer(_: Request) -> Response:
            return JSONResponse(content, status)

        return answer

    def stream(self, *pieces: bytes) -> Handler:
        """Answer with these bytes, each in a TCP segment of its own."""

        async def body() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece
                await asyncio.sleep(0)

        return self._events(body)

    def dying(self, *pieces: bytes) -> Handler:
        """Send these bytes, then break the connection."""

        async def body() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece
                await asyncio.sleep(0)
            raise ConnectionAbortedError

        return self._events(body)

    def stalling(self, *pieces: bytes) -> Handler:
        """Send these bytes, then nothing until the client goes away."""

        async def body() -> AsyncIterator[bytes]:
            try:
                for piece in pieces:
                    yield piece
                await asyncio.Event().wait()
            finally:
                self.left.set()

        return self._events(body)

    def silent(self) -> Handler:
        """Send nothing at all until the client goes away."""

        async def answer(request: Request) -> Response:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return Response()

        return answer

    def _events(self, body: Callable[[], AsyncIterator[bytes]]) -> Handler:
        async def answer(_: Request) -> Response:
            return StreamingResponse(body(), media_type="text/event-stream")

        return answer


def sent(path: str, body: dict[str, Any]) -> Call:
    """Return a request as a client sends it."""
    return Call(path, json.dumps(body, separators=(",", ":")).encode(), body)


def event(content: Any) -> bytes:
    data = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    return b"data: " + data.encode() + b"\n\n"


def delta(text: str, *, tokens: int, index: int = 0, prompt: int = 4, finish: str | None = None) -> dict[str, Any]:
    """Return a chunk of a chat as an engine sends it that was asked for continuous usage."""
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "created": 1, "model": "model", "choices": [choice], "usage": usage(prompt, tokens)}


def role() -> dict[str, Any]:
    chunk = delta("", tokens=0)
    chunk["choices"][0]["delta"]["role"] = "assistant"
    return chunk


def total(prompt: int, tokens: int) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 1, "model": "model", "choices": [], "usage": usage(prompt, tokens)}


def usage(prompt: int, tokens: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "total_tokens": prompt + tokens, "completion_tokens": tokens}


def without(chunk: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in chunk.items() if name != key}


HELLO: Sequence[dict[str, Any]] = (role(), delta("Hel", tokens=1), delta("lo", tokens=3), delta("", tokens=4, finish="stop"))
DONE = event("[DONE]")
STREAM = b"".join(map(event, [*HELLO, total(4, 4)])) + DONE
