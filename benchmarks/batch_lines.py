"""The input of a batch for the fake engine, and whether what came back is the answer to it."""

import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.gateway_engine import PROMPT_TOKENS, content

TOKENS = 16
WORDS = "Say in one sentence why the answer to this question is what it is, and not what most would say at first. "
ENDPOINT = "/v1/chat/completions"


def write(path: Path, model: str, count: int, line_bytes: int) -> int:
    """Write so many lines of about that length; return the size of the file."""
    with path.open("wb") as file:
        for number in range(count):
            bare = _line(model, number, "")
            padding = (WORDS * (line_bytes // len(WORDS) + 1))[: max(0, line_bytes - len(bare))]
            file.write(_line(model, number, padding))
    return path.stat().st_size


def _line(model: str, number: int, text: str) -> bytes:
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": f"Question {number}. {text}"}]
    body = {"model": model, "messages": messages, "max_tokens": TOKENS}
    asked = {"custom_id": custom_id(number), "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(asked).encode() + b"\n"


def custom_id(number: int) -> str:
    return f"request-{number}"


def check(lines: Iterable[bytes], count: int) -> None:
    """RuntimeError where these are not the answers to all lines, each once."""
    seen = set()
    wanted = content(TOKENS), PROMPT_TOKENS, TOKENS
    for line in lines:
        answered = json.loads(line)
        body = answered["response"]["body"]
        usage = body["usage"]
        found = body["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["completion_tokens"]
        if answered["custom_id"] in seen or found != wanted:
            raise RuntimeError(f"a wrong line: {answered}")
        seen.add(answered["custom_id"])
    if seen != {custom_id(number) for number in range(count)}:
        raise RuntimeError(f"{len(seen)} of {count} lines are answered")
