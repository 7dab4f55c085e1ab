"""The way of completions through the process, where no engine is needed to see it."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from burnish.kit.errors import Unauthenticated
from engines.serving.proxy import EVENTS, Reply
from rest_compat import sse
from rest_compat.openai import gateway

pytestmark = pytest.mark.anyio


class Silent:
    """A streamed answer in which nothing more comes."""

    def __init__(self) -> None:
        self.closed: list[tuple[object, ...]] = []

    async def next(self) -> bytes:
        await asyncio.Event().wait()
        return b""

    def close(self, *why: object) -> None:
        self.closed.append(why)


async def test_the_engine_stops_before_a_caller_hears_that_his_key_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended(_: Any) -> None:
        raise Unauthenticated()

    async def send(message: Message) -> None:
        if message.get("body"):
            told.append((stream.closed[:], b"Invalid API key" in message["body"]))

    monkeypatch.setattr(gateway.KEYS, "check", ended)
    monkeypatch.setattr(sse, "CHECK_S", 0.0)
    told: list[tuple[list[object], bool]] = []
    stream: Any = Silent()
    nobody: Any = None
    await gateway._Answer(send, "req_1", 0.0).reply(nobody, Reply(200, EVENTS, stream=stream))
    assert told == [([(401, "Invalid API key")], True)]
