"""Clips made here: a square that moves over a ground, in colours of its own, as files of any container."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

COLOURS = ((220, 40, 40), (40, 200, 60), (50, 80, 220), (230, 210, 40))
QUIET = {"libx264": {"crf": "12"}}


def frames(count: int, height: int = 32, width: int = 32, number: int = 0) -> "np.ndarray[Any, Any]":
    """Return a moving square as bytes [frames, height, width, RGB]; `number` gives its colour."""
    made: np.ndarray[Any, Any] = np.full((count, height, width, 3), 16, dtype=np.uint8)
    side = min(height, width) // 2
    for index in range(count):
        left = index * (width - side) // max(1, count - 1)
        made[index, height // 4 : height // 4 + side, left : left + side] = COLOURS[number % len(COLOURS)]
    return made


def clip(
    count: int = 9,
    height: int = 32,
    width: int = 32,
    *,
    fps: int = 8,
    number: int = 0,
    container: str = "mp4",
    codec: str = "libx264",
) -> bytes:
    """Return a clip's file."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as opened:
        stream: Any = opened.add_stream(codec, rate=fps, options=QUIET.get(codec, {}))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for picture in frames(count, height, width, number):
            opened.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        opened.mux(stream.encode(None))
    return file.getvalue()


def decoded(path: Path) -> "np.ndarray[Any, Any]":
    """Return all frames of a file as bytes [frames, height, width, RGB]."""
    with av.open(path) as opened:
        whole: np.ndarray[Any, Any] = np.stack([frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)])
        return whole
