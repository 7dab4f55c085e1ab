"""What a host process and its children say to each other.

A child is started with three channels: stdin carries control messages from the parent (the first line is the `spec`), the file
descriptor named by `BURNISH_PROTOCOL_FD` carries messages to the parent, and stdout and stderr are the user's own log. Both
protocol directions are JSON, one object a line, each with a `type`.

    parent → child   spec {version, task, spec} · stop {} · stop {save} · uploaded {step}
    child → parent   hello {version, pid} · phase {phase} · plan {total_steps} · model {revision}
                     prompts {total, dropped, limit} · metrics {step, values} · rollouts {step, groups, stdout}
                     log {level, source, message} · checkpoint {step, path, final, score} · best {step}
                     memory {peak_bytes}
                     failed {code, message, attribution, user_code_line} · done {result}

Invariants: only one process of a child (rank 0) speaks; a slow parent blocks the child on the pipe and loses nothing; the end of
stdin means that the parent is gone, and the child leaves with `EXIT_PARENT_GONE`. A `stop` that says `save` lets the step end and
its checkpoint be taken over first; a plain one may follow it. Numbers that JSON cannot hold (NaN, infinities)
travel as null.
"""

import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NotRequired, TypedDict

VERSION = 1
FD_VARIABLE = "BURNISH_PROTOCOL_FD"

EXIT_OK = 0
EXIT_FAILED = 10
EXIT_STOPPED = 11
EXIT_PARENT_GONE = 12

Message = dict[str, Any]


class Completion(TypedDict):
    """One sampled completion. `components` maps a reward component's name to its value; `reward` is null where the sample was
    skipped. `messages` is the whole conversation where there was one with an environment, `text` what the model wrote of it.
    `media` is a clip in the child's folder, which the parent takes over and stores.
    """

    text: str
    reward: float | None
    components: dict[str, float | None]
    advantage: float | None
    tokens: int
    truncated: bool
    score_error: str | None
    messages: NotRequired[list[dict[str, Any]] | None]
    media: NotRequired[str | None]


class Group(TypedDict):
    """All completions of one prompt at one step. `prompt` is the text or the message list that the dataset row held; `weights`
    are the factors of the reward's components.
    """

    dataset_row: int | None
    prompt: Any
    completions: list[Completion]
    weights: dict[str, float]


class ChildFailure(Exception):
    """An expected failure of the child's own work; becomes the job's `error`.

    `code` is one of the contract's job error codes, `attribution` is `user` or `platform`, `user_code_line` the line of the
    user's file.
    """

    def __init__(self, code: str, message: str, attribution: str = "user", user_code_line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.attribution = attribution
        self.user_code_line = user_code_line


def encode(message: Mapping[str, Any]) -> bytes:
    """Return one protocol line, newline included."""
    return json.dumps(_plain(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes, loads: Callable[[bytes], Any] = json.loads) -> Message:
    """Parse one protocol line; ValueError where it is not an object with a `type`."""
    message = loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("a protocol line is a JSON object with a type")
    return message


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


class Reporter:
    """The child's end. Safe to call from any thread; every call blocks until the parent's pipe has taken the line."""

    def __init__(self, out: BinaryIO, control: BinaryIO, on_parent_gone: Callable[[], None] | None = None) -> None:
        self._out = out
        self._control = control
        self._lock = threading.Lock()
        self._uploaded: set[int] = set()
        self._changed = threading.Condition()
        self._on_parent_gone = on_parent_gone or (lambda: os._exit(EXIT_PARENT_GONE))
        self.stop_requested = threading.Event()
        self.save_requested = threading.Event()

    def listen(self) -> None:
        """Follow the parent's control messages from a thread of its own, until the parent is gone."""
        threading.Thread(target=self._listen, name="protocol-control", daemon=True).start()

    def _listen(self) -> None:
        for line in self._control:
            message = decode(line)
            if message["type"] == "stop":
                (self.save_requested if message.get("save") else self.stop_requested).set()
            elif message["type"] == "uploaded":
                with self._changed:
                    self._uploaded.add(int(message["step"]))
                    self._changed.notify_all()
        self._on_parent_gone()

    def send(self, kind: str, **fields: Any) -> None:
        line = encode({"type": kind, **fields})
        with self._lock:
            self._out.write(line)
            self._out.flush()

    def hello(self) -> None:
        self.send("hello", version=VERSION, pid=os.getpid())

    def phase(self, phase: str) -> None:
        """Name what the child is doing: pulling_model, starting, generating, scoring, updating, saving, uploading."""
        self.send("phase", phase=phase)

    def plan(self, total_steps: int) -> None:
        self.send("plan", total_steps=total_steps)

    def model(self, revision: str) -> None:
        """Report the pinned revision of the base model."""
        self.send("model", revision=revision)

    def prompts(self, total: int, dropped: int, limit: int) -> None:
        """Report how many of the dataset's prompts are longer than `limit` tokens and are left out."""
        self.send("prompts", total=total, dropped=dropped, limit=limit)

    def metrics(self, step: int, values: Mapping[str, float | None]) -> None:
        self.send("metrics", step=step, values=dict(values), at=time.time())

    def rollouts(self, step: int, groups: Sequence[Group], stdout: str = "") -> None:
        """Tell what a step sampled, and what the reward printed for all of it, as far as that is kept."""
        self.send("rollouts", step=step, groups=list(groups), stdout=stdout)

    def log(self, message: str, level: str = "info", source: str = "trainer") -> None:
        self.send("log", level=level, source=source, message=message)

    def checkpoint(self, step: int, path: str, final: bool, score: float | None = None) -> None:
        """Offer the folder `path` to the parent, which uploads it; the child may delete it after `wait_uploaded(step)`.

        `score` is that of the held-out rows, where there are some.
        """
        self.send("checkpoint", step=step, path=path, final=final, score=score)

    def best(self, step: int) -> None:
        """Report the step with the best score on the held-out rows so far."""
        self.send("best", step=step)

    def memory(self, peak_bytes: int) -> None:
        """Report the most memory that the training has taken so far: of the GPU, on the CPU that of the process."""
        self.send("memory", peak_bytes=peak_bytes)

    def wait_uploaded(self, step: int, timeout_s: float | None = None) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: step in self._uploaded, timeout_s)

    def failed(self, failure: ChildFailure) -> None:
        self.send(
            "failed",
            code=failure.code,
            message=failure.message,
            attribution=failure.attribution,
            user_code_line=failure.user_code_line,
        )

    def done(self, result: Mapping[str, Any] | None = None) -> None:
        self.send("done", result=dict(result or {}))
