"""The keys that seal secrets at rest: the current one, and those of before that something still needs.

They come from the setting, or from a file of this machine that every use looks at: a process that runs while the key is changed
takes the new one without being told. A key goes by an id, a part of its hash, so that what is sealed can say which one opens it.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from burnish.kit import clock

KEY_BYTES = 32
ID_LENGTH = 8


class Busy(Exception):
    """Another process is changing the keys."""


@dataclass(frozen=True)
class Key:
    """32 bytes. `retired_s` is when another took its place, in seconds since the epoch; None for the current one, and for those
    of the setting.
    """

    value: bytes = field(repr=False)
    retired_s: int | None = None

    @property
    def id(self) -> str:
        return hashlib.sha256(b"burnish-key-id:" + self.value).hexdigest()[:ID_LENGTH]

    @classmethod
    def read(cls, text: str, source: str) -> "Key":
        """Read `<64 hexadecimal digits> [<retired_s>]`; ValueError, which does not show it, for anything else."""
        digits, _, retired = text.strip().partition(" ")
        try:
            value = bytes.fromhex(digits)
            retired_s = int(retired) if retired else None
        except ValueError:
            value, retired_s = b"", None
        if len(value) != KEY_BYTES:
            raise ValueError(f"a key is 64 hexadecimal digits: {source}")
        return cls(value, retired_s)


class Keyring:
    """The keys of one source, the current one first."""

    def __init__(self, keys: list[Key], path: Path | None = None) -> None:
        self.path = path
        self._keys = keys
        self._seen = _stamp(path)

    @classmethod
    def of_setting(cls, configured: str) -> "Keyring":
        return cls([Key.read(part, "the setting") for part in configured.split(",")])

    @classmethod
    def of_file(cls, path: Path) -> "Keyring":
        """Read the file's keys; the first is made where there is no file."""
        read_or_make(path)
        # The stamp is older than what is read: a change in between is seen with the next use.
        ring = cls([], path)
        ring._keys = _read(path)
        return ring

    @property
    def keys(self) -> list[Key]:
        if self.path is not None:
            stamp = _stamp(self.path)
            # A file that is away for a moment takes no key from a process that has it.
            if stamp is not None and stamp != self._seen:
                self._keys, self._seen = _read(self.path), stamp
        return self._keys

    @property
    def current(self) -> Key:
        return self.keys[0]

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.id == key_id), None)

    def add(self) -> Key:
        """Make a key and put it first. Only where the keys are in a file, under `changing`."""
        now_s = clock.now_micros() // 1_000_000
        made = Key(secrets.token_bytes(KEY_BYTES))
        first, *older = self.keys
        self._write([made, replace(first, retired_s=now_s), *older])
        return made

    def drop(self, key_ids: set[str]) -> None:
        """Forget keys for good, never the current one. Only where the keys are in a file, under `changing`."""
        first, *older = self.keys
        self._write([first, *(key for key in older if key.id not in key_ids)])

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else change the file meanwhile; Busy where somebody does."""
        if self.path is None:
            yield
            return
        descriptor = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            yield
        finally:
            os.close(descriptor)

    def _write(self, keys: list[Key]) -> None:
        if self.path is None:
            raise TypeError("keys of a setting are changed where it is set")
        lines = [key.value.hex() + (f" {key.retired_s}" if key.retired_s is not None else "") for key in keys]
        draft = _draft(self.path, "\n".join(lines))
        draft.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            # What is sealed next needs the new key: its name is on the disk before that.
            os.fsync(folder)
        finally:
            os.close(folder)
        self._keys, self._seen = keys, _stamp(self.path)


def read_or_make(path: Path) -> str:
    """Return what the file holds; a fresh key where there is none, written with mode 600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked into place, so that two processes that start together agree on one key, and never read half of it.
    if not path.exists():
        draft = _draft(path, secrets.token_hex(KEY_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def _read(path: Path) -> list[Key]:
    return [Key.read(line, str(path)) for line in path.read_text().split("\n") if line.strip()] or [Key.read("", str(path))]


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
