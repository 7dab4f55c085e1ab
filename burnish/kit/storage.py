"""Files: a local folder or an object store, behind one set of verbs.

Keys are made of our own ids and never of names that a user gave. Every write is whole or absent: local files are renamed into
place, and an upload to an object store becomes visible when it is complete.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

from burnish.kit.settings import Settings

if TYPE_CHECKING:
    from obstore import GetOptions

CHUNK = 8 * 2**20
UPLOADS_AT_ONCE = 2


class Storage:
    """The installation's file store. Keys look like `{account}/{job}/{attempt}/{step}/model.safetensors`."""

    def __init__(self, settings: Settings) -> None:
        self._store = _open(settings)

    async def put(self, key: str, source: Path | bytes | AsyncIterator[bytes]) -> None:
        """Store a file, some bytes or a stream under `key`, replacing what is there."""
        await obstore.put_async(self._store, key, source, chunk_size=CHUNK, max_concurrency=UPLOADS_AT_ONCE)

    async def put_folder(self, prefix: str, folder: Path) -> tuple[int, int]:
        """Store every file of a folder under `prefix/…`; return how many files and bytes they were."""
        files = await asyncio.to_thread(lambda: sorted(path for path in folder.rglob("*") if path.is_file()))
        for path in files:
            await self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path)
        return len(files), sum(path.stat().st_size for path in files)

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

    async def read(self, key: str) -> bytes:
        """Return a small file whole; FileNotFoundError where there is none."""
        return b"".join([chunk async for chunk in self.stream(key)])

    async def fetch(self, key: str, target: Path) -> None:
        """Copy a file to this machine, renamed into place once it is whole."""
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with draft.open("wb") as file:
                async for chunk in self.stream(key):
                    await asyncio.to_thread(file.write, chunk)
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)

    async def fetch_folder(self, prefix: str, folder: Path) -> None:
        """Copy every file under `prefix/` into a folder of this machine."""
        for key, _ in await self.list(prefix):
            await self.fetch(key, folder / PurePosixPath(key).relative_to(prefix))

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
