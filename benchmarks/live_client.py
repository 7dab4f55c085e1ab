"""The subscribers of the live benchmarks, in one process: `python -m benchmarks.live_client PLAN`.

Reads commands from stdin, a line of JSON each, and answers each with one. Each subscriber must see every line once and in order;
the process ends with an error at the first that does not. Where a command has an `event`, the writer waits for the readers: once
all of them have an event, the number of lines of the next is written to the descriptor `credit_fd`.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, TypedDict

import uvloop

from benchmarks.live_socket import Subscriber

QUERY = """
subscription($id: ID!, $after: Cursor) {
  jobLogs(jobId: $id, after: $after) {
    __typename
    ... on LogBatch { cursor lines { cursor at level source attempt message } }
    ... on Heartbeat { cursor }
    ... on StreamEnd { reason cursor }
  }
}
"""
LINE = re.compile(rb'"message": ?"(\d{9}) (\d{19}) ')
RECENT = 16
AT_ONCE = 50
US = 1000


class Plan(TypedDict):
    """`subscribers` of each job; `credit_fd` is where the next event is asked for."""

    port: int
    key: str
    jobs: list[str]
    subscribers: int
    credit_fd: int


class Command(TypedDict):
    """Take `lines` more of every subscription; `event` is how many lines an event has, 0 where they come by themselves."""

    lines: int
    event: int


class Batch(NamedTuple):
    """A frame that was read: its numbers, and when each of its lines was handed to the writer."""

    body: bytes
    first: int
    last: int
    stamps: Sequence[int]


@dataclass
class Reader:
    """What one subscriber has seen."""

    seq: int = -1


@dataclass
class Topic:
    """The subscribers of one job; most of their frames are equal, and each is read once."""

    recent: "deque[Batch]" = field(default_factory=lambda: deque(maxlen=RECENT))

    def read(self, body: bytes) -> Batch | None:
        """Return the numbers of a frame, or None for one without lines."""
        for batch in self.recent:
            if batch.body == body:
                return batch
        found = LINE.findall(body)
        if not found:
            return None
        numbers = [int(number) for number, _ in found]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            fail(f"lines out of order within a frame: {numbers}")
        batch = Batch(body, numbers[0], numbers[-1], [int(stamp) for _, stamp in found])
        self.recent.appendleft(batch)
        return batch


@dataclass
class Load:
    """All subscribers, and the command that they are working on."""

    credit_fd: int
    readers: int
    target: int = 0
    start: int = 0
    event: int = 0
    finished: int = 0
    frames: int = 0
    size: int = 0
    unasked: int = 0
    arrived: Counter[int] = field(default_factory=Counter)
    seen: list[tuple[int, Batch]] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, command: Command) -> None:
        self.start, self.target, self.event = self.target, self.target + command["lines"], command["event"]
        self.finished = self.frames = self.size = 0
        self.arrived.clear()
        self.seen.clear()
        self.done.clear()
        if self.event:
            self.unasked = command["lines"] // self.event
            self.ask()

    def ask(self) -> None:
        if self.unasked:
            self.unasked -= 1
            os.write(self.credit_fd, b"%d\n" % self.event)

    def take(self, reader: Reader, topic: Topic, body: bytes) -> None:
        batch = topic.read(body)
        if batch is None:
            if b"Heartbeat" not in body:
                fail(f"neither lines nor a heartbeat: {body.decode()}")
            return
        if batch.first != reader.seq + 1:
            fail(f"line {batch.first} came after line {reader.seq}")
        before, reader.seq = reader.seq, batch.last
        self.frames += 1
        self.size += len(body)
        if self.event:
            self._count(before, batch.last)
        else:
            self.seen.append((time.monotonic_ns(), batch))
        if before < self.target <= batch.last:
            self.finished += 1
            if self.finished == self.readers:
                self.done.set()

    def _count(self, before: int, last: int) -> None:
        """Ask for the next event for each that all have now."""
        for number in range((before - self.start) // self.event + 1, (last - self.start) // self.event + 1):
            self.arrived[number] += 1
            if self.arrived[number] == self.readers:
                del self.arrived[number]
                self.ask()

    def summary(self, seconds: float) -> dict[str, Any]:
        lines = (self.target - self.start) * self.readers
        return {"lines": lines, "frames": self.frames, "bytes": self.size, "s": seconds, "latency_ms": self._latency()}

    def _latency(self) -> dict[str, float]:
        """Percentiles over all lines and subscribers."""
        found: Counter[int] = Counter()
        for at, batch in self.seen:
            for stamp, lines in Counter(batch.stamps).items():
                found[(at - stamp) // (100 * US)] += lines
        total, passed, marks = sum(found.values()), 0, dict[str, float]()
        for tenths, lines in sorted(found.items()):
            passed += lines
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
                if passed >= share * total:
                    marks.setdefault(name, tenths / 10)
        return marks


def fail(reason: str) -> NoReturn:
    """End the process: a figure over lost lines would be worth nothing."""
    print(reason, file=sys.stderr, flush=True)
    os._exit(1)


async def main(plan: Plan) -> None:
    load = Load(plan["credit_fd"], plan["subscribers"] * len(plan["jobs"]))
    topics = {job_id: Topic() for job_id in plan["jobs"]}
    # The first line is there already: who has it is surely subscribed.
    load.target = 0
    places = [job_id for _ in range(plan["subscribers"]) for job_id in plan["jobs"]]
    for start in range(0, len(places), AT_ONCE):
        await asyncio.gather(*(subscribe(plan, load, topics[job_id], job_id) for job_id in places[start : start + AT_ONCE]))
    await load.done.wait()
    answer({"ready": True})
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while raw := await commands.readline():
        began = time.monotonic()
        load.begin(json.loads(raw))
        await load.done.wait()
        answer(load.summary(time.monotonic() - began))
    # Those who hang up at once say nothing.
    os._exit(0)


async def subscribe(plan: Plan, load: Load, topic: Topic, job_id: str) -> None:
    reader = Reader()
    payload = {"query": QUERY, "variables": {"id": job_id}}
    subscriber = Subscriber(f"127.0.0.1:{plan['port']}", plan["key"], payload, lambda body: load.take(reader, topic, body), fail)
    await asyncio.get_running_loop().create_connection(lambda: subscriber, "127.0.0.1", plan["port"])


def answer(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
