"""Where the cache of models has a repository's files: found without asking the hub, and without the libraries that fill it."""

from pathlib import Path

PUBLIC = "public"


def snapshot(cache: Path, repo: str, sign: str) -> Path | None:
    """Return the folder of the repository's newest files that are here and have the file `sign`, None where there are none.

    Only what was fetched without a token is looked at: what a token could read is told to nobody else.
    """
    folders = (cache / PUBLIC / f"models--{repo.replace('/', '--')}" / "snapshots").glob(f"*/{sign}")
    return max((path.parent for path in folders), key=lambda folder: folder.stat().st_mtime, default=None)
