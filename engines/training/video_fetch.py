"""Clips that rows name by their URL, brought to this machine through the guard of tenants' addresses, before the network is closed."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from burnish.kit import network
from engines.data import tunnel
from engines.data.remote import HttpFile
from engines.data.source import SourceError

AT_ONCE = 4
MAX_CLIP_BYTES = 2**31
MAX_TOTAL_BYTES = 2**36

OnFetched = Callable[[int], None]


class NotFetched(Exception):
    """Why a clip could not be had; its text is for the user."""


class Budget:
    """How much all clips of a job may be, so that a dataset cannot fill the host's disk."""

    def __init__(self, most: int = MAX_TOTAL_BYTES) -> None:
        self._left = most

    def take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise NotFetched("the clips of the dataset are too large together")


def fetch(urls: Sequence[str], folder: Path, open_networks: str, on_fetched: OnFetched) -> dict[str, Path | NotFetched]:
    """Return for each URL its file, or why there is none. `on_fetched` hears how many have been tried."""
    folder.mkdir(exist_ok=True)
    guard, budget = network.Guard(network.networks(open_networks)), Budget()
    found: dict[str, Path | NotFetched] = {}

    def one(url: str) -> Path | NotFetched:
        try:
            return _one(url, folder, guard, budget)
        except NotFetched as problem:
            return problem

    with ThreadPoolExecutor(AT_ONCE, "clips") as pool:
        for url, result in zip(urls, pool.map(one, urls), strict=True):
            found[url] = result
            on_fetched(len(found))
    return found


def _one(url: str, folder: Path, guard: network.Guard, budget: Budget) -> Path:
    path = folder / hashlib.sha256(url.encode()).hexdigest()[:32]
    size = 0
    # A tunnel for each: it remembers why a connection was refused, and others go on at the same time.
    with tunnel.opened(guard) as opened:
        try:
            with path.open("wb") as file:
                for piece in HttpFile(opened, url).stream():
                    size += len(piece)
                    if size > MAX_CLIP_BYTES:
                        raise NotFetched(f"it is larger than {MAX_CLIP_BYTES / 2**30:.0f} GiB")
                    budget.take(len(piece))
                    file.write(piece)
        except SourceError as error:
            raise NotFetched(error.message.removesuffix(".")) from None
    return path
