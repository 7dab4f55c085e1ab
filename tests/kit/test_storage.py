import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from moto.server import ThreadedMotoServer

from burnish.kit import storage as storage_module
from burnish.kit.settings import Settings
from burnish.kit.storage import Corrupt, Storage
from tests.conftest import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 service of this test run with the bucket `burnish`; yields its endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
        server.start()
        endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        assert httpx2.put(f"{endpoint}/burnish", trust_env=False).status_code == 200
        yield endpoint
        server.stop()


@pytest.fixture(params=["files", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "files":
        return Storage(Settings(storage_url=f"file://{tmp_path}/storage"))
    prefix = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return Storage(Settings(storage_url=f"s3://burnish/{prefix}", storage_endpoint=request.getfixturevalue("s3")))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_bytes_files_and_streams_come_back(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"from a file")
    sources: dict[str, Any] = {"a/bytes": b"some bytes", "a/file": tmp_path / "source", "a/stream": pieces(b"in ", b"pieces")}
    for key, source in sources.items():
        await storage.put(key, source)
    assert [await storage.read(key) for key in sources] == [b"some bytes", b"from a file", b"in pieces"]
    assert await storage.list("a") == [("a/bytes", 10), ("a/file", 11), ("a/stream", 9)]


async def test_an_empty_file_is_a_file(storage: Storage) -> None:
    await storage.put("a/empty", b"")
    assert await storage.read("a/empty") == b""
    assert await storage.list("a") == [("a/empty", 0)]


async def test_a_file_of_several_chunks_comes_back(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "CHUNK", 5 * 2**20)
    content = random.Random(6).randbytes(12 * 2**20)
    (tmp_path / "source").write_bytes(content)
    await storage.put("a/large", tmp_path / "source")
    await storage.fetch("a/large", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == content


async def test_a_later_file_replaces_an_earlier_one(storage: Storage) -> None:
    await storage.put("a/b", b"first, and longer")
    await storage.put("a/b", b"second")
    assert await storage.read("a/b") == b"second"


async def test_a_stream_that_breaks_leaves_nothing(storage: Storage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2**20
        raise RuntimeError("the client went away")

    with pytest.raises(RuntimeError, match="the client went away"):
        await storage.put("a/b", broken())
    assert await storage.list("a") == []
    with pytest.raises(FileNotFoundError):
        await storage.read("a/b")


async def test_a_stream_that_breaks_leaves_the_earlier_file(storage: Storage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2**20
        raise RuntimeError("the client went away")

    await storage.put("a/b", b"whole")
    with pytest.raises(RuntimeError):
        await storage.put("a/b", broken())
    assert await storage.read("a/b") == b"whole"


async def test_what_is_not_there_is_said_to_be_missing(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await storage.read("a/missing")
    with pytest.raises(FileNotFoundError):
        await storage.fetch("a/missing", tmp_path / "target" / "file")
    assert list((tmp_path / "target").iterdir()) == []
    assert await storage.list("a") == []


async def test_folders_go_up_with_their_checksums_and_come_down(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    contents = {
        "config.json": b"{}",
        "deep/empty": b"",
        "deep/er/model-00001.safetensors": random.Random(3).randbytes(2 * storage_module.CHUNK + 5),
    }
    for name, content in contents.items():
        (source / name).write_bytes(content)
    stored = await storage.put_folder("acct/job/1/final", source)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    assert stored == (3, sum(map(len, contents.values())), sums)
    await storage.fetch_folder("acct/job/1/final", tmp_path / "target", checksums=stored.checksums)
    found = {
        path.relative_to(tmp_path / "target").as_posix(): path.read_bytes()
        for path in (tmp_path / "target").rglob("*")
        if path.is_file()
    }
    assert found == contents


async def test_other_bytes_do_not_pass_for_those_that_were_stored(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"first")
    (source / "b").write_bytes(b"second")
    checksums = (await storage.put_folder("acct/x", source)).checksums
    await storage.put("acct/x/b", b"sec0nd")
    with pytest.raises(Corrupt, match=r"^b is not what was stored"):
        await storage.fetch_folder("acct/x", tmp_path / "target", checksums=checksums)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["a"]
    with pytest.raises(Corrupt):
        assert [chunk async for chunk in storage.checked("acct/x/b", checksums["b"])]
    await storage.delete("acct/x/b")
    with pytest.raises(Corrupt, match=r"^b is not stored any more"):
        await storage.fetch_folder("acct/x", tmp_path / "target", checksums=checksums)


async def test_a_prefix_ends_at_a_slash(storage: Storage) -> None:
    for key in ("acct/job/1/file", "acct/job/10/file", "acct/job/1x"):
        await storage.put(key, b"x")
    assert await storage.list("acct/job/1") == [("acct/job/1/file", 1)]
    await storage.delete("acct/job/1")
    assert [key for key, _ in await storage.list("acct/job")] == ["acct/job/10/file", "acct/job/1x"]


async def test_a_single_file_is_deleted_and_nothing_twice(storage: Storage) -> None:
    await storage.put("a/b", b"x")
    await storage.put("a/bc", b"y")
    await storage.delete("a/b")
    await storage.delete("a/b")
    assert await storage.list("a") == [("a/bc", 1)]


async def test_parallel_fetches_of_one_file_each_find_it_whole(storage: Storage, tmp_path: Path) -> None:
    content = random.Random(7).randbytes(3 * 2**20)
    await storage.put("a/b", content)
    target = tmp_path / "target" / "file"
    await asyncio.gather(*(storage.fetch("a/b", target) for _ in range(6)))
    assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


async def test_local_files_are_closed_to_others(tmp_path: Path) -> None:
    Storage(Settings(storage_url=f"file://{tmp_path}/deep/storage"))
    assert (tmp_path / "deep" / "storage").stat().st_mode & 0o777 == 0o700


async def test_any_other_address_is_refused() -> None:
    with pytest.raises(ValueError, match="BURNISH_STORAGE_URL"):
        Storage(Settings(storage_url="gs://bucket"))
