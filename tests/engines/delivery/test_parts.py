"""The parts of a model that are given away, and the archive that is made of them while it is sent."""

import hashlib
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from burnish.kit import clock
from burnish.kit.settings import Settings
from burnish.kit.storage import CHUNK, Corrupt, Storage
from engines.delivery import archive, bucket, parts
from engines.delivery.parts import Weights
from models.job import Checkpoint

pytestmark = pytest.mark.anyio
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 9000, "deep/er/empty": b"", "deep/" + "n" * 120: b"long"}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(Settings(storage_url=f"file://{tmp_path}/storage"))


async def stored(storage: Storage, files: dict[str, bytes], **values: Any) -> Checkpoint:
    for path, content in files.items():
        await storage.put(f"acct/job/1/final/{path}", content)
    checksums = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    given: dict[str, Any] = {"storage_prefix": "acct/job/1/final", "file_count": len(files), "size_bytes": 1, **values}
    return Checkpoint(
        id="ckpt", job_id="job", account_id="acct", attempt=1, step=1, created_at=clock.now(), **{"checksums": checksums, **given}
    )


async def saved(stream: AsyncIterator[bytes], path: Path) -> int:
    with path.open("wb") as file:
        async for chunk in stream:
            file.write(chunk)
    return path.stat().st_size


async def test_an_archive_is_what_tar_and_sha256sum_take_it_for(storage: Storage, tmp_path: Path) -> None:
    found = await parts.find(storage, await stored(storage, FILES))
    size = await saved(archive.pack(storage, found, 1_700_000_000), tmp_path / "model.tar.gz")
    assert size <= archive.most_bytes(found)
    (tmp_path / "out").mkdir()
    await anyio.run_process(["tar", "-xzf", "../model.tar.gz"], cwd=tmp_path / "out")
    checked = await anyio.run_process(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "out")
    assert checked.stdout.decode().splitlines() == [f"{path}: OK" for path in sorted(FILES)]
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime == 1_700_000_000


async def test_an_archive_of_files_without_checksums_has_no_sums(storage: Storage, tmp_path: Path) -> None:
    found = await parts.find(storage, await stored(storage, FILES, checksums=None))
    await saved(archive.pack(storage, found, 0), tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert tar.getnames() == sorted(FILES)


@pytest.mark.parametrize("content", [b"x" * (256 * 9000), b"short"])
async def test_an_archive_breaks_off_where_a_file_is_not_what_was_stored(
    storage: Storage, tmp_path: Path, content: bytes
) -> None:
    found = await parts.find(storage, await stored(storage, FILES))
    await storage.put("acct/job/1/final/model.safetensors", content)
    with pytest.raises(Corrupt, match=r"^model\.safetensors is not what was stored"):
        await saved(archive.pack(storage, found, 0), tmp_path / "model.tar.gz")


async def test_an_archive_that_does_not_compress_is_no_larger_than_foreseen(storage: Storage, tmp_path: Path) -> None:
    noise = hashlib.shake_256(b"noise").digest(5 * 2**20)
    found = await parts.find(storage, await stored(storage, {"a": noise, **{f"n{index}": b"" for index in range(200)}}))
    assert 5 * 2**20 < await saved(archive.pack(storage, found, 0), tmp_path / "a.tar.gz") <= archive.most_bytes(found)


@pytest.mark.parametrize(
    ("weights", "given"),
    [
        ("merged", {"config.json": "config.json", "model.safetensors": "model.safetensors"}),
        ("adapter", {"adapter/a.json": "a.json", "adapter/deep/b": "deep/b"}),
        ("both", None),
        (None, None),
    ],
)
async def test_the_adapter_alone_comes_without_its_folder(
    storage: Storage, weights: Weights | None, given: dict[str, str] | None
) -> None:
    names = ("adapter/a.json", "adapter/deep/b", "config.json", "model.safetensors")
    checkpoint = await stored(storage, {name: name.encode() for name in names})
    found = await parts.find(storage, checkpoint, weights)
    assert {part.stored: part.path for part in found} == (given or {name: name for name in names})
    assert all(part.sha256 == hashlib.sha256(part.stored.encode()).hexdigest() for part in found)


async def test_a_file_that_is_gone_is_missed(storage: Storage) -> None:
    checkpoint = await stored(storage, FILES)
    await storage.delete("acct/job/1/final/config.json")
    with pytest.raises(Corrupt, match=r"^config\.json is not stored any more"):
        await parts.find(storage, checkpoint)
    await storage.delete("acct/job/1/final")
    with pytest.raises(FileNotFoundError):
        await parts.find(storage, checkpoint)


@pytest.mark.parametrize(
    ("size_bytes", "chunk"), [(0, CHUNK), (CHUNK * 10_000, CHUNK), (CHUNK * 10_000 + 1, CHUNK + 1), (3 * 10**11, 3 * 10**7)]
)
def test_an_upload_never_has_more_parts_than_s3_takes(size_bytes: int, chunk: int) -> None:
    assert bucket.chunk_bytes(size_bytes) == chunk
    assert -(-size_bytes // chunk) <= bucket.PARTS_MAX
