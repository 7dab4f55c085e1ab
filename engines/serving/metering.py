"""What one request to a replica came to: counted while the answer passes, told exactly once."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

# Written where the client left before there was a status; no client ever sees it.
CLIENT_GONE = 499
# What one row of the log has room for.
MOST = 2**31 - 1
LONGEST = 64


@dataclass(slots=True)
class Served:
    """Latencies are in milliseconds since the request arrived; `ttft_ms` is null where nothing was streamed.

    `replica_failed` says that it is the replica's doing where this did not end well.
    """

    status_code: int = 500
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    streamed: bool = False
    finish_reason: str | None = None
    client_cancelled: bool = False
    error_message: str | None = None
    replica_failed: bool = False


OnDone = Callable[[Served], None]


class Meter:
    """Fills in a `Served` and hands it over once; what comes later is ignored.

    `per_prompt` is how many choices each prompt of the request has (`n`): the engine numbers the choices of all prompts through.
    `started` is when the request arrived, by `time.perf_counter`. `so_far` takes the usage of a choice as it came, by the number
    of the choice: only the newest counts, so it is read when that is known. What raises TypeError or AttributeError here is no
    answer.
    """

    __slots__ = ("_completions", "_on_done", "_per_prompt", "_prompts", "_started", "served", "so_far", "told")

    def __init__(self, on_done: OnDone, *, streamed: bool, per_prompt: int = 1, started: float | None = None) -> None:
        self.served = Served(streamed=streamed)
        self.told = False
        self.so_far: dict[bytes, bytes] = {}
        self._on_done = on_done
        self._per_prompt = per_prompt
        self._started = time.perf_counter() if started is None else started
        self._prompts: dict[int, int] = {}
        self._completions: dict[int, int] = {}

    def chunk(self, chunk: Mapping[str, Any]) -> None:
        """Count a chunk of a stream, which carries the usage of its choice so far or, without choices, that of the whole."""
        if self.so_far:
            self._read_so_far()
        choices, usage = chunk.get("choices") or [], chunk.get("usage")
        if self.served.ttft_ms is None:
            for choice in choices:
                if _generated(choice):
                    self.served.ttft_ms = self._elapsed_ms()
                    break
        self._finished(choices)
        if usage and choices:
            self._count_so_far(usage, choices[0].get("index") or 0)
        elif usage:
            self._total(usage)

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Count a whole answer."""
        self._finished(answer.get("choices") or [])
        self._total(answer.get("usage") or {})

    def done(self, status_code: int, error: str | None = None, *, replica_failed: bool = False) -> None:
        if self.told:
            return
        self.told = True
        if self.so_far:
            self._read_so_far()
        served = self.served
        served.status_code = status_code
        served.error_message = error
        served.replica_failed = replica_failed
        served.latency_ms = self._elapsed_ms()
        self._on_done(served)

    def client_gone(self, status_code: int = CLIENT_GONE) -> None:
        """The client went away; what was counted until now is what it is charged."""
        self.served.client_cancelled = not self.told or self.served.client_cancelled
        self.done(status_code)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000

    def _finished(self, choices: Sequence[Mapping[str, Any]]) -> None:
        for choice in choices:
            self.served.finish_reason = _word(choice.get("finish_reason")) or self.served.finish_reason

    def _read_so_far(self) -> None:
        for choice, usage in self.so_far.items():
            with suppress(orjson.JSONDecodeError):
                self._count_so_far(orjson.loads(usage), int(choice))
        self.so_far.clear()

    def _count_so_far(self, usage: Mapping[str, Any], choice: int) -> None:
        self._prompts[choice // self._per_prompt] = _count(usage.get("prompt_tokens"))
        self._completions[choice] = _count(usage.get("completion_tokens"))
        self.served.prompt_tokens = min(sum(self._prompts.values()), MOST)
        self.served.completion_tokens = min(sum(self._completions.values()), MOST)

    def _total(self, usage: Mapping[str, Any]) -> None:
        self.served.prompt_tokens = _count(usage.get("prompt_tokens"))
        self.served.completion_tokens = _count(usage.get("completion_tokens"))


def _count(value: Any) -> int:
    """Return a count as an engine tells it, 0 for what is none: a server of somebody else's may say anything, and what no
    database can hold would keep the log of all requests waiting for ever.
    """
    return value if isinstance(value, int) and 0 <= value <= MOST else 0


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST and value.isprintable() else None


def _generated(choice: Mapping[str, Any]) -> bool:
    """Say whether a chunk holds something of the model's own: the first one of a chat names only the role."""
    delta = choice.get("delta") or {}
    said = choice.get("text") or any(value for key, value in delta.items() if key != "role")
    return bool(said or choice.get("finish_reason"))
