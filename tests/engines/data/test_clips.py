"""Clips as the child looks into them: what they hold, what is wrong with them, and nothing that they name is opened."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from engines.data import clips
from engines.data.clip_counts import Clip, ClipCounts, lengths_of
from engines.data.rules import Problem
from tests.engines.data.videos import clip, growing


def probe(content: bytes, folder: Path) -> Clip:
    (folder / "clip").write_bytes(content)
    return clips.probe(folder / "clip")


@pytest.mark.parametrize(
    ("codec", "container"),
    [("mpeg4", "mp4"), ("libx264", "mp4"), ("mpeg4", "mov"), ("libvpx-vp9", "webm"), ("libx264", "matroska"), ("mpeg4", "avi")],
)
def test_a_clip_is_told_by_its_bytes_in_any_format_that_holds_its_frames(tmp_path: Path, codec: str, container: str) -> None:
    assert probe(clip(13, rate=24, codec=codec, container=container), tmp_path) == Clip(13, Fraction(24), 64, 48)


def test_a_moving_picture_is_a_clip(tmp_path: Path) -> None:
    assert probe(clip(4, rate=10, codec="gif", container="gif"), tmp_path) == Clip(4, Fraction(10), 64, 48)


def test_frames_behind_what_a_job_takes_are_counted_without_being_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MAX_DECODED", 5)
    assert probe(clip(13), tmp_path).frames == 13
    assert probe(clip(5), tmp_path).frames == 5


def test_a_clip_of_a_phone_is_measured_upright(tmp_path: Path) -> None:
    content = bytearray(clip(5))
    # The display matrix of the track header, which turns by a quarter.
    unit, turned = (65536).to_bytes(4, "big"), (-65536).to_bytes(4, "big", signed=True)
    zero, last = bytes(4), (2**30).to_bytes(4, "big")
    at = content.index(unit + zero * 3 + unit + zero * 3 + last, content.index(b"tkhd"))
    content[at : at + 36] = zero + unit + zero + turned + zero * 4 + last
    assert probe(bytes(content), tmp_path) == Clip(5, Fraction(8), 48, 64)


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\xa5" * 4000 + content[middle + 4000 :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"", "cannot be read: Invalid data found when processing input"),
        (lambda: b"cat", "cannot be read: Invalid data found when processing input"),
        (lambda: cut(clip(17)), "is damaged"),
        (lambda: damaged(clip(17, codec="libx264")), "cannot be read: Invalid data found when processing input"),
        (lambda: clip(2, size=(64, 48)).replace(b"vide", b"soun"), "holds no video"),
    ],
    ids=["empty", "text", "cut off", "damaged", "without a picture"],
)
def test_what_is_wrong_with_a_clip_is_said(tmp_path: Path, content: Callable[[], bytes], message: str) -> None:
    with pytest.raises(Problem) as caught:
        probe(content(), tmp_path)
    assert str(caught.value) == message


def test_frames_that_are_too_large_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(Problem, match="has frames of 64 x 48, which is more than are decoded here"):
        probe(clip(5), tmp_path)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_later_frame_may_be_no_larger_than_a_header_may_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    content = growing((64, 48), (128, 96), codec)
    assert probe(content, tmp_path) == Clip(6, Fraction(8), 64, 48)
    monkeypatch.setattr(clips, "MAX_PIXELS", 64 * 48)
    with pytest.raises(Problem):
        probe(content, tmp_path)
    # Should a decoder pay no heed to its option, the frame is looked at.
    monkeypatch.setattr(clips, "_bind", lambda codec: None)
    with pytest.raises(Problem, match="has frames of 128 x 96, which is more than are decoded here"):
        probe(content, tmp_path)


def test_a_clip_is_decoded_by_one_thread(tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(clip(5, codec="libx264"))
    with clips.opened(tmp_path / "clip") as held:
        codec = held.streams.video[0].codec_context
        assert len(list(held.decode(video=0))) == 5
        assert (codec.thread_count, codec.thread_type.name) == (1, "NONE")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {path}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 1 RTP/AVP 96\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{path}</BaseURL></Period></MPD>',
    ],
    ids=["hls", "concat", "sdp", "dash"],
)
def test_a_playlist_opens_nothing(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(clip(5))
    asked: list[str] = []
    monkeypatch.setattr(clips, "_refuse", lambda url, flags, options: asked.append(url))
    with pytest.raises(Problem):
        probe(content.format(path=other).encode(), tmp_path)
    assert asked == []


def test_what_is_kept_of_clips_is_bounded_and_names_the_first_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.data.clip_counts.MAX_LENGTHS", 3)
    assert ClipCounts().counted is None
    counts = ClipCounts()
    for line in range(1, 101):
        counts.take(Clip(10 + line % 5, Fraction(30000, 1001), 64, 48), line)
    counts.take(Clip(9, None, 32, 32), 101)
    counted = counts.counted
    assert counted is not None
    assert (counted["rows"], counted["min_frames"], counted["max_frames"], counted["frames"]) == (101, 9, 14, 1209)
    kept = list(lengths_of(counted))
    assert [(one.frames, one.rate, one.rows) for one in kept] == [
        (9, None, 1),
        (10, Fraction(30000, 1001), 20),
        (11, Fraction(30000, 1001), 20),
    ]
    assert kept[1].lines == list(range(5, 101, 5))
    assert counted["shapes"] == [
        {"width": 64, "height": 48, "fps": 29.97, "rows": 100},
        {"width": 32, "height": 32, "fps": None, "rows": 1},
    ]
