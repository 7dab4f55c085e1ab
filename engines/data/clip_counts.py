"""What the clips of a dataset are, counted so that what is kept is small and still names the lines of those too short for a job."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

# The most frames that a job can ask for: beyond it, clips are of one length.
MAX_FRAMES = 1024
MAX_LINES = 20
MAX_SHAPES = 100


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip holds; `fps` is None where it does not say."""

    frames: int
    width: int
    height: int
    fps: float | None


class ClipCounts:
    """Counts rows by the clip that they name."""

    def __init__(self) -> None:
        self.rows = 0
        self.urls = 0
        self._lengths = Counter[int]()
        self._lines: dict[int, list[int]] = {}
        self._shapes = Counter[tuple[int, int, float | None]]()
        self._longest = 0

    def take(self, clip: Clip, line: int) -> None:
        length = min(clip.frames, MAX_FRAMES)
        self.rows += 1
        self._longest = max(self._longest, clip.frames)
        self._lengths[length] += 1
        lines = self._lines.setdefault(length, [])
        # The first lines below any length are among the first of each length.
        if length < MAX_FRAMES and len(lines) < MAX_LINES:
            lines.append(line)
        self._shapes[clip.width, clip.height, clip.fps] += 1

    @property
    def counted(self) -> dict[str, Any] | None:
        """Return what is kept: None of a dataset without clips."""
        if not self.rows:
            return None
        lengths = sorted(self._lengths.items())
        return {
            "rows": self.rows,
            "min_frames": lengths[0][0],
            "max_frames": self._longest,
            "lengths": [{"frames": frames, "rows": rows, "lines": self._lines[frames]} for frames, rows in lengths],
            "shapes": [
                {"width": width, "height": height, "fps": fps, "rows": rows}
                for (width, height, fps), rows in self._shapes.most_common(MAX_SHAPES)
            ],
        }


def shorter(counted: dict[str, Any], frames: int) -> tuple[int, list[dict[str, Any]]]:
    """Return how many rows have a clip of fewer frames than that, and the first of them as problems by line."""
    short = [length for length in counted["lengths"] if length["frames"] < frames]
    lines = sorted((line, length["frames"]) for length in short for line in length["lines"])[:MAX_LINES]
    problems = [{"line": line, "message": f"its clip has {has} frames, and {frames} are asked for"} for line, has in lines]
    return sum(length["rows"] for length in short), problems
