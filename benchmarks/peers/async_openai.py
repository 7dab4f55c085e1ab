"""What people write instead of a batch: `python -m benchmarks.peers.async_openai URL INPUT OUTPUT` asks for each line of the
input with `AsyncOpenAI`, 64 at a time, and writes the answers as lines of an output file.

It keeps nothing that would let it go on after a crash. It tells the CPU-seconds that it took, from its first line to its last:
its imports and its client are not counted.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from openai import AsyncOpenAI

IN_FLIGHT = 64


async def work(client: AsyncOpenAI, lines: Iterator[str], output: TextIO) -> None:
    """Ask for one line after the other."""
    for line in lines:
        asked: dict[str, Any] = json.loads(line)
        answer = await client.chat.completions.create(**asked["body"])
        body = answer.to_json(indent=None)
        custom_id = json.dumps(asked["custom_id"])
        output.write(f'{{"custom_id": {custom_id}, "response": {{"status_code": 200, "body": {body}}}, "error": null}}\n')


async def main(url: str, source: Path, target: Path) -> float:
    async with AsyncOpenAI(base_url=url, api_key="none") as client:
        before = _cpu_s()
        with source.open() as lines, target.open("w") as output:
            # An iterator gives each line to one of them.
            await asyncio.gather(*(work(client, lines, output) for _ in range(IN_FLIGHT)))
        return _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
