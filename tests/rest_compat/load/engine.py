"""A stand-in for vLLM as a program: `python engine.py PORT JOURNAL`, of the standard library alone so that it starts at once.

What a request is to meet is said in its prompt, a JSON object of `Orders`; `number` names the request and is how many tokens its
prompt has, so that whoever meters it can be matched with whoever made it. Any other prompt is number 0. The journal has a line
for each step, written before the client can see it, so that it is whole up to the moment of a `kill -9`:

    ["began", serial, number, at]   ["made", serial, tokens]   ["paused", serial, tokens]   ["ended", serial, tokens, how]

`at` is of the machine's monotonic clock; `paused` is when the client takes no more; `how` is `finished`, `left` (the client went
away), `refused`, `failed` (an error event), `died` (the connection was dropped) or `sick`. A line on standard input is a command,
answered by a line of JSON: `close` (no new connections), `deaf` (connections that nobody answers), `open`, `sick` (the engine
behind this server is dead), `well`, `busy`.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
SEND_BYTES = 64 * 1024
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Busy"}
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
POLL_S = 0.005


@dataclass(frozen=True)
class Orders:
    """`pace_s` is the time between tokens, `width` how many characters a token has. `refuse` is a status to answer; the other
    three say after how many tokens an error event follows, the connection is dropped, or nothing more comes until the client
    leaves.
    """

    number: int = 1
    pace_s: float = 0.0
    width: int = 1
    refuse: int | None = None
    fail_after: int | None = None
    die_after: int | None = None
    hang_after: int | None = None


class Left(Exception):
    """The client went away."""


class Dropped(Exception):
    """The connection is to end here."""


class Answer:
    """One request and what is made for it."""

    def __init__(
        self, engine: "Engine", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Json
    ) -> None:
        self.engine, self.reader, self.writer, self.path, self.body = engine, reader, writer, path, body
        prompt = body["messages"][-1]["content"] if path == CHAT else body["prompt"]
        self.orders = Orders(**json.loads(prompt)) if prompt.startswith("{") else Orders(number=0)
        self.choices: int = body.get("n") or 1
        self.serial = engine.next_serial()
        self.made = 0
        self.paused = False

    async def run(self) -> None:
        self._note("began", self.orders.number, time.monotonic())
        self.engine.busy += 1
        how = "left"
        try:
            how = await self._answered()
        except Dropped:
            how = "died"
            self.writer.transport.abort()
        except (Left, ConnectionError):
            self.writer.transport.abort()
        finally:
            self.engine.busy -= 1
            self._note("ended", self.made, how)

    async def _answered(self) -> str:
        if self.engine.sick:
            await self.engine.reply(self.writer, 500, _error(500, "EngineCore encountered an issue."))
            return "sick"
        if self.orders.refuse is not None:
            status = self.orders.refuse
            await self.engine.reply(self.writer, status, _error(status, f"Refused as it was told, #{self.orders.number}."))
            return "refused"
        return await (self._stream() if self.body.get("stream") else self._whole())

    async def _whole(self) -> str:
        for step in range(self.body["max_tokens"]):
            await self._step(step)
            self._make(self.choices)
        self._present()
        text = "".join(f"{step + 1}{'.' * self.orders.width} " for step in range(self.body["max_tokens"]))
        content = {"message": {"role": "assistant", "content": text}} if self.path == CHAT else {"text": text}
        choices = [{"index": index, **content, "logprobs": None, "finish_reason": "length"} for index in range(self.choices)]
        kind = "chat.completion" if self.path == CHAT else "text_completion"
        await self.engine.reply(self.writer, 200, {**self._head(kind), "choices": choices, "usage": self._usage(self.made)})
        return "finished"

    async def _stream(self) -> str:
        self.writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        options = self.body.get("stream_options") or {}
        each = bool(options.get("include_usage") and options.get("continuous_usage_stats"))
        head = self._head("chat.completion.chunk" if self.path == CHAT else "text_completion")
        if self.path == CHAT:
            for index in range(self.choices):
                await self._event({**head, **self._choice(index, {"role": "assistant", "content": ""}, None, 0, each)})
        for step in range(self.body["max_tokens"]):
            if step == self.orders.fail_after:
                await self._event(_error(500, f"Failed as it was told, #{self.orders.number}."))
                await self._send(b"0\r\n\r\n")
                return "failed"
            await self._step(step)
            last = step + 1 == self.body["max_tokens"]
            for index in range(self.choices):
                self._make(1)
                said = {"content": f"{step + 1}{'.' * self.orders.width} "}
                await self._event({**head, **self._choice(index, said, "length" if last else None, step + 1, each)})
        self._present()
        if options.get("include_usage"):
            await self._event({**head, "choices": [], "usage": self._usage(self.made)})
        await self._send(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        return "finished"

    async def _step(self, step: int) -> None:
        """Take the time of a token, or come to what is to happen before it."""
        self._present()
        if step == self.orders.die_after:
            raise Dropped
        while step == self.orders.hang_after:
            self._present()
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(self.orders.pace_s)

    def _present(self) -> None:
        if self.reader.at_eof() or self.writer.transport.is_closing():
            raise Left

    def _make(self, count: int) -> None:
        self.made += count
        self._note("made", self.made)

    async def _event(self, data: Json) -> None:
        await self._send(_chunk(b"data: " + json.dumps(data).encode() + b"\n\n"))

    async def _send(self, data: bytes) -> None:
        self.writer.write(data)
        if self.writer.transport.get_write_buffer_size() > SEND_BYTES and not self.paused:
            self.paused = True
            self._note("paused", self.made)
        await self.writer.drain()

    def _choice(self, index: int, said: Json, reason: str | None, tokens: int, each: bool) -> Json:
        content = {"delta": said} if self.path == CHAT else {"text": said["content"]}
        usage = {"usage": self._usage(tokens)} if each else {}
        return {"choices": [{"index": index, **content, "logprobs": None, "finish_reason": reason}], **usage}

    def _head(self, kind: str) -> Json:
        return {"id": f"cmpl-{self.serial}", "object": kind, "created": 1_714_900_000, "model": self.body["model"]}

    def _usage(self, tokens: int) -> Json:
        prompt = self.orders.number
        return {"prompt_tokens": prompt, "total_tokens": prompt + tokens, "completion_tokens": tokens}

    def _note(self, word: str, *what: Any) -> None:
        self.engine.note(word, self.serial, *what)


class Engine:
    def __init__(self, port: int, journal: str) -> None:
        self.port = port
        self.busy = 0
        self.sick = False
        self._serial = 0
        self._connections = 0
        self._journal = os.open(journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self._server: asyncio.Server | None = None

    def note(self, *what: Any) -> None:
        os.write(self._journal, json.dumps(what).encode() + b"\n")

    def next_serial(self) -> str:
        self._serial += 1
        return f"{os.getpid()}.{self._serial}"

    async def obey(self, command: str) -> Json:
        if command == "close":
            self._close()
        elif command == "deaf":
            assert self._server is not None
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
        elif command == "open":
            self._close()
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**24)
        elif command in ("sick", "well"):
            self.sick = command == "sick"
        return {"busy": self.busy, "connections": self._connections}

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        # What the kernel would hold for a client that takes nothing is of no interest.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        writer.transport.set_write_buffer_limits(SEND_BYTES)
        try:
            while not writer.transport.is_closing():
                path, body = await _request(reader)
                await self._route(reader, writer, path, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections -= 1
            writer.close()

    async def _route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Json) -> None:
        if path in (CHAT, TEXT):
            await Answer(self, reader, writer, path, body).run()
        elif path == "/health":
            await self.reply(writer, 503 if self.sick else 200, None)
        elif path == "/v1/models":
            await self.reply(writer, 200, {"object": "list", "data": [{"id": "served", "object": "model"}]})
        else:
            await self.reply(writer, 404, _error(404, "Not Found"))

    async def reply(self, writer: asyncio.StreamWriter, status: int, content: Json | None) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> tuple[str, Json]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return first.split(" ")[1], json.loads(content) if content else {}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _error(status: int, message: str) -> Json:
    return {"error": {"message": message, "type": "InternalServerError", "param": None, "code": status}}


async def _obey_lines(obey: Callable[[str], Any]) -> None:
    """Obey standard input until it ends, as it does with whoever started this."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(json.dumps(await obey(line.decode().strip())), flush=True)


async def main(port: int, journal: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine = Engine(port, journal)
    await engine.obey("open")
    print(json.dumps({"listening": port}), flush=True)
    await _obey_lines(engine.obey)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
