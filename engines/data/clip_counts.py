"""What the clips of a dataset are, counted so that what is kept is small and still names the lines of those too short for a job.

How many frames a job takes of a clip depends on both their frames a second, so clips are counted by frames and rate. The first
lines of each such length are enough: the first lines of all that are too short are among them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

MAX_LINES = 20
# Of a dataset with more lengths the shortest are kept: no job is refused for a clip that is not among them.
MAX_LENGTHS = 500
MAX_SHAPES = 100


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip holds, its picture upright; `rate` is its frames a second, None where it does not say."""

    frames: int
    rate: Fraction | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Length:
    """How many rows have a clip of so many frames, and the first of their lines."""

    frames: int
    rate: Fraction | None
    rows: int
    lines: list[int]


class ClipCounts:
    """Counts rows by the clip that they name."""

    def __init__(self) -> None:
        self._rows = 0
        self._frames = 0
        self._lengths: dict[tuple[int, Fraction | None], list[int]] = {}
        self._counts = Counter[tuple[int, Fraction | None]]()
        self._shapes = Counter[tuple[int, int, Fraction | None]]()

    def take(self, clip: Clip, line: int) -> None:
        self._rows += 1
        self._frames += clip.frames
        self._counts[clip.frames, clip.rate] += 1
        lines = self._lengths.setdefault((clip.frames, clip.rate), [])
        if len(lines) < MAX_LINES:
            lines.append(line)
        self._shapes[clip.width, clip.height, clip.rate] += 1

    @property
    def counted(self) -> dict[str, Any] | None:
        """Return what is kept, as JSON: None of a dataset without clips."""
        if not self._rows:
            return None
        lengths = sorted(self._lengths.items(), key=lambda item: (item[0][0], item[1]))
        return {
            "rows": self._rows,
            "frames": self._frames,
            "min_frames": lengths[0][0][0],
            "max_frames": lengths[-1][0][0],
            "lengths": [[length[0], _text(length[1]), self._counts[length], lines] for length, lines in lengths[:MAX_LENGTHS]],
            "shapes": [
                {"width": width, "height": height, "fps": None if rate is None else round(float(rate), 3), "rows": rows}
                for (width, height, rate), rows in self._shapes.most_common(MAX_SHAPES)
            ],
        }


def lengths_of(counted: Mapping[str, Any]) -> Iterator[Length]:
    """Yield the lengths of what was counted."""
    for frames, rate, rows, lines in counted["lengths"]:
        yield Length(frames, None if rate is None else Fraction(rate), rows, lines)


def _text(rate: Fraction | None) -> str | None:
    return None if rate is None else str(rate)
