"""Turn the end of a batch that was not answered into the failure that a user reads, with their own line in it.

The user is to blame for what the code did (exceptions, wrong answers, time, memory, its own death); the platform only where a
process that used little memory was killed from outside, or where the jail could not be built.
"""

import re
import signal
from collections.abc import Mapping
from typing import Any, Literal

from engines.protocol import ChildFailure
from engines.rewards.jail_process import Lost
from engines.rewards.shapes import MAX_SOURCE_BYTES, RewardProblem

MAX_MESSAGE_CHARS = 16_384
# A jailed interpreter with NumPy stays far below: a process killed above this was killed for what the user's code had stored.
OWN_MEMORY_BYTES = 512 * 2**20

# How the user's code failed: what it raised, what it answered, what it used up, how it ended, and what can never be run.
Kind = Literal["exception", "answer", "memory", "lost", "refused"]

_FRAME = re.compile(r'^  File "(.*)", line (\d{1,7}) in (\S+)$', re.MULTILINE)


class RewardFailure(ChildFailure):
    """The user's reward function is to blame; `kind` says how."""

    def __init__(self, message: str, line: int | None, kind: Kind) -> None:
        super().__init__("reward_function_error", message, "user", line)
        self.kind = kind

    @property
    def headline(self) -> str:
        """What went wrong without where: of a traceback what follows its last frame."""
        lines = self.message.rstrip().splitlines()
        frames = [number for number, line in enumerate(lines) if line.startswith("  ")]
        return " ".join(lines[frames[-1] + 1 :] if frames and frames[-1] + 1 < len(lines) else lines[-1:])


def failed(message: Mapping[str, Any], name: str, source: str, called: str, memory_bytes: int) -> ChildFailure:
    """Read the jail's own account of an exception, a wrong answer or the end of its memory; it is not to be trusted.

    A wrong answer has no traceback: the line of the function `called` stands for it.
    """
    text, line = clean(str(message.get("message"))), message.get("line")
    line = line if isinstance(line, int) and 0 < line <= MAX_SOURCE_BYTES else None
    kind: Kind = "exception"
    if message.get("kind") == "memory":
        kind = "memory"
        text += f"\nThe reward function ran out of its {memory_bytes / 2**30:.1f} GiB of memory."
    elif message.get("kind") == "answer":
        kind = "answer"
        text = _frame(name, source, line, called) + text if line else text
    return RewardFailure(text, line, kind)


def refused(problem: RewardProblem) -> ChildFailure:
    return RewardFailure(problem.message, problem.line, "refused")


def nonsense() -> ChildFailure:
    return RewardFailure("The reward function wrote to the jail's own channel, and its answer could not be read.", None, "lost")


def lost(end: Lost, name: str, source: str, deadline_s: float) -> ChildFailure:
    """Say why the process is gone and, where its stack is known, at which of the user's lines."""
    frames = [(int(line), function) for file, line, function in _FRAME.findall(end.dump) if file == ascii(name)[1:-1]]
    stack = "".join(_frame(name, source, line, function) for line, function in reversed(frames))
    text = f"Where it was (most recent call last):\n{stack}" if frames else ""
    line = frames[0][0] if frames else None
    if end.reason == "exited" and end.code == -signal.SIGKILL and end.peak_bytes < OWN_MEMORY_BYTES:
        return ChildFailure("worker_lost", "The jail of the reward function was killed from outside (SIGKILL).", "platform")
    return RewardFailure(clean(text) + _why(end, deadline_s), line, "lost")


def unusable(reason: str) -> ChildFailure:
    return ChildFailure("config_error", f"This host cannot jail reward functions: {clean(reason)}", "platform")


def clean(text: str) -> str:
    """Make text that the jail sent fit to store and to show: valid Unicode without NUL, its middle left out where it is long."""
    text = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(text) <= MAX_MESSAGE_CHARS:
        return text
    half = MAX_MESSAGE_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def _why(end: Lost, deadline_s: float) -> str:
    if end.reason == "deadline":
        return f"The reward function did not answer within its deadline of {deadline_s:g} s a batch and was stopped."
    if end.reason == "closed":
        return "The reward function closed the jail's own channel."
    if end.reason == "flooded":
        return "The reward function wrote more to the jail's own channel than any answer can hold."
    if end.code >= 0:
        return f"The reward function ended its own process with exit code {end.code}."
    return f"The reward function's process was ended by {_signal(end)}."


def _signal(end: Lost) -> str:
    name = signal.Signals(-end.code).name
    reasons = {
        signal.SIGKILL: f"{name} while it held {end.peak_bytes / 2**30:.1f} GiB, as happens when a machine runs out of memory",
        signal.SIGSEGV: f"{name}: it crashed, as very deep recursion does",
        signal.SIGSYS: f"{name}: it made a system call of another architecture",
    }
    return reasons.get(signal.Signals(-end.code), name)


def _frame(name: str, source: str, line: int, function: str) -> str:
    lines = source.splitlines()
    text = f"    {lines[line - 1].strip()}\n" if 0 < line <= len(lines) else ""
    return f'  File "{name}", line {line}, in {function}\n{text}'
