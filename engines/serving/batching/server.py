"""The HTTP side of the transformers engine: the routes that our gateway and our probes use of vLLM, with the same answers.

It listens on loopback and asks nobody who they are: the gateway is the only one that may reach it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from engines.serving.batching.answers import Answer
from engines.serving.batching.generation import Dead, Generation
from engines.serving.batching.load import Load
from engines.serving.batching.shapes import Shapes
from engines.serving.batching.wire import Chat, Completion, Refused, read

OWNER = "transformers"
INVALID, NOT_FOUND, SERVER = "BadRequestError", "NotFoundError", "InternalServerError"


class Server:
    """The routes of one model, which is served under all of `names`."""

    def __init__(self, generation: Generation, names: Sequence[str]) -> None:
        self._generation = generation
        self._names = list(names)
        self._since = int(time.time())
        self.load = Load(lambda: generation.load)

    def app(self) -> Starlette:
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completion, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/tokenize", self._tokenize, methods=["POST"]),
            Route("/detokenize", self._detokenize, methods=["POST"]),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
        ]
        return Starlette(routes=routes, exception_handlers={Refused: _refused, Dead: _dead, ClientDisconnect: _gone})

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, read(Chat, await _body(request)))

    async def _completion(self, request: Request) -> Response:
        return await self._answer(request, read(Completion, await _body(request)))

    async def _answer(self, request: Request, asked: Chat | Completion) -> Response:
        if asked.model not in self._names:
            raise Refused(404, f"The model `{asked.model}` does not exist.", "model")
        answer = Answer(self._generation, asked, self._names[0])
        if asked.stream:
            return StreamingResponse(await _begun(self._events(answer, asked)), media_type="text/event-stream")
        with self.load.answering() as first_token:
            whole = await _unless_left(request, Shapes(answer, asked, self._decode, first_token).whole())
        return Response(orjson.dumps(whole), media_type="application/json")

    async def _events(self, answer: Answer, asked: Chat | Completion) -> AsyncGenerator[bytes, None]:
        with self.load.answering() as first_token:
            async with contextlib.aclosing(Shapes(answer, asked, self._decode, first_token).stream()) as events:
                try:
                    async for event in events:
                        yield event
                except Dead as error:
                    yield b"data: " + orjson.dumps(_error(500, SERVER, str(error))) + b"\n\n"

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._generation.tokenizer.decode(list(tokens))
        return text

    async def _models(self, _: Request) -> Response:
        about = {"object": "model", "created": self._since, "owned_by": OWNER, "max_model_len": self._generation.context}
        return _json({"object": "list", "data": [{"id": name, **about} for name in self._names]})

    async def _tokenize(self, request: Request) -> Response:
        body = await _body(request)
        tokenizer = self._generation.tokenizer
        if isinstance(body.get("messages"), list):
            asked = Chat(model=self._names[0], messages=body["messages"])
            tokens = Answer(self._generation, asked, self._names[0]).prompts[0]
        elif isinstance(body.get("prompt"), str):
            tokens = tokenizer(body["prompt"], add_special_tokens=body.get("add_special_tokens", True))["input_ids"]
        else:
            raise Refused(400, "Give a prompt or messages.", "prompt")
        return _json({"count": len(tokens), "max_model_len": self._generation.context, "tokens": tokens})

    async def _detokenize(self, request: Request) -> Response:
        tokens = (await _body(request)).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) and token >= 0 for token in tokens):
            raise Refused(400, "'tokens' is a list of numbers.", "tokens")
        return _json({"prompt": self._generation.tokenizer.decode(tokens)})

    async def _health(self, _: Request) -> Response:
        return Response(status_code=200 if self._generation.is_alive else 503)

    async def _metrics(self, _: Request) -> Response:
        return PlainTextResponse(self.load.text())


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body is not an object.")
    return body


async def _begun(events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Return the events once the first one is there, so that what fails before it is an ordinary error."""
    first = await anext(events)

    async def rest() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(events):
            yield first
            async for event in events:
                yield event

    return rest()


async def _unless_left(request: Request, answer: Any) -> Any:
    """Return the answer; ClientDisconnect where the client leaves before, which gives the request up."""
    answering, leaving = asyncio.ensure_future(answer), asyncio.create_task(_left(request))
    try:
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        raise ClientDisconnect
    finally:
        answering.cancel()
        leaving.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _error(status: int, kind: str, message: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    kind = NOT_FOUND if error.status == 404 else INVALID
    return _json(_error(error.status, kind, str(error), error.param), error.status)


async def _dead(_: Request, error: Exception) -> Response:
    return _json(_error(500, SERVER, str(error)), 500)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)
