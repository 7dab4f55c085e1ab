"""Small real clips, made by the encoder that the platform has."""

import io
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

ROWS = b'{"prompt": "a cat", "video": "clips/cat.mp4"}\n{"caption": "a dog", "file_name": "./dog.mp4"}\n'


@cache
def clip(frames: int, *, rate: int = 8, size: tuple[int, int] = (64, 48), codec: str = "mpeg4", container: str = "mp4") -> bytes:
    """Return a clip of noise: nothing of it can be left out unnoticed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        _make(path, frames, rate, size, codec, container)
        return path.read_bytes()


def _make(path: Path, frames: int, rate: int, size: tuple[int, int], codec: str, container: str) -> None:
    # With the index in front: such a file can be opened when it is cut off.
    options = {"movflags": "faststart"} if container == "mp4" else {}
    with av.open(str(path), "w", format=container, options=options) as made:
        stream = made.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        noise = np.random.default_rng(frames)
        for _ in range(frames):
            picture = noise.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        made.mux(stream.encode(None))


def clips(cat: int = 17, dog: int = 9) -> dict[str, bytes]:
    """Return the clips that `ROWS` name, of so many frames."""
    return {"clips/cat.mp4": clip(cat), "dog.mp4": clip(dog, size=(48, 64))}


def growing(first: tuple[int, int], later: tuple[int, int], codec: str = "libvpx") -> bytes:
    """Return a clip whose header tells the size of its first three frames; three larger ones follow."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as made:
        stream = made.add_stream(codec, rate=8)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = first
        stream.pix_fmt = "yuv420p"
        packets = []
        for size in (first, later):
            encoder: Any = av.VideoCodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, 8), Fraction(8)
            blank = [av.VideoFrame(*size, "yuv420p") for _ in range(3)]
            packets += [packet for frame in (*blank, None) for packet in encoder.encode(frame)]
        for number, packet in enumerate(packets):
            packet.stream, packet.time_base = stream, Fraction(1, 8)
            packet.pts = packet.dts = number
            made.mux(packet)
    return file.getvalue()
