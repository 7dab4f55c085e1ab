"""A stand-in for a vLLM replica: the few shapes of answer that the routes pass on, and what it saw of its callers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.conftest import free_port
from tests.rest_compat import answers
from tests.rest_compat.answers import USAGE, WORDS

__all__ = ["USAGE", "WORDS", "Replica", "running"]
# What a caller says to be refused, and how an engine, or a server that a deployment has adopted, refuses.
REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "too long": (400, {"message": "This model's maximum context length is 2048 tokens.", "type": "BadRequestError"}),
    "too many": (429, {"message": "Rate limit reached for requests.", "type": "requests", "code": 429}),
    "no quota": (
        429,
        {"message": "The quota is used up.", "type": "insufficient_quota", "code": "insufficient_quota"},
    ),
    "overloaded": (503, {"message": "The server is shutting down.", "type": "ServiceUnavailableError", "code": 503}),
    "broken": (500, {"message": "The engine has a fault.", "type": "InternalServerError", "code": 500}),
}


@dataclass
class Replica:
    """`seen` are the bodies it got. `silent` makes it wait before it answers, `endless` go on streaming, `breaks` end a stream
    with an error; the next `refusing` chats are too many for it. `left` tells that a caller went away.
    """

    url: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    silent: bool = False
    endless: bool = False
    breaks: bool = False
    refusing: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        self.seen.append(body)
        self.asked.set()
        if self.silent:
            await self._until_gone(request)
        if self.refusing:
            self.refusing -= 1
            return JSONResponse({"error": {"message": "Too many.", "code": 429}}, 429, {"retry-after": "0"})
        if not _is_readable(body, "messages"):
            return _refusal("The body cannot be read.")
        for said in [message.get("content") for message in body["messages"]]:
            if isinstance(said, str) and said in REFUSALS:
                status, error = REFUSALS[said]
                headers = {"retry-after": "7"} if status == 429 else {}
                return JSONResponse({"error": {"param": None, "code": status, **error}}, status, headers)
        if body.get("stream"):
            parts = list(answers.pieces(body))
            return StreamingResponse(self._chunks(body, "chat.completion.chunk", parts), media_type="text/event-stream")
        return JSONResponse(answers.whole(body))

    async def text(self, request: Request) -> Response:
        body = await request.json()
        self.seen.append(body)
        if not _is_readable(body, "prompt"):
            return _refusal("The body cannot be read.")
        if body.get("stream"):
            parts = [*({"text": word} for word in WORDS), {"text": "", "finish_reason": "stop"}]
            return StreamingResponse(self._chunks(body, "text_completion", parts), media_type="text/event-stream")
        choice = {"index": 0, "text": "four", "finish_reason": "stop", "logprobs": None}
        return JSONResponse({**answers.head(body, "text_completion"), "choices": [choice], "usage": USAGE})

    async def _chunks(self, body: dict[str, Any], kind: str, parts: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        head = answers.head(body, kind)
        *before, last = [{**head, "choices": [{"index": 0, "finish_reason": None, **part}]} for part in parts]
        # As often as it is asked to, an engine says how much that is so far.
        each = bool((body.get("stream_options") or {}).get("continuous_usage_stats"))
        so_far = {"prompt_tokens": USAGE["prompt_tokens"], "completion_tokens": 1, "total_tokens": USAGE["prompt_tokens"] + 1}
        counted = {"usage": so_far} if each else {}
        try:
            for chunk in before:
                yield _frame({**chunk, **counted})
            while self.endless:
                yield _frame({**before[-1], **counted})
                await asyncio.sleep(0.01)
            if self.breaks:
                yield _frame({"error": {"message": "The engine ran out of memory.", "type": "InternalServerError", "code": 500}})
                return
            yield _frame({**last, **counted})
            yield _frame({**head, "choices": [], "usage": USAGE})
            yield b"data: [DONE]\n\n"
        except BaseException:
            self.left.set()
            raise

    async def _until_gone(self, request: Request) -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        self.left.set()


async def _healthy(request: Request) -> Response:
    return Response()


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": "served", "object": "model"}]})


def _is_readable(body: dict[str, Any], what: str) -> bool:
    """Say whether an engine would take the body: it looks at the types of what it knows."""
    told = body.get(what)
    good = isinstance(told, list) or (isinstance(told, str) and what == "prompt")
    if isinstance(told, list) and what == "messages":
        good = bool(told) and all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in told)
    most, heat = body.get("max_tokens"), body.get("temperature")
    counts = most is None or (type(most) in (int, float) and most >= 1 and most == int(most))
    return good and counts and (heat is None or (type(heat) in (int, float) and heat >= 0))


def _refusal(message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400}}, 400)


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


@asynccontextmanager
async def running() -> AsyncIterator[Replica]:
    """Run a replica on loopback."""
    port = free_port()
    made = Replica(f"http://127.0.0.1:{port}")
    routes = [
        Route("/health", _healthy),
        Route("/v1/models", _models),
        Route("/v1/chat/completions", made.chat, methods=["POST"]),
        Route("/v1/completions", made.text, methods=["POST"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = True
    await task
