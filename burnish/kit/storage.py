"""Files: a local folder or an object store, behind one set of verbs.

Keys are made of our own ids and never of names that a user gave. Every write is whole or absent: local files are renamed into
place, and an upload to an object store becomes visible when it is complete. Where the sha256 of a file is known, what is read
is held against it: other bytes never pass for those that were stored.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

from burnish.kit.settings import Settings

if TYPE_CHECKING:
    from obstore import GetOptions

CHUNK = 8 * 2**20
UPLOADS_AT_ONCE = 2


class Corrupt(OSError):
    """A file that is not any more what was stored under its key."""


class Stored(NamedTuple):
    """A folder that was stored: how many files and bytes it has, and the sha256 of each file by its path."""

    file_count: int
    size_bytes: int
    checksums: dict[str, str]


class Storage:
    """The installation's file store. Keys look like `{account}/{job}/{attempt}/{step}/model.safetensors`."""

    def __init__(self, settings: Settings) -> None:
        self._store = _open(settings)

    async def put(self, key: str, source: Path | bytes | AsyncIterator[bytes]) -> None:
        """Store a file, some bytes or a stream under `key`, replacing what is there."""
        await obstore.put_async(self._store, key, source, chunk_size=CHUNK, max_concurrency=UPLOADS_AT_ONCE)

    async def put_folder(self, prefix: str, folder: Path) -> Stored:
        """Store every file of a folder under `prefix/…`; the checksums are of the bytes that were sent."""
        files = await asyncio.to_thread(lambda: sorted(path for path in folder.rglob("*") if path.is_file()))
        checksums: dict[str, str] = {}
        size_bytes = 0
        for path in files:
            name = path.relative_to(folder).as_posix()
            size, checksums[name] = await self._put_hashed(f"{prefix}/{name}", path)
            size_bytes += size
        return Stored(len(files), size_bytes, checksums)

    async def _put_hashed(self, key: str, path: Path) -> tuple[int, str]:
        """Store a file; return the size and the sha256 of what was sent."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:

            def read() -> bytes:
                nonlocal size
                chunk = file.read(CHUNK)
                digest.update(chunk)
                size += len(chunk)
                return chunk

            async def chunks(chunk: bytes) -> AsyncIterator[bytes]:
                while chunk:
                    yield chunk
                    chunk = await asyncio.to_thread(read)

            first = await asyncio.to_thread(read)
            # What fits into one chunk is one request.
            await self.put(key, first if len(first) < CHUNK else chunks(first))
        return size, digest.hexdigest()

    async def stream(self, key: str, *, offset: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes, from an offset on that is within it and before `end`; FileNotFoundError where there is none."""
        try:
            options: GetOptions = {"range": {"offset": offset}} if offset else {}
            if end is not None:
                options = {"range": (offset, end)}
            result = await obstore.get_async(self._store, key, options=options)
        except (NotFoundError, FileNotFoundError):
            raise FileNotFoundError(key) from None
        async for chunk in result.stream(min_chunk_size=2**20):
            yield bytes(chunk)

    async def checked(self, key: str, sha256: str | None) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes; Corrupt at its end where they are others than those with this checksum. None checks nothing."""
        digest = hashlib.sha256()
        async for chunk in self.stream(key):
            if sha256 is not None:
                await asyncio.to_thread(digest.update, chunk)
            yield chunk
        if sha256 is not None and digest.hexdigest() != sha256:
            raise Corrupt(f"{PurePosixPath(key).name} is not what was stored: its sha256 is {digest.hexdigest()}, not {sha256}")

    async def read(self, key: str) -> bytes:
        """Return a small file whole; FileNotFoundError where there is none."""
        return b"".join([chunk async for chunk in self.stream(key)])

    async def fetch(self, key: str, target: Path, *, sha256: str | None = None) -> None:
        """Copy a file to this machine, renamed into place once it is whole; Corrupt where it has not the checksum given."""
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with draft.open("wb") as file:
                async for chunk in self.checked(key, sha256):
                    await asyncio.to_thread(file.write, chunk)
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)

    async def fetch_folder(self, prefix: str, folder: Path, *, checksums: Mapping[str, str] | None = None) -> None:
        """Copy every file under `prefix/` into a folder of this machine.

        With the checksums of the folder, Corrupt for a file that has another or is not there.
        """
        known, found = checksums or {}, set[str]()
        for key, _ in await self.list(prefix):
            name = PurePosixPath(key).relative_to(prefix).as_posix()
            await self.fetch(key, folder / name, sha256=known.get(name))
            found.add(name)
        if missing := sorted(known.keys() - found):
            raise Corrupt(f"{missing[0]} is not stored any more")

    async def size(self, key: str) -> int | None:
        """Return the size of a file in bytes, None where there is none."""
        try:
            return int((await obstore.head_async(self._store, key))["size"])
        except (NotFoundError, FileNotFoundError):
            return None

    async def list(self, prefix: str) -> list[tuple[str, int]]:
        """Return (key, size in bytes) of every file under `prefix/`, sorted."""
        found: list[tuple[str, int]] = []
        async for page in obstore.list(self._store, prefix=prefix + "/"):
            found.extend((str(item["path"]), int(item["size"])) for item in page)
        return sorted(found)

    async def delete(self, prefix: str) -> None:
        """Delete the file `prefix`, or every file under `prefix/`; nothing to delete is no error."""
        keys = [key for key, _ in await self.list(prefix)]
        try:
            # A folder that has been emptied is still there in a local one.
            await obstore.head_async(self._store, prefix)
            keys.append(prefix)
        except (NotFoundError, FileNotFoundError):
            pass
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except (NotFoundError, FileNotFoundError):
                continue


def _open(settings: Settings) -> ObjectStore:
    url = settings.storage
    if url.startswith("file://"):
        root = Path(url.removeprefix("file://"))
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(prefix=root)
    if not url.startswith("s3://"):
        raise ValueError(f"BURNISH_STORAGE_URL is s3://… or file:///…, not {url}")
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if settings.storage_endpoint:
        plain = settings.storage_endpoint.startswith("http://")
        return S3Store(bucket, prefix=prefix or None, endpoint=settings.storage_endpoint, client_options={"allow_http": plain})
    return S3Store(bucket, prefix=prefix or None)
