"""From rows to clips that can be trained on: each found or fetched, decoded once, given its shape, before a model is loaded.

No decoder runs here: each clip is first decoded whole in a process of its own with bounded memory.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engines.data import clip_counts
from engines.data.archive import media_name
from engines.data.probing import Prober
from engines.data.rules import Problem
from engines.protocol import Reporter
from engines.training import video_fetch
from engines.training.video_fetch import NotFetched
from engines.training.video_rows import Problems, VideoRow
from engines.training.video_shapes import Shape, frames_at, is_coverable, least_frames, shape_for, too_narrow
from engines.training.video_spec import VideoHyperparameters, VideoSpec

FETCHED = "fetched"
TOLD_S = 5.0
# What a message shows of a name that a row has.
SHOWN = 200


@dataclass(frozen=True)
class Clip:
    """A row with its clip at hand. `path` is shared by rows that name the same clip."""

    row: VideoRow
    path: Path
    shape: Shape


def gather(rows: list[VideoRow], job: VideoSpec, problems: Problems, reporter: Reporter) -> list[Clip]:
    """Return the rows' clips; `dataset_error` with every line whose clip cannot be had, read, or is too short."""
    paths = _locate(rows, job, reporter)
    looked: dict[Path, clip_counts.Clip | Problem] = {}
    told, found = time.monotonic(), list[Clip]()
    with Prober() as prober:
        for number, row in enumerate(rows, 1):
            path = paths[row.video]
            if isinstance(path, Exception):
                problems.note(row.index, f"{shown(row.video)} {path}")
                continue
            if path not in looked:
                looked[path] = _look(path, prober)
            clip = _clip(row, path, looked[path], job.hyperparameters)
            if isinstance(clip, Clip):
                found.append(clip)
            else:
                problems.note(row.index, f"{shown(row.video)} {clip}")
            if time.monotonic() - told >= TOLD_S:
                told = time.monotonic()
                reporter.log(f"looked at {number} of {len(rows)} clips")
    problems.refuse()
    reporter.log(_described(found))
    return found


def shown(video: str) -> str:
    """Return a clip's name as messages have it, without what may be a signature in its URL."""
    name = video.partition("?")[0] if "://" in video else video
    return f"'{name[:SHOWN]}'"


def _locate(rows: list[VideoRow], job: VideoSpec, reporter: Reporter) -> dict[str, Path | Exception]:
    urls = list(dict.fromkeys(row.video for row in rows if row.is_remote))
    told = time.monotonic()

    def fetched(count: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_S or count == len(urls):
            told = time.monotonic()
            reporter.log(f"fetched {count} of {len(urls)} clips")

    found: dict[str, Path | Exception] = {}
    if urls:
        found.update(video_fetch.fetch(urls, Path(job.work_dir) / FETCHED, job.open_networks, fetched))
    for row in rows:
        if not row.is_remote:
            found[row.video] = _unpacked(row.video, job.media_dir)
    return found


def _unpacked(video: str, media_dir: str | None) -> Path | Exception:
    if "://" in video:
        return NotFetched("is no https URL")
    if media_dir is None:
        return NotFetched("is a path, and the dataset was not uploaded as an archive")
    path = Path(media_dir) / media_name(video)
    return path if path.is_file() else NotFetched("is not in the uploaded archive")


def _look(path: Path, prober: Prober) -> clip_counts.Clip | Problem:
    try:
        return prober.probe(path)
    except Problem as problem:
        return problem


def _clip(row: VideoRow, path: Path, found: clip_counts.Clip | Problem, hyper: VideoHyperparameters) -> Clip | str:
    if isinstance(found, Problem):
        return str(found)
    frames = frames_at(found.frames, found.rate, hyper.fps)
    shape = shape_for(hyper, frames, found.height, found.width)
    if shape is not None:
        return Clip(row, path, shape) if is_coverable(found.height, found.width, shape) else too_narrow(shape)
    least = least_frames(hyper)
    needed = f"{least} are needed" if least != hyper.num_frames else f"num_frames is {least}"
    has = f"{frames} frames" if frames == found.frames else f"{frames} frames at {hyper.fps} a second ({found.frames} in all)"
    return f"is too short: it has {has}, and {needed}"


def _described(clips: Iterable[Clip]) -> str:
    counts: dict[Shape, int] = {}
    for clip in clips:
        counts[clip.shape] = counts.get(clip.shape, 0) + 1
    shapes = ", ".join(f"{count} of {shape}" for shape, count in sorted(counts.items(), reverse=True))
    return f"{sum(counts.values())} clips can be read: {shapes}"
