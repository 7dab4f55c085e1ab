"""Clips of video rows, looked into before anything is trained on them. Imported only in children: it loads FFmpeg's libraries.

A clip is foreign data for a large decoder. Only formats that hold their frames themselves are taken, and nothing that one names
beside itself is ever opened: no playlist, no other file, no address. The frames that a job may take are decoded, all of them, so
that a broken one is found now and not after an hour of training; those behind are counted as packets.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from engines.data.clip_counts import Clip
from engines.data.rules import Problem

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,png_pipe,jpeg_pipe,webp_pipe"
# Twice the size of a frame of 8K.
MAX_PIXELS = 2**26
# What a job takes at most where a clip has no more frames a second than it; each frame behind is a packet that is there.
MAX_DECODED = 1024
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}


class _Refused(Exception):
    """A clip names something beside itself."""


def probe(path: Path) -> Clip:
    """Return what a clip holds; Problem where it is none, or not a whole one."""
    with opened(path) as held:
        return _looked(held)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Give a clip's container with a video of a size that may be decoded; what goes wrong in the block as well is a Problem."""
    try:
        # As an open file: nothing that is inside may name another one.
        with (
            path.open("rb") as file,
            closing(av.open(file, container_options=dict(OPTIONS), io_open=_refuse, metadata_errors="replace")) as held,
        ):
            _check(held)
            _bind(held.streams.video[0].codec_context)
            yield held
    except _Refused:
        raise Problem("is not a clip of its own: it names another file") from None
    except MemoryError:
        raise Problem("needs too much memory to be decoded") from None
    except (FFmpegError, ValueError, OSError) as error:
        raise Problem(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:
    raise _Refused


def _check(container: Any) -> None:
    if not container.streams.video:
        raise Problem("holds no video")
    codec = container.streams.video[0].codec_context
    if codec is None:
        raise Problem("cannot be read: there is no decoder for its video")
    check_size(codec.width, codec.height)


def _bind(codec: Any) -> None:
    """Hold a decoder to one thread, as each more has frames of its own in memory, and to the size that the header was held to."""
    codec.thread_type, codec.thread_count = "NONE", 1
    codec.options = {"max_pixels": str(MAX_PIXELS)}


def check_size(width: int, height: int) -> None:
    """Raise Problem for frames larger than are decoded. A later frame may be larger than the header says."""
    if width * height > MAX_PIXELS:
        raise Problem(f"has frames of {width} x {height}, which is more than are decoded here")


def _looked(container: Any) -> Clip:
    stream = container.streams.video[0]
    frames, size = _counted(container, stream)
    if not frames:
        raise Problem("holds no frame")
    # An mp4 may leave out frames on purpose, by its list of edits; one that is cut off has a damaged packet.
    if frames < stream.frames and "mp4" not in container.format.name:
        raise Problem(f"is cut off: {frames} of its {stream.frames} frames are there")
    rate = stream.average_rate
    return Clip(frames, rate if rate is not None and rate > 0 else None, *size)


def _counted(container: Any, stream: Any) -> tuple[int, tuple[int, int]]:
    """Return how many frames there are, and the size of the first as it is shown: phones store theirs lying."""
    packets = decoded = 0
    size: tuple[int, int] = (0, 0)
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise Problem("is damaged")
        packets += packet.size > 0
        if decoded >= MAX_DECODED:
            continue
        for frame in packet.decode():
            if frame.is_corrupt:
                raise Problem("is damaged")
            check_size(frame.width, frame.height)
            if not decoded:
                lying = round(frame.rotation / 90) % 2
                size = (frame.height, frame.width) if lying else (frame.width, frame.height)
            decoded += 1
    return (packets if decoded >= MAX_DECODED else decoded), size
