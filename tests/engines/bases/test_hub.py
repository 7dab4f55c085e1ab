"""Fetching a base model: the real client against a hub in this process."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from engines.bases import hub
from engines.protocol import ChildFailure
from tests.engines.bases.stub_hub import COMMIT, Hub, serving

MODEL = {
    "config.json": b'{"model_type": "qwen3"}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "merges.txt": b"a b",
    "README.md": b"# a model",
    "pytorch_model.bin": b"the same weights, pickled",
    "modeling_evil.py": b"import os",
    "consolidated.safetensors": b"the same weights",
    "onnx/config.json": b"{}",
}
WANTED = {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "merges.txt"}

PIPELINE = {
    "model_index.json": b"{}",
    "scheduler/scheduler_config.json": b"{}",
    "text_encoder/model.safetensors": b"t5",
    "tokenizer/spiece.model": b"pieces",
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": b"weights",
    "vae/diffusion_pytorch_model.safetensors": b"vae",
}
BESIDE_PIPELINE = {
    "transformer/diffusion_pytorch_model.fp16.safetensors": b"the same weights",
    "transformer/old/config.json": b"{}",
    "vae/diffusion_pytorch_model.bin": b"the same weights, pickled",
    "feature_extractor/config.json": b"{}",
    "model.safetensors": b"another format",
}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    repos = {"acme/tiny": MODEL, "acme/pickled": {"config.json": b"{}", "pytorch_model.bin": b"x"}, "acme/bare": {"a.md": b"x"}}
    repos["acme/clips"] = PIPELINE | BESIDE_PIPELINE
    with serving(Hub(repos)) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield served


def failure_of(repo: str, cache: Path, revision: str | None = None, token: str | None = None) -> ChildFailure:
    """Return the failure of a fetch; it comes within ten seconds and leaves no model in the cache."""
    started = time.monotonic()
    with pytest.raises(ChildFailure) as caught:
        hub.fetch(repo, revision, token, cache, print)
    assert time.monotonic() - started < 10
    assert caught.value.code == "model_unavailable" and repo in caught.value.message
    assert list(cache.rglob("*.safetensors")) == []
    return caught.value


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_the_revision_is_pinned_and_only_model_files_are_fetched(stub: Hub, tmp_path: Path, revision: str | None) -> None:
    lines: list[str] = []
    path, sha = hub.fetch("acme/tiny", revision, None, tmp_path, lines.append)

    assert sha == COMMIT
    assert {file.name: file.read_bytes() for file in Path(path).iterdir()} == {name: MODEL[name] for name in WANTED}
    assert set(stub.downloads()) == WANTED
    assert all(f"/resolve/{COMMIT}/" in request for request in stub.requests if "/resolve/" in request)
    assert lines == [f"fetching acme/tiny at commit {COMMIT}: 5 files, 0.0 MB"]


def test_a_second_fetch_is_answered_from_the_cache(stub: Hub, tmp_path: Path) -> None:
    first = hub.fetch("acme/tiny", None, None, tmp_path, print)
    stub.requests.clear()
    assert hub.fetch("acme/tiny", None, None, tmp_path, print) == first
    assert stub.downloads() == []


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_hub_that_is_down_is_replaced_by_the_cache(stub: Hub, tmp_path: Path, revision: str | None) -> None:
    first = hub.fetch("acme/tiny", revision, None, tmp_path, print)
    stub.status = 503
    lines: list[str] = []
    assert hub.fetch("acme/tiny", revision, None, tmp_path, lines.append) == first
    assert lines == [f"the hub is not reachable (HTTP 503); going on with acme/tiny at commit {COMMIT} from the cache"]


def test_what_a_token_could_read_is_not_served_without_it(stub: Hub, tmp_path: Path) -> None:
    stub.token = "hf_owner"
    path, _ = hub.fetch("acme/tiny", None, "hf_owner", tmp_path, print)
    assert "hf_owner" not in path

    with pytest.raises(ChildFailure, match="is gated"):
        hub.fetch("acme/tiny", None, None, tmp_path, print)
    stub.status = 503
    with pytest.raises(ChildFailure, match="not reachable"):
        hub.fetch("acme/tiny", None, None, tmp_path, print)


def test_a_missing_repository_is_unavailable(stub: Hub, tmp_path: Path) -> None:
    failure = failure_of("acme/none", tmp_path)
    assert failure.message == "The model acme/none does not exist on the hub, or is private and needs a token."
    assert failure.attribution == "user"


def test_a_missing_revision_is_unavailable(stub: Hub, tmp_path: Path) -> None:
    assert failure_of("acme/tiny", tmp_path, "v9").message == "The model acme/tiny has no revision 'v9'."


def test_pickled_weights_are_refused_before_any_download(stub: Hub, tmp_path: Path) -> None:
    assert failure_of("acme/pickled", tmp_path).message == (
        "The model acme/pickled has no safetensors weights (only pytorch_model.bin, and pickled weights can run code)."
    )
    assert failure_of("acme/bare", tmp_path).message == "The model acme/bare has no safetensors weights (no weights at all)."
    assert stub.downloads() == []


def test_an_unreachable_hub_fails_fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        failure = failure_of("acme/tiny", tmp_path)
    assert "the hub is not reachable (ConnectError" in failure.message and failure.attribution == "platform"


def test_a_hub_that_never_answers_fails_fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "REQUEST_TIMEOUT_S", 0.3)
        failure = failure_of("acme/tiny", tmp_path)
    assert "the hub is not reachable (ReadTimeout" in failure.message


def test_of_a_pipeline_the_folders_of_its_parts_are_fetched(stub: Hub, tmp_path: Path) -> None:
    path, sha = hub.fetch("acme/clips", None, None, tmp_path, print, layout=hub.PIPELINE)
    files = [file for file in Path(path).rglob("*") if file.is_file()]
    assert sha == COMMIT
    assert {file.relative_to(path).as_posix(): file.read_bytes() for file in files} == PIPELINE


def test_what_is_no_pipeline_is_refused_as_one(stub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ChildFailure) as caught:
        hub.fetch("acme/tiny", None, None, tmp_path, print, layout=hub.PIPELINE)
    assert caught.value.code == "model_unavailable"
    assert caught.value.message == "The model acme/tiny has no model_index.json, so it is not a pipeline of diffusers."
    assert stub.downloads() == []
