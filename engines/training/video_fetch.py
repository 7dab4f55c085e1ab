"""Clips that rows name by their URL, brought here through the guard of tenants' addresses, before the network is closed."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from burnish.kit import network
from engines.data import rules, tunnel
from engines.data.remote import HttpFile
from engines.data.source import SourceError

AT_ONCE = 4
MAX_CLIP_BYTES = 2**31
MAX_TOTAL_BYTES = 2**36
MAX_CLIP_S = 1800.0

OnFetched = Callable[[int], None]


class NotFetched(Exception):
    """Why a clip could not be had; its text is for the user."""


class Budget:
    """How much all clips of a job may be, so that a dataset cannot fill the host's disk."""

    def __init__(self, most: int = MAX_TOTAL_BYTES) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        with self._lock:
            self._left -= count
            is_spent = self._left < 0
        if is_spent:
            raise NotFetched("is one too many: the clips of the dataset are too large together")


def fetch(urls: Sequence[str], folder: Path, open_networks: str, on_fetched: OnFetched) -> dict[str, Path | NotFetched]:
    """Return for each URL its file, or why there is none. `on_fetched` hears how many have been tried."""
    folder.mkdir(exist_ok=True)
    guard, budget = network.Guard(network.networks(open_networks)), Budget()
    found: dict[str, Path | NotFetched] = {}

    def one(url: str) -> Path | NotFetched:
        try:
            rules.check_url(url)
            return _one(url, folder, guard, budget)
        except rules.Problem as problem:
            return NotFetched(str(problem))
        except NotFetched as problem:
            return problem

    with ThreadPoolExecutor(AT_ONCE, "clips") as pool:
        for url, result in zip(urls, pool.map(one, urls), strict=True):
            found[url] = result
            on_fetched(len(found))
    return found


def _one(url: str, folder: Path, guard: network.Guard, budget: Budget) -> Path:
    path = folder / hashlib.sha256(url.encode()).hexdigest()[:32]
    size, started = 0, time.monotonic()
    # A tunnel for each: it remembers why a connection was refused, and others go on at the same time.
    with tunnel.opened(guard) as opened:
        try:
            with path.open("wb") as file:
                for piece in HttpFile(opened, url).stream():
                    size += len(piece)
                    if size > MAX_CLIP_BYTES:
                        raise NotFetched(f"is larger than {MAX_CLIP_BYTES / 2**30:.0f} GiB")
                    if time.monotonic() - started > MAX_CLIP_S:
                        raise NotFetched(f"did not come within {MAX_CLIP_S / 60:.0f} minutes")
                    budget.take(len(piece))
                    file.write(piece)
        except SourceError as error:
            raise NotFetched(f"was not fetched: {error.message.removesuffix('.')}") from None
    return path
