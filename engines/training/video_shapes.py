"""What of a clip a video model is trained on: how many of its frames, and at which size. Plain arithmetic: no torch, no decoder.

Frames are taken by their number, never by their time: of a clip with more frames a second than the job wants every so many-th,
of one with fewer every one. A clip is never stretched in time, and its picture never in one direction only.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from engines.training.video_spec import FRAMES_AT_ONCE, PIXELS_AT_ONCE, VideoHyperparameters

# With buckets a clip that is too short for `num_frames` trains with the largest of these shares of it that it fills.
FRAME_SHARES = (Fraction(1), Fraction(3, 4), Fraction(1, 2), Fraction(1, 4))
# Width to height. Few, so that the clips of a batch, which are all of one shape, are not too few.
ASPECTS = tuple(Fraction(w, h) for w, h in ((21, 9), (16, 9), (3, 2), (4, 3), (1, 1), (3, 4), (2, 3), (9, 16), (9, 21)))
# Pixels of a picture that is scaled to cover a shape, four times the largest: what is hardly more than a line becomes far larger.
MAX_COVER = 2**26


@dataclass(frozen=True, order=True)
class Shape:
    """Frames of a clip, and the pixels of each."""

    frames: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.width}x{self.height}"


def stride(rate: Fraction | None, fps: int) -> Fraction:
    """Return how many frames of a clip with `rate` frames a second make one of the job's; a clip may not know its rate."""
    return max(Fraction(1), (rate or Fraction(fps)) / fps)


def frames_at(count: int, rate: Fraction | None, fps: int) -> int:
    """Return how many frames are taken of a clip of `count`."""
    return math.ceil(count / stride(rate, fps))


def taken(rate: Fraction | None, fps: int) -> Iterator[int]:
    """Yield the numbers of the frames that are taken, without end."""
    step, at = stride(rate, fps), Fraction(0)
    while True:
        yield int(at)
        at += step


def frame_counts(hyper: VideoHyperparameters) -> list[int]:
    """Return how many frames a clip may train with, most first."""
    if not hyper.buckets:
        return [hyper.num_frames]
    found = {int((hyper.num_frames - 1) * share) // FRAMES_AT_ONCE * FRAMES_AT_ONCE + 1 for share in FRAME_SHARES}
    # A single frame is no clip, unless one is what was asked for.
    return sorted((count for count in found if count > 1 or hyper.num_frames == 1), reverse=True)


def least_frames(hyper: VideoHyperparameters) -> int:
    """Return how many frames, at the job's frames a second, a clip must have."""
    return frame_counts(hyper)[-1]


def shape_for(hyper: VideoHyperparameters, frames: int, height: int, width: int) -> Shape | None:
    """Return what a clip of so many frames at the job's rate trains as; None where it is too short."""
    count = next((count for count in frame_counts(hyper) if count <= frames), None)
    if count is None:
        return None
    if not hyper.buckets:
        return Shape(count, hyper.height, hyper.width)
    own = math.log(width / height)
    sizes = [(hyper.height, hyper.width), *(_size(hyper, aspect) for aspect in ASPECTS)]
    return Shape(count, *min(sizes, key=lambda size: abs(math.log(size[1] / size[0]) - own)))


def _size(hyper: VideoHyperparameters, aspect: Fraction) -> tuple[int, int]:
    """Return height and width of an aspect with about the pixels of the job's own shape."""
    area = hyper.height * hyper.width
    return _whole(math.sqrt(area / aspect)), _whole(math.sqrt(area * aspect))


def _whole(pixels: float) -> int:
    return max(1, round(pixels / PIXELS_AT_ONCE)) * PIXELS_AT_ONCE


def cover(height: int, width: int, shape: Shape) -> tuple[int, int]:
    """Return the height and width to which a picture is scaled so that it just covers the shape, which is cut from its middle."""
    scale = max(Fraction(shape.height, height), Fraction(shape.width, width))
    return max(shape.height, round(height * scale)), max(shape.width, round(width * scale))


def is_coverable(height: int, width: int, shape: Shape) -> bool:
    """Return whether a picture covers the shape without becoming too large on the way."""
    return math.prod(cover(height, width, shape)) <= MAX_COVER


def too_narrow(shape: Shape) -> str:
    """Return what is said of a clip that is not coverable."""
    return f"has a picture too long and narrow to be cut to {shape.width}x{shape.height}"
