"""The jailed process that runs one job's reward function, started by `engines.rewards.jail` and imported by nothing.

The parent's requests and this process's answers are JSON, one object a line, over two pipes of their own; a third takes the
stack of a crash; standard output and error are a fourth and belong to the user. The user's file arrives over the pipe after the
doors are shut. The code here is not a boundary against the user's code, which can change anything in this process and so
deceive only itself: the boundary is the kernel's.
"""

import contextlib
import errno
import faulthandler
import importlib
import io
import json
import linecache
import os
import signal
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, BinaryIO, TypeVar

from engines.rewards import calls, libraries, shapes
from engines.rewards.answers import Weights
from engines.rewards.calls import Batch
from engines.rewards.confine import Policy, confine, die_with, shut_files
from engines.rewards.proof import Unproven

MODULE = "reward_function"

# Loaded before the doors shut: what is common, and what Python itself loads late and unasked.
PRELOADED = [
    "bisect", "collections", "copy", "ctypes", "dataclasses", "datetime", "decimal", "difflib", "encodings.ascii",
    "encodings.idna", "encodings.latin_1", "encodings.utf_16", "enum", "fractions", "functools", "hashlib", "heapq",
    "html", "itertools", "math", "operator", "random", "re", "statistics", "string", "_strptime", "textwrap", "time",
    "typing", "unicodedata", "zlib",
]  # fmt: skip

# Address space kept back for telling that there is none left.
RESERVE_BYTES = 16 * 2**20
REFUSED = (errno.EPERM, errno.EACCES)
WHAT_THERE_IS_NOT = "Reward functions run without network, files, other processes and threads."

Message = dict[str, Any]
T = TypeVar("T")


class Failure(Exception):
    """The user's code failed; `kind` is `exception`, `answer` or `memory`."""

    def __init__(self, kind: str, message: str, line: int | None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.line = line

    def as_message(self) -> Message:
        return {"type": "failed", "kind": self.kind, "message": self.message, "line": self.line}


class Reward:
    """The user's file, loaded. `order` is the parent's: the file's name and text, its format, weights and arguments."""

    def __init__(self, order: Message, shape: shapes.Shape, allowed: list[str] | None) -> None:
        name, text = order["name"], order["source"]
        # Without a time of change, tracebacks take the lines from here and look for no file.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        self._name = name
        self._format = order["format"]
        self._weights = Weights(order["weights"], self._format)
        self._args = order["args"]
        self._line = shape.line
        self._reserve = bytearray(RESERVE_BYTES)
        self._module = types.ModuleType(MODULE)
        self._module.__dict__.update(__file__=name, __builtins__=libraries.guarded_builtins(allowed))
        sys.modules[MODULE] = self._module
        self._run(lambda: exec(compile(text, name, "exec", dont_inherit=True), self._module.__dict__))

    def score(self, batch: Message) -> Message:
        """Call the function with one batch and convert its answer; Failure where either goes wrong."""
        answer = self._run(lambda: self._answer(Batch(**batch)))
        return {"type": "scored", **asdict(answer)}

    def _answer(self, batch: Batch) -> Any:
        function = self._module.__dict__[shapes.ENTRY_POINTS[self._format]]
        return calls.score(self._format, function, batch, self._weights, self._args, self._tell)

    def _tell(self, error: BaseException) -> tuple[str, int | None]:
        return "".join(traceback.format_exception_only(error)).rstrip(), _last_line(error, self._name)

    def _run(self, work: Callable[[], T]) -> T:
        """Do `work`; whatever the user's code raises, SystemExit included, becomes a Failure."""
        _let_loops_run()
        try:
            return work()
        except shapes.RewardProblem as problem:
            raise Failure("answer", problem.message, self._line) from None
        except MemoryError as error:
            raise Failure("memory", *self._remains(error)) from None
        except BaseException as error:
            raise Failure("exception", _told(error, self._name), _last_line(error, self._name)) from None

    def _remains(self, error: MemoryError) -> tuple[str, int | None]:
        """Describe an end of memory in the reserve; the parent then ends this process."""
        self._reserve.clear()
        line = _last_line(error, self._name)
        traceback.clear_frames(error.__traceback__)
        return _told(error, self._name), line


def _let_loops_run() -> None:
    """Have asyncio's loops do without the socket pair by which other threads wake them: here are neither sockets nor threads."""
    if "asyncio" in sys.modules:
        selector_events = importlib.import_module("asyncio.selector_events")
        for method in ("_make_self_pipe", "_close_self_pipe"):
            setattr(selector_events.BaseSelectorEventLoop, method, lambda loop: None)


def _told(error: BaseException, name: str) -> str:
    """Format the traceback with the frames of the file `name` only."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told, name)
    text = "".join(told.format()).rstrip()
    return f"{text}\n{WHAT_THERE_IS_NOT}" if _was_refused(error) else text


def _was_refused(error: BaseException) -> bool:
    """Tell whether the jail is why: name resolution and threads hide the refusal behind errors of their own."""
    if isinstance(error, OSError):
        return error.errno in REFUSED or type(error).__name__ == "gaierror"
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def _trim(told: traceback.TracebackException, name: str) -> None:
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename == name])
    for other in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        if other is not None:
            _trim(other, name)


def _last_line(error: BaseException, name: str) -> int | None:
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == name]
    return lines[-1] if lines else None


def _send(fd: int, message: Message) -> None:
    line = memoryview(json.dumps(message).encode() + b"\n")
    while line:
        line = line[os.write(fd, line) :]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _preload(modules: list[tuple[str, list[str]]]) -> None:
    """Import installed modules; one that fails is left for the user's own import to complain about."""
    for module, names in modules:
        with contextlib.suppress(Exception, SystemExit):
            __import__(module, fromlist=names)


def _hide_ourselves(folders: list[str]) -> None:
    """Leave only installed packages to import, and nothing of ours among what is imported."""
    sys.path[:] = [*sys.path[1:], *folders]
    for name in [name for name in sys.modules if name.partition(".")[0] == "engines"]:
        del sys.modules[name]


def _report_crashes(fd: int) -> None:
    """Have a crash, or SIGUSR1 at a deadline, write the stack to `fd`, even from inside a C function that never returns."""
    faulthandler.enable(fd)
    faulthandler.register(signal.SIGUSR1, fd, all_threads=False, chain=False)


def _load(order: Message, policy: Policy) -> Reward:
    shape = shapes.check(order["source"].encode(), order["format"])
    allowed = policy.libraries
    if policy.landlock:
        # The rest loads when it is asked for; asyncio has to be here before `_let_loops_run` looks.
        _preload([(module, names) for module, names in shape.modules if libraries.top(module) == "asyncio"])
    else:
        known = sys.stdlib_module_names
        _preload([m for m in shape.modules if allowed is None or (top := libraries.top(m[0])) in allowed or top in known])
        shut_files(policy)
    return Reward(order, shape, allowed)


def _serve(requests: BinaryIO, answers: int, policy: Policy) -> None:
    """Load the file of the first request, then answer one batch a request until the parent is gone."""
    reward: Reward | None = None
    for line in requests:
        message = json.loads(line)
        answer: Message = {"type": "ready"}
        try:
            if reward is None:
                reward = _load(message, policy)
            else:
                answer = reward.score(message)
        except Failure as failure:
            answer = failure.as_message()
        _flush()
        _send(answers, answer)


def main(arguments: str) -> None:
    """Shut the doors, say hello and what holds them, serve. `arguments` is JSON: the pipes' descriptors and the policy.

    The first request names libraries to load before the doors are shut: the operator vouches for them.
    """
    given = json.loads(arguments)
    policy = Policy(**given["policy"])
    die_with(policy.parent)
    _hide_ourselves(policy.folders)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    _report_crashes(given["dumps"])
    with os.fdopen(given["requests"], "rb") as requests:
        vouched = json.loads(requests.readline())["libraries"]
        _preload([(module, []) for module in (*PRELOADED, *vouched)])
        try:
            walls = confine(policy)
        except (OSError, ValueError, Unproven) as error:
            sys.exit(str(error))
        _send(given["answers"], {"type": "hello", **asdict(walls)})
        _serve(requests, given["answers"], policy)
