"""Clips as they are decoded: looked at before the job spends anything, and read into frames of the shape that they train at.

A clip is a stranger's file. Only containers that hold a video themselves are opened, never those that name other files or
addresses (playlists, `concat`), whatever the file is called; its size is looked at before a frame of it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from engines.training.video_shapes import Shape, cover, taken

# FFmpeg's names of the formats that are taken; it tells a file's format by its bytes.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,png_pipe,jpeg_pipe,webp_pipe"
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
MAX_PIXELS = 2**26
# Codecs that browsers play come first.
ENCODERS = ("libx264", "libopenh264", "h264_nvenc", "libvpx-vp9", "mpeg4")
# The constant quality of x264 and of VP9 at which nothing of a small clip is lost to the eye.
QUALITY = {"libx264": "18", "libvpx-vp9": "24"}


class Unreadable(Exception):
    """Why a clip cannot be used; its text is for the user."""


@dataclass(frozen=True)
class Measures:
    """What was found: `frames` is how many there are, at most as many as were asked for, `rate` how many a second."""

    frames: int
    rate: Fraction | None
    height: int
    width: int


def measure(path: Path, most: int, fps: int) -> Measures:
    """Decode a clip up to the last of `most` frames at `fps`; Unreadable where that cannot be done."""
    with _opened(path) as opened:
        rate = _rate(opened)
        last = _last(rate, most, fps)
        count, size = 0, (0, 0)
        for count, frame in enumerate(_frames(opened), 1):
            if count == 1:
                size = _size(frame)
            if count > last:
                break
    if not count:
        raise Unreadable("it holds no frame")
    return Measures(count, rate, *size)


def read(path: Path, shape: Shape, fps: int) -> "np.ndarray[Any, Any]":
    """Return a clip's frames as bytes [frames, height, width, RGB], scaled and cut to the shape; Unreadable as `measure`."""
    found: list[np.ndarray[Any, Any]] = []
    with _opened(path) as opened:
        wanted = taken(_rate(opened), fps)
        due = next(wanted)
        for number, frame in enumerate(_frames(opened)):
            if number == due:
                found.append(_cut(frame, shape))
                due = next(wanted)
            if len(found) == shape.frames:
                return np.stack(found)
    raise Unreadable(f"it has only {len(found)} of the {shape.frames} frames that were counted before")


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        # As an open file: nothing that is inside may name another one.
        with path.open("rb") as file, av.open(file, "r", container_options=dict(OPTIONS), io_open=_refuse) as opened:
            if not opened.streams.video:
                raise Unreadable("it holds no video")
            _check_size(opened.streams.video[0].height, opened.streams.video[0].width)
            yield opened
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise Unreadable(f"it cannot be read as a video ({getattr(error, 'strerror', None) or 'broken data'})") from None


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:
    raise ValueError("a clip names no other file")


def _frames(opened: InputContainer) -> Iterator[VideoFrame]:
    for frame in opened.decode(opened.streams.video[0]):
        _check_size(frame.height, frame.width)
        yield frame


def _check_size(height: int, width: int) -> None:
    if not 0 < height * width <= MAX_PIXELS:
        raise Unreadable(f"its pictures have {width}x{height} pixels")


def _rate(opened: InputContainer) -> Fraction | None:
    rate = opened.streams.video[0].average_rate
    return rate if rate is not None and rate > 0 else None


def _last(rate: Fraction | None, most: int, fps: int) -> int:
    wanted = taken(rate, fps)
    for _ in range(most - 1):
        next(wanted)
    return next(wanted)


def _turns(frame: VideoFrame) -> int:
    """Return by how many quarters a picture is to be turned against the clock: phones store theirs lying."""
    return round(frame.rotation / 90) % 4


def _size(frame: VideoFrame) -> tuple[int, int]:
    return (frame.width, frame.height) if _turns(frame) % 2 else (frame.height, frame.width)


def _cut(frame: VideoFrame, shape: Shape) -> "np.ndarray[Any, Any]":
    """Return a picture of the shape: scaled to cover it, turned upright, its middle cut out."""
    turns = _turns(frame)
    height, width = cover(*_size(frame), shape)
    scaled = (width, height) if turns % 2 == 0 else (height, width)
    picture = frame.reformat(*scaled, format="rgb24", interpolation=Interpolation.BICUBIC).to_ndarray()
    picture = np.rot90(picture, turns)
    top, left = (height - shape.height) // 2, (width - shape.width) // 2
    return np.ascontiguousarray(picture[top : top + shape.height, left : left + shape.width])


def write(path: Path, frames: "np.ndarray[Any, Any]", fps: int) -> None:
    """Write frames, bytes [frames, height, width, RGB], as an mp4 that a browser plays while it loads."""
    encoder = next(name for name in ENCODERS if name in av.codecs_available)
    with av.open(path, "w", format="mp4", container_options={"movflags": "faststart"}) as opened:
        options = {"crf": QUALITY[encoder]} if encoder in QUALITY else {}
        stream = opened.add_stream(encoder, rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for picture in frames:
            opened.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        opened.mux(stream.encode(None))
