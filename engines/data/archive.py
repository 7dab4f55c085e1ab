"""Archives of video rows: `metadata.jsonl` in the root, and the clips that it names.

Every clip that a row names is looked into. Nothing of an archive is written under a name of its own: a member's name is data,
checked and hashed. Links, devices, names that lead out and archives that unpack to too much are refused as a whole.
"""

import hashlib
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from engines.data import rules
from engines.data.clip_counts import Clip, ClipCounts
from engines.data.rules import Problem
from engines.data.unpack import PIECE, Budget, TooLarge, Unusable

METADATA = "metadata.jsonl"
MAX_MEMBERS = 100_000
MAX_NAME = 1024
# Headers that tarfile reads whole, whatever size they say they have.
MAX_HEADER_BYTES = 2**20
SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".gif", ".png", ".jpg", ".jpeg", ".webp")
Member = tuple[str, IO[bytes]]
# Looks into an unpacked clip; Problem where it cannot be used.
Probe = Callable[[Path], Clip]


def media_name(path: str) -> str:
    """Return what a clip that rows call `path` is called in the storage, below the dataset's `media_prefix`."""
    suffix = PurePosixPath(path).suffix.lower()
    return hashlib.sha256(str(PurePosixPath(path)).encode()).hexdigest()[:32] + (suffix if suffix in SUFFIXES else "")


class Media:
    """The unpacked clips in `folder`. Called with each row and its line: its clip must be among them and be one, or be an https
    URL. What the clips are is counted; each is looked into once, however many rows name it.
    """

    def __init__(self, folder: Path, probe: Probe) -> None:
        self.folder = folder
        self.names: set[str] = set()
        self.counts = ClipCounts()
        self._probe = probe
        self._used: dict[str, Clip | Problem] = {}

    def __call__(self, row: dict[str, Any], line: int) -> None:
        path = rules.video_of(row)
        if path is None:
            raise Problem(f"no clip: a row of an archive has one of {', '.join(rules.VIDEO_KEYS)}")
        if path.startswith("https://"):
            return
        if str(PurePosixPath(path)) not in self.names:
            raise Problem(f"'{path[:MAX_NAME]}' is not in the archive")
        clip = self._clip(media_name(path))
        if isinstance(clip, Problem):
            raise Problem(f"'{path[:MAX_NAME]}' {clip}")
        self.counts.take(clip, line)

    def _clip(self, name: str) -> Clip | Problem:
        if name not in self._used:
            try:
                self._used[name] = self._probe(self.folder / name)
            except Problem as problem:
                self._used[name] = problem
        return self._used[name]

    def keep_used(self) -> int:
        """Delete the clips that no row names; return how many are left."""
        for file in self.folder.iterdir():
            if file.name not in self._used:
                file.unlink()
        return len(self._used)


def unpack_tar(stream: BinaryIO, folder: Path, probe: Probe) -> Media:
    """Unpack a tar that comes as a stream, whose own bytes are counted already."""
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as tar:
            return _unpack(_tar_members(tar), folder, probe, None)
    except (tarfile.TarError, EOFError, UnicodeError, ValueError):
        raise Unusable("it is not a whole tar archive") from None


def unpack_zip(path: Path, folder: Path, probe: Probe, budget: Budget) -> Media:
    budget.took(path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > budget.most:
                raise TooLarge(f"it unpacks to more than {budget.most} bytes")
            return _unpack(_zip_members(archive), folder, probe, budget)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeError, ValueError):
        raise Unusable("it is not a whole zip archive") from None


class _Member(tarfile.TarInfo):
    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.size > MAX_HEADER_BYTES and not self.isreg():
            raise Unusable("its headers are too long")
        return super()._proc_member(tar)  # type: ignore[misc]


def _tar_members(tar: tarfile.TarFile) -> Iterator[Member]:
    for count, member in enumerate(tar, 1):
        # Streamed, an archive needs none of the members behind; tarfile would keep them all.
        tar.members = []  # type: ignore[attr-defined]
        _check_count(count)
        name = _checked(member.name)
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            raise Unusable(f"'{name}' is a link, a device or a sparse file")
        opened = tar.extractfile(member)
        assert opened is not None
        yield name, opened


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for count, member in enumerate(archive.infolist(), 1):
        _check_count(count)
        name = _checked(member.filename)
        if member.is_dir():
            continue
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise Unusable(f"'{name}' is a link or a device")
        if member.flag_bits & 1:
            raise Unusable(f"'{name}' is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unusable(f"'{name}' is compressed in a way that is not read here; zip archives use deflate")
        with archive.open(member) as opened:
            yield name, opened


def _check_count(count: int) -> None:
    if count > MAX_MEMBERS:
        raise Unusable(f"it has more than {MAX_MEMBERS} members")


def _checked(name: str) -> str:
    """Return a member's name as rows write it; Unusable where it leads out of the archive."""
    shown = name[:MAX_NAME]
    if len(name) > MAX_NAME or "\\" in name or "\x00" in name:
        raise Unusable(f"'{shown}' is not a name that is taken here")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise Unusable(f"'{shown}' leads out of the archive")
    return str(path)


def _unpack(members: Iterator[Member], folder: Path, probe: Probe, budget: Budget | None) -> Media:
    media = Media(folder / "media", probe)
    media.folder.mkdir()
    for name, opened in members:
        if name in media.names:
            raise Unusable(f"'{name}' is in it twice")
        media.names.add(name)
        target = folder / METADATA if name == METADATA else media.folder / media_name(name)
        with target.open("wb") as file:
            while data := opened.read(PIECE):
                if budget is not None:
                    budget.gave(len(data))
                file.write(data)
    if METADATA not in media.names:
        raise Unusable(f"its root has no {METADATA}")
    media.names.discard(METADATA)
    return media
