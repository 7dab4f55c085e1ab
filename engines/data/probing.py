"""Clips looked into by a process beside this one, whose memory is bounded: where FFmpeg first meets what a stranger wrote.

`Prober` starts it when the first clip is asked for, and anew after a clip that ended it: such a clip is a Problem like any other.
One path a line goes in, one answer a line comes out. It ends when its input does, and with whoever started it.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engines.data.clip_counts import Clip
from engines.data.rules import Problem

COMMAND = (sys.executable, "-P", "-m", "engines.data.probing")
ENDED = "cannot be read: it ended the process that looked into it"


class Prober:
    """Looks into clips, one at a time, in a process of its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def probe(self, path: Path) -> Clip:
        """Return what a clip holds; Problem where it is none, or not a whole one."""
        if self._process is None:
            self._process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        line = b""
        # It may be gone already; then nothing is answered.
        with contextlib.suppress(BrokenPipeError):
            asked.write(json.dumps(str(path)).encode() + b"\n")
            asked.flush()
            line = answered.readline()
        if not line.endswith(b"\n"):
            self._end()
            raise Problem(ENDED)
        return _clip(json.loads(line))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.communicate()


def _clip(answer: Mapping[str, Any]) -> Clip:
    if "problem" in answer:
        raise Problem(answer["problem"])
    rate = answer["rate"]
    return Clip(answer["frames"], None if rate is None else Fraction(rate), answer["width"], answer["height"])


def main() -> None:
    """Answer for each clip until the input ends."""
    # FFmpeg is loaded here only: whoever asks has no need of it.
    from engines.child import die_with_parent
    from engines.data import clips
    from engines.data.confined import confine

    die_with_parent()
    confine()
    for line in sys.stdin.buffer:
        try:
            found = clips.probe(Path(json.loads(line)))
        except Problem as problem:
            answer: dict[str, Any] = {"problem": str(problem)}
        else:
            rate = None if found.rate is None else str(found.rate)
            answer = {"frames": found.frames, "rate": rate, "width": found.width, "height": found.height}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
