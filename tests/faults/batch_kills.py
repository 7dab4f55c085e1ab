"""A batch that is worked through while the API, the host process, the broker and the engines are killed, at moments that the dice
choose among its lines.

The engines are servers that the platform has adopted. Each line says itself what its engine is to make of it, so that what came
out can be compared with what went in, with the engines' own journals and with what was metered: `tests.faults.batch_books`.
"""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import psutil

from models import batch
from tests.rest_compat.load.callers import Ask
from tests.rest_compat.load.engine import CHAT, Orders
from tests.rest_compat.load.fleet import Engine, Entry
from tests.running import Platform

PARTS = {"api": "burnish.serve", "host": "burnish.host", "broker": "valkey-server"}
ENGINE = "engine"
# The host has the lease, the lines under way and all that is not yet written.
WEIGHTS = {"host": 4, "api": 2, "broker": 2, ENGINE: 3}
POLL_S = 0.005
# Lines at the end that no kill waits for: those that fail by all of their attempts may be the last.
CALM = 0.05
# How often another kill comes on the heels of one, before anybody has recovered.
DOUBLE = 0.25
FINAL_KILLS = 2
REFUSED = 400
FAULTY = 500


@dataclass(frozen=True)
class Plan:
    """How many lines, and how many kills while they are worked through; `limit_s` is when a batch is taken for stuck."""

    lines: int
    kills: int
    seed: int
    limit_s: float
    most_pace_s: float = 0.3


@dataclass(frozen=True)
class Line:
    """One line of the input: `refuse` is the status that its engine answers whenever it is asked, null where it makes tokens."""

    number: int
    ask: Ask

    @property
    def custom_id(self) -> str:
        return f"line-{self.number}"

    @property
    def refuse(self) -> int | None:
        return self.ask.orders.refuse

    def raw(self) -> bytes:
        body = json.loads(self.ask.body())
        return json.dumps({"custom_id": self.custom_id, "method": "POST", "url": CHAT, "body": body}).encode() + b"\n"


@dataclass
class Story:
    """All that is known of one batch once it has ended. `log` are the rows of the request log of its engines' deployments."""

    lines: Sequence[Line]
    row: dict[str, Any]
    output: bytes
    errors: bytes
    entries: Sequence[Entry]
    log: Sequence[dict[str, Any]]
    outcomes: int
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def lines_of(plan: Plan, models: Sequence[str], dice: random.Random) -> list[Line]:
    """Return lines of which most are answered, some are refused and a few only ever meet a fault of their engine."""
    found = []
    for number in range(1, plan.lines + 1):
        what = dice.random()
        refuse = REFUSED if what < 0.03 else FAULTY if what < 0.033 else None
        orders = Orders(number=number, pace_s=round(dice.uniform(0.0, plan.most_pace_s), 3), refuse=refuse)
        choices = 2 if dice.random() < 0.05 else 1
        found.append(Line(number, Ask(orders, dice.choice(models), dice.randrange(1, 9), choices=choices)))
    return found


class Books:
    """What the platform's database says, read beside it: it is there whichever part is not."""

    def __init__(self, home: Path) -> None:
        self._uri = f"file:{home / 'burnish.db'}?mode=ro"

    def read(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self._uri, uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]


class Watched:
    """A batch as its row tells of it: done lines never become fewer."""

    def __init__(self, books: Books, batch_id: str) -> None:
        self.books, self.id = books, batch_id
        self.most = 0
        self.wrong: list[str] = []

    def look(self) -> tuple[str, int, int]:
        """Return the status, the number of lines with an outcome, and the token of the lease."""
        statement = "SELECT status, completed + failed AS done, lease_token FROM batch WHERE id = ?"
        [row] = self.books.read(statement, self.id)
        if row["done"] < self.most:
            self.wrong.append(f"{self.most} lines were done, then {row['done']}")
        self.most = max(self.most, row["done"])
        return row["status"], row["done"], row["lease_token"]


class Killer:
    """Kills parts of a platform while a batch runs."""

    def __init__(self, platform: Platform, engines: Sequence[Engine], watched: Watched, dice: random.Random) -> None:
        self.platform, self.engines, self.watched, self.dice = platform, engines, watched, dice
        self.kills: Counter[str] = Counter()
        self._again: set[asyncio.Task[None]] = set()

    async def run(self, plan: Plan, until: float) -> None:
        """Kill as often as planned, at any moment from before the validation on; less often where the batch ends before."""
        moments = sorted(self.dice.uniform(0.0, 1 - CALM) * plan.lines for _ in range(plan.kills - 1))
        for moment in [0.0, *moments]:
            if self.dice.random() > DOUBLE and not await self._reached(moment, until):
                return
            await asyncio.sleep(self.dice.uniform(0.0, 0.5))
            await self._kill(self.dice.choices([*WEIGHTS], [*WEIGHTS.values()])[0])
        await asyncio.gather(*self._again)

    async def at_the_end(self, until: float) -> None:
        """Kill the host while it writes the files, as often as it can be caught at it."""
        caught: set[int] = set()
        while monotonic() < until and len(caught) < FINAL_KILLS:
            status, _, token = self.watched.look()
            if status in batch.TERMINAL:
                return
            if status == batch.FINALIZING and token not in caught:
                caught.add(token)
                await asyncio.sleep(self.dice.uniform(0.0, 0.05))
                await self._kill("host", "host, at the end")
            await asyncio.sleep(POLL_S)

    async def _reached(self, moment: float, until: float) -> bool:
        while monotonic() < until:
            status, done, _ = self.watched.look()
            if status in batch.TERMINAL:
                return False
            if done >= moment:
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def _kill(self, what: str, name: str | None = None) -> None:
        if what == ENGINE:
            living = [engine for engine in self.engines if engine.alive]
            if living:
                engine = self.dice.choice(living)
                await engine.kill()
                self._again.add(asyncio.create_task(self._start(engine, self.dice.uniform(0.0, 3.0))))
        else:
            await asyncio.to_thread(self._kill_part, PARTS[what])
        self.kills[name or what] += 1

    def _kill_part(self, needle: str) -> None:
        while True:
            try:
                self.platform.kill(needle)
                return
            except psutil.NoSuchProcess:
                # It had just ended by itself, as an API process does without its broker; its successor comes.
                continue

    async def _start(self, engine: Engine, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await engine.start()


async def survive(platform: Platform, engines: Sequence[Engine], plan: Plan) -> Story:
    """Have a batch worked through while parts are killed, and return all that is known of it then."""
    dice = random.Random(plan.seed)
    models = [f"{engine.name}-{plan.seed}" for engine in engines]
    deployments = [adopt(platform, engine.url, model) for engine, model in zip(engines, models, strict=True)]
    await asyncio.gather(*(_serving(platform, each) for each in deployments))
    lines = lines_of(plan, models, dice)
    began, until = monotonic(), monotonic() + plan.limit_s
    batch_id = submit(platform, b"".join(line.raw() for line in lines))
    books = Books(platform.home)
    killer = Killer(platform, engines, Watched(books, batch_id), dice)
    await killer.run(plan, until)
    await killer.at_the_end(until)
    row = await _ended(platform, batch_id, until)
    story = Story(
        lines=lines,
        row=row,
        output=await _content(platform, row["output_file_id"]),
        errors=await _content(platform, row["error_file_id"]),
        entries=[entry for engine in engines for entry in engine.entries()],
        log=_log(books, deployments),
        outcomes=books.read("SELECT count(*) AS count FROM batch_outcome WHERE batch_id = ?", batch_id)[0]["count"],
        kills=killer.kills,
        wrong=killer.watched.wrong,
        seconds=monotonic() - began,
    )
    for each in deployments:
        platform.post(f"/v1/deployments/{each}/stop")
    return story


def adopt(platform: Platform, url: str, name: str) -> str:
    """Have the platform adopt an engine; return the deployment."""
    deployment_id: str = platform.post("/v1/deployments/adopt", {"url": url, "name": name})["id"]
    return deployment_id


def submit(platform: Platform, content: bytes) -> str:
    """Upload lines and begin a batch of them; return its id."""
    files = {"file": ("lines.jsonl", content)}
    response = platform.client.post("/v1/files", data={"purpose": "batch"}, files=files)
    assert response.is_success, response.text
    body = {"input_file_id": response.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
    batch_id: str = platform.post("/v1/batches", body)["id"]
    return batch_id


async def _serving(platform: Platform, deployment_id: str) -> None:
    while (row := await _get(platform, f"/v1/deployments/{deployment_id}"))["status"] != "serving":
        assert row["status"] in ("queued", "provisioning", "unhealthy"), row
        await asyncio.sleep(0.1)


async def _ended(platform: Platform, batch_id: str, until: float) -> dict[str, Any]:
    while True:
        row: dict[str, Any] = await _get(platform, f"/v1/batches/{batch_id}")
        if row["status"] in batch.TERMINAL:
            return row
        assert monotonic() < until, f"the batch is stuck: {row}"
        await asyncio.sleep(0.1)


async def _content(platform: Platform, file_id: str | None) -> bytes:
    if file_id is None:
        return b""
    response = await asyncio.to_thread(platform.client.get, f"/v1/files/{file_id}/content")
    response.raise_for_status()
    return bytes(response.content)


async def _get(platform: Platform, path: str) -> Any:
    """Ask an API process that may just have been killed."""
    until = monotonic() + 60
    while True:
        try:
            return await asyncio.to_thread(platform.get, path)
        except httpx2.TransportError:
            assert monotonic() < until
            await asyncio.sleep(0.1)


def _log(books: Books, deployments: Sequence[str]) -> list[dict[str, Any]]:
    marks = ", ".join("?" * len(deployments))
    columns = "id, status_code, prompt_tokens, completion_tokens"
    return books.read(f"SELECT {columns} FROM inference_request WHERE deployment_id IN ({marks})", *deployments)
