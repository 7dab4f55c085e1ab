"""The dataset as a video trainer sees it: captions with the clips that they name. What is wrong is told of all lines at once."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.data import rows, rules
from engines.protocol import ChildFailure

# So many lines are named; a clip costs little to look at, and whoever mends a dataset wants to see them all.
NAMED_MAX = 50
SECURE = "https://"


@dataclass(frozen=True, slots=True)
class VideoRow:
    """One line of the dataset; `index` counts from 0. `video` is an https URL or a path in the archive, as the row has it."""

    index: int
    caption: str
    video: str

    @property
    def is_remote(self) -> bool:
        return self.video.startswith(SECURE)


@dataclass
class Problems:
    """What is wrong with the dataset, by line."""

    of: dict[int, str] = field(default_factory=dict)

    def note(self, index: int, message: str) -> None:
        """Note what is wrong with a row; the first thing counts."""
        self.of.setdefault(index, message)

    def refuse(self) -> None:
        """Raise `dataset_error` with every line, where there are any."""
        if not self.of:
            return
        told = [(index + 1, self.of[index]) for index in sorted(self.of)]
        if len(told) == 1:
            (line, message), *_ = told
            raise ChildFailure("dataset_error", f"Line {line} of the dataset: {message}.")
        named = " ".join(f"Line {line}: {message}." for line, message in told[:NAMED_MAX])
        more = f" And {len(told) - NAMED_MAX} more." if len(told) > NAMED_MAX else ""
        raise ChildFailure("dataset_error", f"{len(told)} lines of the dataset cannot be used. {named}{more}")


def read(path: Path, archived: bool, problems: Problems) -> list[VideoRow]:
    """Return the rows that are some; the others are noted. `dataset_error` where there is none at all.

    `archived` says that clips may be named by their path in an archive.
    """
    found = []
    with path.open("rb") as lines:
        for index, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                found.append(_row(index, rules.parse(line, first=index == 0), archived))
            except rules.Problem as problem:
                problems.note(index, str(problem))
    if not found and not problems.of:
        raise ChildFailure("dataset_error", "The dataset has no rows.")
    return found


def _row(index: int, row: dict[str, Any], archived: bool) -> VideoRow:
    rows.video(row, archived=archived)
    return VideoRow(index, rules.prompt_of(row), str(rules.video_of(row)))
