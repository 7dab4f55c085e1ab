"""Packed files and archives: what is in them becomes rows, and what they are made to do does not happen."""

import gzip
import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import zstandard

from engines.data import archive, intake, unpack
from engines.data.clip_counts import Clip
from engines.data.intake import Taken
from engines.data.rules import Problem
from engines.data.unpack import TooLarge, Unusable

ROWS = b'{"prompt": "1+1", "answer": "2"}\n{"prompt": "2+2", "answer": "4"}\n'
VIDEO_ROWS = b'{"prompt": "a cat", "video": "clips/cat.mp4"}\n{"caption": "a dog", "file_name": "./dog.mp4"}\n'
CLIPS = {"clips/cat.mp4": b"cat", "dog.mp4": b"dog", "unused.mp4": b"unused"}
MOST = 10_000_000
GZIPPED = gzip.compress(ROWS, mtime=0)


def take(content: bytes, folder: Path, most: int = MOST) -> Taken:
    path = folder / "upload"
    path.write_bytes(content)
    (folder / "out").mkdir()
    return intake.take(path, folder / "out", most, 1_000_000, looked)


def looked(path: Path) -> Clip:
    """Stand in for the decoder, which what these archives hold is too little for."""
    return Clip(len(path.read_bytes()), Fraction(8), 64, 48)


def zipped(files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], object] = lambda info: None) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            change(info)
            made.writestr(info, content)
    return held.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz", change: Callable[[tarfile.TarInfo], object] = lambda info: None) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            made.addfile(info, io.BytesIO(content))
    return held.getvalue()


@pytest.mark.parametrize(
    "packed",
    [
        ROWS,
        gzip.compress(ROWS),
        gzip.compress(ROWS[:33]) + gzip.compress(ROWS[33:]) + b"\0" * 100,
        zstandard.compress(ROWS),
        zstandard.compress(ROWS[:33]) + zstandard.compress(ROWS[33:]),
    ],
    ids=range(5),
)
def test_rows_are_the_same_however_they_are_packed(tmp_path: Path, packed: bytes) -> None:
    taken = take(packed, tmp_path)
    assert taken.rows.read_bytes() == ROWS
    assert (taken.report.num_rows, taken.report.problems, taken.media) == (2, [], None)


def test_problems_of_packed_rows_have_their_lines(tmp_path: Path) -> None:
    assert take(gzip.compress(ROWS + b"x\n"), tmp_path).report.problems[0]["line"] == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GZIPPED[:-9], "its gzip data ends too early"),
        (GZIPPED[:10] + b"\x07" * 40, "it is not whole gzip data"),
        (zstandard.compress(ROWS)[:8] + b"\xff" * 40, "it is not whole zstd data"),
        (zstandard.compress(ROWS)[:-2], "its zstd data ends too early"),
        (b"PK\x03\x04 no zip", "it is not a whole zip archive"),
        (tarred({"a": b"x"}), "its root has no metadata.jsonl"),
        (zipped({"sub/metadata.jsonl": VIDEO_ROWS}), "its root has no metadata.jsonl"),
    ],
    ids=range(7),
)
def test_what_is_broken_is_refused_as_a_whole(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(Unusable) as caught:
        take(content, tmp_path)
    assert str(caught.value) == message


@pytest.mark.parametrize("pack", [lambda data: gzip.compress(data, 1), zstandard.compress])
def test_a_bomb_is_stopped_by_the_size_that_comes_out(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(TooLarge, match=r"it unpacks to more than 10000000 bytes"):
        take(pack(b" " * (MOST + 1)), tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= MOST


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_within_the_size_is_stopped_by_its_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(unpack, "RATIO_FROM", 1_000_000)
    with pytest.raises(Unusable, match="it unpacks to more than 500 times its size"):
        take(pack(b" " * 9_000_000), tmp_path)


@pytest.mark.parametrize("pack", [zipped, tarred, lambda files: tarred(files, "w")])
def test_an_archive_gives_its_rows_and_the_clips_that_they_name(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    taken = take(
        pack({"./" + name if name == "dog.mp4" else name: data for name, data in CLIPS.items()} | {"metadata.jsonl": VIDEO_ROWS}),
        tmp_path,
    )
    assert taken.report.problems == [] and taken.report.num_rows == taken.report.video_rows == 2
    assert taken.report.methods["sft_video_gen"] == {"rows": 2, "problems": []}
    assert taken.report.clips is not None and taken.report.clips["lengths"] == [[3, "8", 2, [1, 2]]]
    assert taken.rows.read_bytes() == VIDEO_ROWS
    assert taken.media is not None
    assert {path.name: path.read_bytes() for path in taken.media.iterdir()} == {
        archive.media_name("clips/cat.mp4"): b"cat",
        archive.media_name("./dog.mp4"): b"dog",
    }


def test_a_clip_is_looked_into_once_and_what_is_wrong_with_it_is_told_of_each_line(tmp_path: Path) -> None:
    asked: list[str] = []

    def look(path: Path) -> Clip:
        asked.append(path.name)
        raise Problem("is damaged")

    (tmp_path / "upload").write_bytes(zipped({"metadata.jsonl": VIDEO_ROWS + VIDEO_ROWS, **CLIPS}))
    (tmp_path / "out").mkdir()
    report = intake.take(tmp_path / "upload", tmp_path / "out", MOST, 1_000_000, look).report
    assert report.problems == [
        {"line": 1, "message": "'clips/cat.mp4' is damaged"},
        {"line": 2, "message": "'./dog.mp4' is damaged"},
        {"line": 3, "message": "'clips/cat.mp4' is damaged"},
        {"line": 4, "message": "'./dog.mp4' is damaged"},
    ]
    assert asked == [archive.media_name("clips/cat.mp4"), archive.media_name("dog.mp4")]


def test_a_clip_that_is_not_there_is_told_by_line(tmp_path: Path) -> None:
    rows = (
        VIDEO_ROWS
        + b'{"prompt": "x", "video": "../../etc/passwd"}\n{"prompt": "y"}\n{"prompt": "z", "video": "https://a.b/c.mp4"}\n'
    )
    report = take(zipped({"metadata.jsonl": rows, **CLIPS}), tmp_path).report
    assert report.problems == [
        {"line": 3, "message": "'../../etc/passwd' is not in the archive"},
        {"line": 4, "message": "no clip: a row of an archive has one of video, video_path, file_name"},
    ]


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "C:/x", "a\\..\\b", "a" * 1025])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_out_is_refused_and_writes_nothing(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes], name: str
) -> None:
    with pytest.raises(Unusable):
        take(pack({"metadata.jsonl": VIDEO_ROWS, name: b"x"}), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "upload"]
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"media", "metadata.jsonl"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    def change(info: tarfile.TarInfo) -> None:
        if info.name == "cat.mp4":
            info.type, info.linkname = kind, "/etc/passwd"

    with pytest.raises(Unusable, match=r"'cat\.mp4' is a link, a device or a sparse file"):
        take(tarred({"metadata.jsonl": VIDEO_ROWS, "cat.mp4": b""}, change=change), tmp_path)


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        if info.filename == "cat.mp4":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

    with pytest.raises(Unusable, match=r"'cat\.mp4' is a link or a device"):
        take(zipped({"metadata.jsonl": VIDEO_ROWS, "cat.mp4": b"/etc/passwd"}, change), tmp_path)


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        take(zipped({"metadata.jsonl": VIDEO_ROWS, **{f"{number}.mp4": b"\0" * 2_000_000 for number in range(6)}}), tmp_path)


def test_a_zip_that_lies_about_its_sizes_is_not_unpacked(tmp_path: Path) -> None:
    made = zipped({"metadata.jsonl": VIDEO_ROWS, "big.mp4": b"\0" * 3_000_000})
    lying = made.replace((3_000_000).to_bytes(4, "little"), (3).to_bytes(4, "little"))
    with pytest.raises(Unusable):
        take(lying, tmp_path, most=1_000_000)


def test_archives_with_too_many_members_or_one_twice_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    files = {"metadata.jsonl": VIDEO_ROWS, **{f"{number}.mp4": b"" for number in range(3)}}
    packs: list[Callable[[dict[str, bytes]], bytes]] = [zipped, tarred]
    for number, pack in enumerate(packs):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(Unusable, match="it has more than 3 members"):
            take(pack(files), folder)
    twice = tarred({"a.mp4": b"1", "./a.mp4": b"2", "metadata.jsonl": VIDEO_ROWS})
    with pytest.raises(Unusable, match=r"'a\.mp4' is in it twice"):
        take(twice, tmp_path)


def test_a_tar_whose_header_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**31
    made = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096)
    with pytest.raises(Unusable):
        take(made, tmp_path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    made = bytearray(zipped({"metadata.jsonl": VIDEO_ROWS}))
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(sign) + offset] |= 1
    with pytest.raises(Unusable, match="encrypted"):
        take(bytes(made), tmp_path)


def test_what_is_made_of_an_archive_can_be_told_as_json(tmp_path: Path) -> None:
    json.dumps(take(zipped({"metadata.jsonl": VIDEO_ROWS, **CLIPS}), tmp_path).report.statistics)
