"""A real environment server: `python -P -m tests.engines.environments.server` says its port and serves until it is killed.

Beside what openreward's own server answers there is `/_state`: how many sessions were set up, torn down, and are open now. Every
other request needs the key `KEY`.
"""

# mypy: disable-error-code="misc,untyped-decorator"

import asyncio
import json
import os
import socket
import sys
from typing import Any, ClassVar

import uvicorn
from openreward.environments import Environment, Server, TextBlock, ToolOutput, terminal, tool
from pydantic import BaseModel
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.engines.environments.names import KEY

STATE = {"set_up": 0, "torn_down": 0, "pings": 0, "hung": 0}


def said(text: str, reward: float | None = None, finished: bool = False) -> ToolOutput:
    return ToolOutput(blocks=[TextBlock(text=text)], reward=reward, finished=finished)


class Total(BaseModel):
    total: int


class Words(BaseModel):
    words: str


class Sums(Environment):
    """The sum of a task is seen by looking, which is worth a tenth once; the right answer is worth one and ends it."""

    tasks: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "train": [{"x": x, "y": y} for x in range(5) for y in range(5)],
        "test": [{"x": 4, "y": 4}],
        "none": [],
    }

    def __init__(self, task_spec: dict[str, Any], secrets: dict[str, str] | None = None) -> None:
        super().__init__(task_spec, secrets or {})
        self.looked = False

    @classmethod
    def list_splits(cls) -> list[str]:
        return list(cls.tasks)

    @classmethod
    def list_tasks(cls, split: str) -> list[dict[str, Any]]:
        return cls.tasks[split]

    def get_prompt(self) -> list[TextBlock]:
        return [TextBlock(text="sum?")]

    def setup(self) -> None:
        STATE["set_up"] += 1

    def teardown(self) -> None:
        STATE["torn_down"] += 1

    @tool
    def look(self) -> ToolOutput:
        """See the sum."""
        reward = None if self.looked else 0.1
        self.looked = True
        return said(f"{self.task_spec['x']}+{self.task_spec['y']}", reward)

    @tool
    def answer(self, params: Total) -> ToolOutput:
        """Say what the sum is."""
        right = params.total == self.task_spec["x"] + self.task_spec["y"]
        return said("right" if right else "wrong", 1.0 if right else None, finished=True)


class Broken(Sums):
    """Looking breaks it, but for the task 0+0."""

    @tool
    def look(self) -> ToolOutput:
        """See the sum."""
        if self.task_spec["x"] + self.task_spec["y"]:
            raise RuntimeError("the lamp is broken")
        return said("0+0", 0.1)


class Shut(Sums):
    """No session can be opened."""

    def __init__(self, task_spec: dict[str, Any], secrets: dict[str, str] | None = None) -> None:
        raise RuntimeError("no room")


class Endless(Sums):
    """Looking takes for ever."""

    @tool
    async def look(self) -> ToolOutput:
        """See the sum."""
        STATE["hung"] += 1
        await asyncio.Event().wait()
        raise AssertionError


class Loud(Environment):
    """Says too much: of its tasks, in its prompt where the task wants that, and when it is looked at."""

    counts: ClassVar[dict[str, Any]] = {"most": 1_000_000, "more": 1_000_001, "less": -1, "part": 1.5, "yes": True, "word": "3"}

    def __init__(self, task_spec: dict[str, Any], secrets: dict[str, str] | None = None) -> None:
        super().__init__(task_spec, secrets or {})

    @classmethod
    def list_splits(cls) -> list[str]:
        return list(cls.counts)

    @classmethod
    def list_tasks(cls, split: str) -> list[dict[str, Any]]:
        raise NotImplementedError

    @classmethod
    async def num_tasks(cls, split: str) -> Any:
        return cls.counts[split]

    def get_prompt(self) -> list[TextBlock]:
        return [TextBlock(text="-" * self.task_spec.get("words", 1))]

    @tool
    def look(self) -> ToolOutput:
        """See the sum."""
        return said("x" * 200_000, 0.1)


class Plain(Environment):
    """Takes the model's first message as its answer; there is no tool to call."""

    @classmethod
    def list_splits(cls) -> list[str]:
        return ["train"]

    @classmethod
    def list_tasks(cls, split: str) -> list[dict[str, Any]]:
        return [{"wanted": "no"}]

    def get_prompt(self) -> list[TextBlock]:
        return [TextBlock(text="answer look sum?")]

    @terminal
    @tool
    def hand_in(self, params: Words) -> ToolOutput:
        """Take the answer."""
        return said("thank you", float(params.words == self.task_spec["wanted"]), finished=True)


class Watched:
    """Counts pings, refuses strangers and answers `/_state`."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"] == "/_state":
            return await JSONResponse({**STATE, "open": len(self._server._active_envs)})(scope, receive, send)
        STATE["pings"] += scope["path"] == "/ping"
        if dict(scope["headers"]).get(b"x-api-key") != KEY.encode():
            return await JSONResponse({"detail": "Invalid API key"}, 401)(scope, receive, send)
        await self._app(scope, receive, send)


def main() -> None:
    server = Server([Sums, Broken, Shut, Endless, Plain, Loud])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
        # It logs every request there, and a pipe that nobody reads would stop it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        config = uvicorn.Config(Watched(server.app, server), log_config=None, timeout_keep_alive=60)
        asyncio.run(uvicorn.Server(config).serve([listening]))


if __name__ == "__main__":
    main()
