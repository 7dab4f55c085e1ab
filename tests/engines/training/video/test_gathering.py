"""The clips of a job before any model is loaded: all that is wrong with them is told at once, by line."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.data import clips as data_clips
from engines.data.archive import media_name
from engines.data.rules import Problem
from engines.protocol import ChildFailure, Reporter
from engines.training import video, video_clips, video_fetch
from engines.training.video_gather import Clip
from engines.training.video_shapes import Shape
from engines.training.video_spec import VideoSpec
from tests.engines.data.files import Files, serving
from tests.engines.data.videos import growing
from tests.engines.training.video.clips import COLOURS, clip, decoded, frames


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """A server of clips. It speaks no TLS, so rows of these tests may name plain addresses."""
    monkeypatch.setattr("engines.training.video_rows.SECURE", "http://")
    monkeypatch.setattr("engines.data.rows.HTTPS", "http://")
    with serving({}) as files:
        yield files


def gather(folder: Path, rows: list[dict[str, Any]], clips: dict[str, bytes] | None = None, **given: Any) -> list[Clip]:
    """Return what the child finds in the rows, with `clips` as those of an archive."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    media = None
    if clips is not None:
        media = folder / "media"
        media.mkdir()
        for name, content in clips.items():
            (media / media_name(name)).write_bytes(content)
    spec = {
        "job_id": "job_test",
        "model": {"path": "/nowhere"},
        "dataset_path": str(folder / "rows.jsonl"),
        "work_dir": str(folder),
        "hyperparameters": {"num_frames": 9, "height": 32, "width": 32, **given},
        "media_dir": None if media is None else str(media),
        "open_networks": "127.0.0.0/8",
    }
    return video._clips(VideoSpec.model_validate(spec), Reporter(io.BytesIO(), io.BytesIO()))


def refusal(folder: Path, rows: list[dict[str, Any]], clips: dict[str, bytes] | None = None, **given: Any) -> str:
    with pytest.raises(ChildFailure) as caught:
        gather(folder, rows, clips, **given)
    assert (caught.value.code, caught.value.attribution) == ("dataset_error", "user")
    return caught.value.message


def test_rows_of_each_form_get_their_clips_and_shapes(tmp_path: Path) -> None:
    clips = {"a.mp4": clip(9), "deep/b.webm": clip(33, 64, 48, fps=30, container="webm", codec="libvpx-vp9")}
    rows = [
        {"prompt": "one", "video": "a.mp4"},
        {"caption": "two", "file_name": "./deep/b.webm"},
        {"prompt": "three", "video_path": "a.mp4"},
    ]
    found = gather(tmp_path, rows, clips)
    assert [(each.row.index, each.row.caption, each.shape) for each in found] == [
        (0, "one", Shape(9, 32, 32)),
        (1, "two", Shape(9, 32, 32)),
        (2, "three", Shape(9, 32, 32)),
    ]
    assert found[0].path == found[2].path != found[1].path


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    clips = {"good.mp4": clip(9), "short.mp4": clip(8), "fast.mp4": clip(20, fps=30), "text.mp4": b"not a video at all"}
    clips["cut.mp4"] = clip(9)[:-200]
    rows: list[dict[str, Any]] = [
        {"prompt": "p", "video": "good.mp4"},
        {"prompt": "p", "video": "short.mp4"},
        {"prompt": "p", "video": "fast.mp4"},
        {"prompt": "p", "video": "text.mp4"},
        {"prompt": "p", "video": "gone.mp4"},
        {"prompt": "p"},
        {"prompt": [{"role": "user", "content": "p"}], "video": "good.mp4"},
        {"prompt": "p", "video": "http://example.com/a.mp4"},
        {"prompt": "p", "video": "cut.mp4"},
    ]
    assert refusal(tmp_path, rows, clips) == (
        "8 lines of the dataset cannot be used."
        " Line 2: 'short.mp4' is too short: it has 8 frames, and num_frames is 9."
        " Line 3: 'fast.mp4' is too short: it has 6 frames at 8 a second (20 in all), and num_frames is 9."
        " Line 4: 'text.mp4' cannot be read: Invalid data found when processing input."
        " Line 5: 'gone.mp4' is not in the uploaded archive."
        " Line 6: no clip: a row has one of video, video_path, file_name."
        " Line 7: 'prompt' of a clip is a text."
        " Line 8: 'http://example.com/a.mp4' is no https URL."
        " Line 9: 'cut.mp4' holds no frame."
    )


def test_one_bad_line_is_one_sentence(tmp_path: Path) -> None:
    said = refusal(tmp_path, [{"prompt": "p", "video": "a.mp4"}], {"a.mp4": clip(12)}, num_frames=49, buckets=True)
    assert said == "Line 1 of the dataset: 'a.mp4' is too short: it has 12 frames, and 13 are needed."


def test_a_path_without_an_archive_is_told(tmp_path: Path) -> None:
    said = refusal(tmp_path, [{"prompt": "p", "video": "/etc/passwd"}])
    assert said == "Line 1 of the dataset: '/etc/passwd' is no https URL, and without an archive there is no file."


def test_a_playlist_that_is_called_a_clip_reaches_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clip(9))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()
    listed = f"ffconcat version 1.0\nfile {secret}\n".encode()
    rows = [{"prompt": "p", "video": "a.mp4"}, {"prompt": "p", "video": "b.mp4"}]
    said = refusal(tmp_path, rows, {"a.mp4": playlist, "b.mp4": listed})
    assert said.startswith("2 lines of the dataset cannot be used. Line 1: 'a.mp4' cannot be read: ")


def test_a_clip_is_scaled_to_cover_and_its_middle_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    path.write_bytes(clip(9, 64, 128))
    read = video_clips.read(path, Shape(5, 32, 32), 8)
    assert (read.shape, read.dtype) == ((5, 32, 32, 3), np.uint8)
    # The square starts at the left edge, which is cut away, and reaches the middle later.
    assert read[0, 16, 4].max() < 60
    assert np.abs(read[4, 16, 16].astype(int) - COLOURS[0]).max() < 40


def test_frames_are_taken_by_the_rate_that_the_job_wants(tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    path.write_bytes(clip(33, fps=24))
    read: Any = video_clips.read(path, Shape(9, 32, 32), 8).astype(int)
    every: Any = decoded(path).astype(int)
    nearest = [min(range(33), key=lambda number: np.abs(every[number] - picture).sum()) for picture in read]
    # The square moves by half a pixel a frame, so two frames may be alike.
    assert [abs(number - 3 * place) <= 1 for place, number in enumerate(nearest)] == [True] * 9


def test_the_same_frames_are_the_same_bytes_wherever_they_lie_in_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (9, 32, 48, 3), dtype=np.uint8)
    kept, files, pictures = [], set(), set()
    for number in range(12):
        kept.append(bytearray(37 * (number + 1)))
        video_clips.write(tmp_path / "noise.mp4", noise, 8)
        files.add((tmp_path / "noise.mp4").read_bytes())
        pictures.add(video_clips.read(tmp_path / "noise.mp4", Shape(9, 32, 32), 8).tobytes())
    assert (len(files), len(pictures)) == (1, 1)


def test_a_clip_that_a_phone_stored_lying_is_turned_upright(tmp_path: Path) -> None:
    content = bytearray(clip(9, 32, 64))
    # The matrix of the track's header: a quarter turn with the clock, 16.16 fixed point.
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    (tmp_path / "phone.mp4").write_bytes(content)
    (found,) = gather(tmp_path, [{"prompt": "p", "video": "a"}], {"a": bytes(content)}, height=64, width=32)
    upright = video_clips.read(found.path, found.shape, 8)
    lying = decoded(tmp_path / "phone.mp4")
    assert np.abs(upright.astype(int) - np.rot90(lying, -1, axes=(1, 2)).astype(int)).mean() < 3


def test_a_sample_is_an_mp4_that_browsers_play(tmp_path: Path) -> None:
    path, made = tmp_path / "out.mp4", frames(9, 48, 64)
    video_clips.write(path, made, 8)
    content = path.read_bytes()
    assert content[4:8] == b"ftyp" and b"avc1" in content
    assert content.index(b"moov") < content.index(b"mdat")
    assert np.abs(decoded(path).astype(int) - made.astype(int)).mean() < 4


def test_clips_elsewhere_are_fetched_once_each(tmp_path: Path, served: Files) -> None:
    served.files["/a.mp4"] = clip(9)
    url = f"{served.url}/a.mp4"
    found = gather(tmp_path, [{"prompt": "one", "video": url}, {"prompt": "two", "video": url}])
    assert [each.path.read_bytes() for each in found] == [served.files["/a.mp4"]] * 2
    assert len(served.requests) == 1


def test_clips_that_cannot_be_fetched_are_told_with_the_others(
    tmp_path: Path, served: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_fetch, "MAX_CLIP_BYTES", 2**20)
    served.files.update({"/short.mp4": clip(5), "/large.mp4": bytes(2**20 + 1)})
    inward = "http://10.0.0.1/a.mp4"
    urls = [
        f"{served.url}/gone.mp4?signature=secret",
        f"{served.url}/short.mp4",
        f"{served.url}/to?url={inward}",
        f"{served.url}/large.mp4",
    ]
    said = refusal(tmp_path, [{"prompt": "p", "video": url} for url in urls])
    host = served.url.removeprefix("http://")
    assert said.startswith("4 lines of the dataset cannot be used. ")
    assert f"Line 1: '{served.url}/gone.mp4' was not fetched: {host} answers HTTP 404: there is no such file." in said
    assert f"Line 2: '{served.url}/short.mp4' is too short: it has 5 frames, and num_frames is 9." in said
    assert "Line 3: " in said and "10.0.0.1 is a private or reserved address" in said
    assert f"Line 4: '{served.url}/large.mp4' is larger than" in said
    assert "secret" not in said


def test_a_url_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    urls = ["https://[x/a.mp4?signature=secret", "https://\u2100.com/a.mp4", "https://127.0.0.1:99999/a.mp4"]
    said = refusal(tmp_path, [{"prompt": "p", "video": url} for url in urls])
    assert said == (
        "3 lines of the dataset cannot be used. Line 1: 'https://[x/a.mp4' is no URL that can be fetched."
        " Line 2: 'https://\u2100.com/a.mp4' is no URL that can be fetched."
        " Line 3: 'https://127.0.0.1:99999/a.mp4' is no URL that can be fetched."
    )


def test_fetching_what_is_no_url_fails_for_it_alone(tmp_path: Path, served: Files) -> None:
    served.files["/a.mp4"] = b"clip"
    good, bad = f"{served.url}/a.mp4", ["https://[x/a.mp4", "https://\u2100.com/a.mp4", "https://a.b/\ud800", "https:///a.mp4"]
    found = video_fetch.fetch([*bad, good], tmp_path / "fetched", "127.0.0.0/8", lambda count: None)
    assert [str(found[url]) for url in bad] == ["is no URL that can be fetched"] * 4
    path = found[good]
    assert isinstance(path, Path) and path.read_bytes() == b"clip"


def test_a_redirect_to_what_is_no_url_is_told(tmp_path: Path, served: Files) -> None:
    said = refusal(tmp_path, [{"prompt": "p", "video": f"{served.url}/to?url=https://[x/a.mp4"}])
    assert said.endswith("redirects to what is no URL.")


def test_no_clip_is_decoded_by_the_trainer_before_a_bounded_process_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = clip(9)
    monkeypatch.setattr("av.open", None)
    (found,) = gather(tmp_path, [{"prompt": "p", "video": "a"}], {"a": content})
    assert found.shape == Shape(9, 32, 32)


def test_a_caption_serves_where_the_prompt_is_null(tmp_path: Path) -> None:
    (found,) = gather(tmp_path, [{"prompt": None, "caption": "c", "video": "a"}], {"a": clip(9)})
    assert found.row.caption == "c"


def test_a_picture_that_is_hardly_a_line_is_not_blown_up(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "video": "a"}]
    said = refusal(tmp_path, rows, {"a": clip(9, 2, 4096)}, height=480, width=720)
    assert said == "Line 1 of the dataset: 'a' has a picture too long and narrow to be cut to 720x480."
    (tmp_path / "line").write_bytes(clip(9, 2, 4096))
    with pytest.raises(Problem, match="has a picture too long and narrow to be cut to 720x480"):
        video_clips.read(tmp_path / "line", Shape(9, 480, 720), 8)


def test_a_frame_that_is_larger_than_the_header_says_is_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "growing").write_bytes(growing((64, 48), (128, 96)))
    assert video_clips.read(tmp_path / "growing", Shape(5, 32, 32), 8).shape == (5, 32, 32, 3)
    monkeypatch.setattr(data_clips, "MAX_PIXELS", 64 * 48)
    with pytest.raises(Problem):
        video_clips.read(tmp_path / "growing", Shape(5, 32, 32), 8)


def test_an_https_url_is_what_rows_name(tmp_path: Path) -> None:
    with serving({"/a.mp4": clip(9)}) as files:
        said = refusal(tmp_path, [{"prompt": "p", "video": f"{files.url}/a.mp4"}])
        assert said.endswith("is no https URL, and without an archive there is no file.")
        assert files.requests == []
