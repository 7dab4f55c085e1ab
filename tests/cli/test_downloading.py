"""`burnish jobs download`: whole, verified, and gone on with where it broke off."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from burnish.cli import fetching, patience
from burnish.cli.exits import ERROR, USAGE, CliError
from burnish.kit import clock
from burnish.kit.storage import Storage
from tests.cli.conftest import Commands
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
LARGE = things.MERGED["model.safetensors"]
SUMS = {path: hashlib.sha256(content).hexdigest() for path, content in things.ADAPTED.items()}


@pytest.fixture
async def job_id(server: Server) -> str:
    async with server.client() as client:
        return str((await things.trained_adapter(server, client))["id"])


def found(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """Yield what each file was asked for from which byte on."""
    asked: list[tuple[str, int]] = []
    stream = Storage.stream

    async def noted(self: Storage, key: str, *, offset: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        asked.append((key.rpartition("/")[2], offset))
        async for chunk in stream(self, key, offset=offset, end=end):
            yield chunk

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "stream", noted)
        yield asked


async def test_a_model_is_downloaded_into_a_folder_and_verified(burnish: Commands, job_id: str) -> None:
    told = await burnish("jobs", "download", job_id, "-o", "model")
    assert told.stderr.strip() == "Saved 5 files (1.3 MB) in model; 5 verified by their sha256."
    files = found(burnish.folder / "model")
    sums = files.pop("SHA256SUMS").decode()
    assert files == things.ADAPTED
    assert {line.split("  ")[1]: line.split("  ")[0] for line in sums.splitlines()} == SUMS


async def test_what_is_there_already_is_not_fetched_again(
    burnish: Commands, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await burnish("jobs", "download", job_id, "-o", "model")
    (burnish.folder / "model" / "config.json").unlink()
    with watched(monkeypatch) as asked:
        again = await burnish.json("jobs", "download", job_id, "-o", "model")
    size = sum(map(len, things.ADAPTED.values()))
    assert again == {"path": "model", "file_count": 5, "size_bytes": size, "fetched": 1, "verified": 5}
    assert asked == [("config.json", 0)]


async def test_a_file_is_gone_on_with_where_the_last_run_broke_off(
    burnish: Commands, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (burnish.folder / "model").mkdir()
    (burnish.folder / "model" / "model.safetensors.part").write_bytes(LARGE[:700_000])
    with watched(monkeypatch) as asked:
        await burnish("jobs", "download", job_id, "-o", "model", "--weights", "merged")
    assert ("model.safetensors", 700_000) in asked and ("model.safetensors", 0) not in asked
    files = found(burnish.folder / "model")
    assert files.pop("SHA256SUMS")
    assert files == things.MERGED


@pytest.mark.parametrize("left", [b"x" * 700_000, b"x" * len(LARGE), b"x" * (len(LARGE) + 1)])
async def test_what_is_left_of_another_file_is_not_gone_on_with(burnish: Commands, job_id: str, left: bytes) -> None:
    (burnish.folder / "model").mkdir()
    (burnish.folder / "model" / "model.safetensors.part").write_bytes(left)
    await burnish("jobs", "download", job_id, "-o", "model")
    files = found(burnish.folder / "model")
    assert files["model.safetensors"] == LARGE
    assert "model.safetensors.part" not in files


async def test_another_file_in_its_place_is_only_replaced_on_demand(burnish: Commands, job_id: str) -> None:
    (burnish.folder / "model").mkdir()
    (burnish.folder / "model" / "config.json").write_text("mine")
    refused = await burnish("jobs", "download", job_id, "-o", "model", code=USAGE)
    assert "--output: model/config.json is there already, and is another file." in refused.stderr
    assert (burnish.folder / "model" / "config.json").read_text() == "mine"
    await burnish("jobs", "download", job_id, "-o", "model", "--force")
    assert (burnish.folder / "model" / "config.json").read_bytes() == things.ADAPTED["config.json"]


async def test_a_file_that_is_not_what_was_stored_gets_no_name(burnish: Commands, job_id: str, server: Server) -> None:
    key = f"{server.tenant.account.id}/{job_id}/1/10/model.safetensors"
    await server.platform.core.storage.put(key, LARGE[:-1] + b"?")
    damaged = await burnish("jobs", "download", job_id, "-o", "model", code=ERROR)
    assert f"model.safetensors arrived damaged: its sha256 is not {SUMS['model.safetensors']}." in damaged.stderr
    assert not [path for path in found(burnish.folder / "model") if path.startswith("model.safetensors")]


async def test_the_adapter_alone_is_downloaded(burnish: Commands, job_id: str) -> None:
    await burnish("jobs", "download", job_id, "--weights", "adapter")
    assert found(burnish.folder / job_id).keys() == {*things.ADAPTER, "SHA256SUMS"}
    await burnish("jobs", "checkpoint", "download", job_id, "--weights", "adapter", "-o", "adapter.tar.gz")
    archive = things.unpacked((burnish.folder / "adapter.tar.gz").read_bytes())
    assert archive.keys() == {*things.ADAPTER, "SHA256SUMS"}
    wrong = await burnish("jobs", "download", job_id, "--weights", "all", "-o", "other", code=USAGE)
    assert "weights" in wrong.stderr


async def test_a_checkpoint_of_before_checksums_is_downloaded_by_its_sizes(burnish: Commands, server: Server) -> None:
    async with server.client() as client:
        old = await things.completed_job(server, client)
    folder = burnish.folder / "old"
    folder.mkdir()
    (folder / "model.safetensors.part").write_bytes(b"x" * 1000)
    told = await burnish("jobs", "download", old["id"], "-o", "old")
    assert "0 verified by their sha256.\nThe others were saved before checksums were kept" in told.stderr
    assert found(folder) == things.FILES


async def test_broken_connections_and_urls_past_their_time_cost_nothing(
    burnish: Commands, job_id: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the first file the time of all URLs is over; the stream of the large one breaks off in its middle."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)
    later = clock.now_micros() + (server.platform.core.settings.download_url_s + 1) * 1_000_000
    stream, asked = Storage.stream, list[int]()

    async def breaking(self: Storage, key: str, *, offset: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        monkeypatch.setattr(clock, "now_micros", lambda: later)
        async for chunk in stream(self, key, offset=offset, end=end):
            yield chunk[: 2**19]
            if key.endswith("/model.safetensors"):
                asked.append(offset)
                if len(asked) == 1:
                    raise OSError("the store is away")
            yield chunk[2**19 :]

    monkeypatch.setattr(Storage, "stream", breaking)
    told = await burnish("jobs", "download", job_id, "-o", "model", "--weights", "merged")
    broke, again, saved = told.stderr.strip().splitlines()
    assert broke.startswith(f"The connection to {server.url} broke: ") and broke.endswith("Trying again.")
    assert (again, saved[:22]) == ("Connected again; nothing was missed.", "Saved 3 files (1.3 MB)")
    assert asked == [0, 2**19]
    assert found(burnish.folder / "model")["model.safetensors"] == LARGE


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", ""])
async def test_no_name_leads_out_of_the_folder(
    burnish: Commands, job_id: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    file = {"path": path, "url": "http://127.0.0.1/x", "size_bytes": 1, "sha256": None}
    monkeypatch.setattr(fetching.Source, "listing", lambda source, cli: {"files": [file]})
    refused = await burnish("jobs", "download", job_id, "-o", "model", code=ERROR)
    assert "has no place in a folder" in refused.stderr
    assert not (burnish.folder / "model").exists() and not (burnish.folder / "evil").exists()


def packed(files: dict[str, bytes], sums: dict[str, str]) -> bytes:
    out = io.BytesIO()
    text = "".join(f"{sha256}  {path}\n" for path, sha256 in sums.items()).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, content in {**files, "SHA256SUMS": text}.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (packed({"a": b"1"}, {"a": hashlib.sha256(b"1").hexdigest()}), None),
        (packed({"a": b"1"}, {}), None),
        (packed({"a": b"2"}, {"a": hashlib.sha256(b"1").hexdigest()}), "a is not what was stored"),
        (packed({"a": b"1"}, {"b": hashlib.sha256(b"1").hexdigest()}), "b is not what was stored"),
        (packed(things.MERGED, {})[:2000], "The archive arrived damaged"),
        (b"no archive", "The archive arrived damaged"),
    ],
)
def test_an_archive_is_held_against_its_sums(tmp_path: Path, content: bytes, told: str | None) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    if told is None:
        fetching.check_archive(tmp_path / "a.tar.gz")
        return
    with pytest.raises(CliError, match=told):
        fetching.check_archive(tmp_path / "a.tar.gz")
