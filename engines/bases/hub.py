"""Fetches a base model from a Hugging Face hub: the revision pinned to a commit, safetensors only, cached.

The hub is the one that `HF_ENDPOINT` names. What one token could read is never served to a caller without it: each token has a
cache of its own. No torch here.
"""

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils.tqdm import disable_progress_bars

from engines.protocol import ChildFailure

# One request may take this long, and the whole look-up, name resolution included, no longer than the second.
REQUEST_TIMEOUT_S = 5.0
LOOKUP_TIMEOUT_S = 8.0
PROGRESS_INTERVAL_S = 5.0

WEIGHTS = "*.safetensors"
WANTED = (WEIGHTS, "*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
COMMIT = re.compile(r"[0-9a-f]{40}")

OnLog = Callable[[str], object]


@dataclass(frozen=True)
class Layout:
    """Which files of a repository are a model. `sign` is the one without which it is no whole one."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    sign: str

    def takes(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self.wanted) and not any(
            fnmatch(name, pattern) for pattern in self.unwanted
        )


# Sub-folders hold other formats of the same weights, and consolidated files the same weights once more.
MODEL = Layout(WANTED, ("*/*", "consolidated*"), "config.json")
PIPELINE_FOLDERS = ("scheduler", "text_encoder", "tokenizer", "transformer", "vae")
# A pipeline of diffusers is one folder for each part; variants in another precision are the same weights once more.
PIPELINE = Layout(
    ("model_index.json", *(f"{folder}/{pattern}" for folder in PIPELINE_FOLDERS for pattern in WANTED)),
    ("*/*/*", "*.fp16.*", "*.bf16.*"),
    "model_index.json",
)


class HubUnreachable(Exception):
    """No answer came from the hub in time."""


def fetch(
    repo: str,
    revision: str | None,
    token: str | None,
    cache_dir: Path | str,
    on_log: OnLog,
    *,
    weights: bool = True,
    layout: Layout = MODEL,
) -> tuple[str, str]:
    """Return the folder of the repository's files and the commit they are from; `revision` null is the main branch.

    Without `weights` only the rest is fetched, which is what a tokenizer needs: into a `cache_dir` of its own, or a model there
    would look whole.

    A hub that cannot be reached is answered from the cache where it has the revision whole. Everything else that goes wrong is
    `ChildFailure("model_unavailable")`, within ten seconds where nothing has been downloaded yet.
    """
    cache = Path(cache_dir) / _realm(token)
    try:
        info = _look_up(repo, revision, token)
    except HubUnreachable as error:
        return _from_cache(repo, revision, cache, error, on_log, weights, layout)
    files = _wanted_files(repo, info, weights, layout)
    sha = str(info.sha)
    size = sum(files.values())
    on_log(f"fetching {repo} at commit {sha}: {len(files)} files, {size / 1e6:.1f} MB")
    with _progress(cache, size, on_log):
        path = _download(repo, sha, token, cache, weights, layout)
    if COMMIT.fullmatch(revision or "") is None:
        _remember(cache, repo, revision, sha)
    return path, sha


def _realm(token: str | None) -> str:
    return "public" if token is None else "token-" + hashlib.sha256(token.encode()).hexdigest()[:16]


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _look_up(repo: str, revision: str | None, token: str | None) -> ModelInfo:
    """Ask the hub once, within `LOOKUP_TIMEOUT_S`: the client's own timeouts leave out the resolution of its name."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(_model_info, repo, revision, token).result(LOOKUP_TIMEOUT_S)
    except TimeoutError as error:
        raise HubUnreachable(f"no answer within {LOOKUP_TIMEOUT_S:.0f} s") from error
    finally:
        pool.shutdown(wait=False)


def _model_info(repo: str, revision: str | None, token: str | None) -> ModelInfo:
    # `False` rather than None: None would send the token of whoever runs this machine.
    api = HfApi(endpoint=_endpoint(), token=token or False)
    try:
        return api.model_info(repo, revision=revision, files_metadata=True, timeout=REQUEST_TIMEOUT_S)
    except HfHubHTTPError as error:
        raise _refusal(repo, revision, error) from error
    except (HFValidationError, ValueError) as error:
        raise _unavailable(repo, f"is not a repository's name or gives no valid answer: {error}") from error
    except (httpx2.HTTPError, OfflineModeIsEnabled, OSError) as error:
        raise HubUnreachable(f"{type(error).__name__}: {error}") from error


def _refusal(repo: str, revision: str | None, error: HfHubHTTPError) -> Exception:
    if isinstance(error, GatedRepoError):
        return _unavailable(repo, "is gated: it needs a token whose owner has been granted access")
    if isinstance(error, RevisionNotFoundError):
        return _unavailable(repo, f"has no revision {revision!r}")
    if isinstance(error, RepositoryNotFoundError):
        return _unavailable(repo, "does not exist on the hub, or is private and needs a token")
    status = error.response.status_code
    return HubUnreachable(f"HTTP {status}") if status >= 500 else _unavailable(repo, f"was refused by the hub: HTTP {status}")


def _unavailable(repo: str, why: str, attribution: str = "user") -> ChildFailure:
    return ChildFailure("model_unavailable", f"The model {repo} {why}.", attribution)


def _wanted_files(repo: str, info: ModelInfo, weights: bool, layout: Layout) -> dict[str, int]:
    """Return name and size of each file to fetch; refuse a repository that holds no model in safetensors."""
    names = [file.rfilename for file in info.siblings or []]
    files = {file.rfilename: file.size or 0 for file in info.siblings or [] if layout.takes(file.rfilename)}
    if not weights:
        return {name: size for name, size in files.items() if not fnmatch(name, WEIGHTS)}
    if layout is PIPELINE and layout.sign not in files:
        raise _unavailable(repo, f"has no {layout.sign}, so it is not a pipeline of diffusers")
    if not any(fnmatch(name, WEIGHTS) for name in files):
        pickled = [name for name in names if any(fnmatch(name, pattern) for pattern in PICKLED)]
        other = f"only {pickled[0]}, and pickled weights can run code" if pickled else "no weights at all"
        raise _unavailable(repo, f"has no safetensors weights ({other})")
    if layout.sign not in files:
        raise _unavailable(repo, f"has no {layout.sign}, so it is not a whole model")
    return files


def _download(repo: str, sha: str, token: str | None, cache: Path, weights: bool, layout: Layout, *, local: bool = False) -> str:
    disable_progress_bars()  # They would be lines of the user's log; `_progress` writes fewer.
    try:
        return snapshot_download(
            repo,
            revision=sha,
            cache_dir=cache,
            token=token or False,
            endpoint=_endpoint(),
            etag_timeout=REQUEST_TIMEOUT_S,
            allow_patterns=list(layout.wanted),
            ignore_patterns=[*layout.unwanted, *([] if weights else [WEIGHTS])],
            local_files_only=local,
        )
    except (httpx2.HTTPError, EntryNotFoundError, OSError) as error:
        raise _unavailable(repo, f"could not be downloaded: {error}", "platform") from error


def _from_cache(
    repo: str, revision: str | None, cache: Path, why: HubUnreachable, on_log: OnLog, weights: bool, layout: Layout
) -> tuple[str, str]:
    sha = revision if COMMIT.fullmatch(revision or "") else _recalled(cache, repo, revision)
    failure = _unavailable(repo, f"cannot be fetched: the hub is not reachable ({why})", "platform")
    if sha is None:
        raise failure
    try:
        path = _download(repo, sha, None, cache, weights, layout, local=True)
    except ChildFailure:
        raise failure from why
    on_log(f"the hub is not reachable ({why}); going on with {repo} at commit {sha} from the cache")
    return path, sha


def _pin_file(cache: Path, repo: str, revision: str | None) -> Path:
    return cache / "pins" / hashlib.sha256(f"{repo}@{revision or 'main'}".encode()).hexdigest()


def _remember(cache: Path, repo: str, revision: str | None, sha: str) -> None:
    pin = _pin_file(cache, repo, revision)
    pin.parent.mkdir(parents=True, exist_ok=True)
    temporary = pin.with_suffix(f".{os.getpid()}")
    temporary.write_text(sha)
    temporary.replace(pin)


def _recalled(cache: Path, repo: str, revision: str | None) -> str | None:
    pin = _pin_file(cache, repo, revision)
    return pin.read_text() if pin.is_file() else None


@contextmanager
def _progress(cache: Path, expected_bytes: int, on_log: OnLog) -> Iterator[None]:
    """Log how far the download is, every few seconds while the block runs."""
    done = threading.Event()
    before = _size(cache)
    started = time.monotonic()

    def watch() -> None:
        while not done.wait(PROGRESS_INTERVAL_S):
            fetched, elapsed_s = _size(cache) - before, time.monotonic() - started
            on_log(f"fetched {fetched / 1e6:.0f} of {expected_bytes / 1e6:.0f} MB in {elapsed_s:.0f} s")

    watcher = threading.Thread(target=watch, name="download-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _size(folder: Path) -> int:
    """Return the bytes under a folder; files may come and go meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() or not path.is_file() else path.stat().st_size
        except FileNotFoundError:
            continue
    return total
