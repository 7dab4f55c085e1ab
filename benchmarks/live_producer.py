"""Writes the log lines of the live benchmarks: `python -m benchmarks.live_producer peer|events|paced …`.

`peer` and `events JOB` read from stdin how many lines the next event has; a peer gets it as a line of JSON on stdout, the
platform as a transaction and its publication, as a host writes it. `paced RATE SECONDS JOB…` writes to the platform at a steady
rate, each job's lines buffered for as long as a host buffers them.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator

import uvloop

from benchmarks.live_lines import line, typed
from burnish.kit import stream
from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from engines.leased import FLUSH_S

TICK_S = 0.005


def feed_peer() -> None:
    print(json.dumps([typed(0)]), flush=True)
    for first, count in numbered(map(int, sys.stdin)):
        sys.stdout.write(json.dumps([typed(number) for number in range(first, first + count)]) + "\n")
        sys.stdout.flush()


def numbered(counts: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Yield the number of the first line of each event; line 0 is there already."""
    first = 1
    for count in counts:
        yield first, count
        first += count


async def write_events(core: Core, job_id: str) -> None:
    first = 1
    async for count in asked():
        await write(core, job_id, [line(number) for number in range(first, first + count)])
        first += count


async def asked() -> AsyncIterator[int]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for raw in reader:
        yield int(raw)


async def write(core: Core, job_id: str, rows: list[stream.Data]) -> None:
    async with core.db.transaction() as session:
        await stream.append(session, job_id, "logs", rows, attempt=1)


async def write_paced(core: Core, rate: float, seconds: float, job_ids: list[str]) -> None:
    each = int(rate * seconds) // len(job_ids)
    async with asyncio.TaskGroup() as tasks:
        for job_id in job_ids:
            tasks.create_task(write_job(core, job_id, rate / len(job_ids), each))


async def write_job(core: Core, job_id: str, rate: float, most: int) -> None:
    """Hand over lines at a rate, and write what was handed over as a host does: a while after the first of it."""
    buffer: list[stream.Data] = []
    filled = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hand_over(buffer, filled, rate, most))
        written = 0
        while written < most:
            await filled.wait()
            filled.clear()
            await asyncio.sleep(FLUSH_S)
            rows = buffer[:]
            buffer.clear()
            await write(core, job_id, rows)
            written += len(rows)


async def hand_over(buffer: list[stream.Data], filled: asyncio.Event, rate: float, most: int) -> None:
    began = time.monotonic()
    number = 0
    while number < most:
        due = min(most, int((time.monotonic() - began) * rate))
        if due > number:
            buffer.extend(line(one) for one in range(number + 1, due + 1))
            number = due
            filled.set()
        await asyncio.sleep(TICK_S)


async def main(mode: str, words: list[str]) -> None:
    async with opened(Settings()) as core:
        if mode == "events":
            await write_events(core, words[0])
        else:
            await write_paced(core, float(words[0]), float(words[1]), words[2:])


if __name__ == "__main__":
    if sys.argv[1] == "peer":
        feed_peer()
    else:
        uvloop.run(main(sys.argv[1], sys.argv[2:]))
