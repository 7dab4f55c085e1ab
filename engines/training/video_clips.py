"""Clips as frames, and frames as clips: what a job trains on, and the samples that it makes.

Which files are opened, and what of them, is for `engines.data.clips` to say: a clip is a stranger's file.
"""

from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from engines.data.clips import check_size, opened
from engines.data.rules import Problem
from engines.training.video_shapes import Shape, cover, is_coverable, taken, too_narrow

# By default the conversion rounds as the place of a picture in memory happens to suggest; a resumed job must see the same bytes.
SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
# Codecs that browsers play come first.
ENCODERS = ("libx264", "libopenh264", "h264_nvenc", "libvpx-vp9", "mpeg4")
# The constant quality at which nothing of a small clip is lost to the eye; and the same frames are the same file.
QUALITY = {"libx264": {"crf": "18", "x264-params": "cpu-independent=1"}, "libvpx-vp9": {"crf": "24"}}


def read(path: Path, shape: Shape, fps: int) -> "np.ndarray[Any, Any]":
    """Return a clip's frames as bytes [frames, height, width, RGB], scaled and cut to the shape; Problem where it has fewer."""
    found: np.ndarray[Any, Any] = np.empty((shape.frames, shape.height, shape.width, 3), dtype=np.uint8)
    count = 0
    with opened(path) as held:
        stream = held.streams.video[0]
        wanted = taken(stream.average_rate or None, fps)
        due = next(wanted)
        for number, frame in enumerate(held.decode(stream)):
            check_size(frame.width, frame.height)
            if number == due:
                found[count] = _cut(frame, shape)
                count, due = count + 1, next(wanted)
            if count == shape.frames:
                return found
    raise Problem(f"has only {count} of the {shape.frames} frames that were counted before")


def _turns(frame: VideoFrame) -> int:
    """Return by how many quarters a picture is to be turned against the clock: phones store theirs lying."""
    return round(frame.rotation / 90) % 4


def _size(frame: VideoFrame) -> tuple[int, int]:
    return (frame.width, frame.height) if _turns(frame) % 2 else (frame.height, frame.width)


def _cut(frame: VideoFrame, shape: Shape) -> "np.ndarray[Any, Any]":
    """Return a picture of the shape: scaled to cover it, turned upright, its middle cut out."""
    turns = _turns(frame)
    if not is_coverable(*_size(frame), shape):
        raise Problem(too_narrow(shape))
    height, width = cover(*_size(frame), shape)
    scaled = (width, height) if turns % 2 == 0 else (height, width)
    picture = frame.reformat(*scaled, format="rgb24", interpolation=SCALING).to_ndarray()
    picture = np.rot90(picture, turns)
    top, left = (height - shape.height) // 2, (width - shape.width) // 2
    cut: np.ndarray[Any, Any] = picture[top : top + shape.height, left : left + shape.width]
    return cut


def write(path: Path, frames: "np.ndarray[Any, Any]", fps: int) -> None:
    """Write frames, bytes [frames, height, width, RGB], as an mp4 that a browser plays while it loads."""
    encoder = next(name for name in ENCODERS if name in av.codecs_available)
    with av.open(path, "w", format="mp4", container_options={"movflags": "faststart"}) as made:
        stream: Any = made.add_stream(encoder, rate=fps, options=QUALITY.get(encoder, {}))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for picture in frames:
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", interpolation=SCALING)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
