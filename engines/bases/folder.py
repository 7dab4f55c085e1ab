"""Model folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def filled_at_once(destination: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `destination` that takes its place when the block ends well.

    Where another process was faster its folder stays and ours is dropped; after an error nothing is left behind.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _move(temporary, destination)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move(source: Path, destination: Path) -> None:
    try:
        os.rename(source, destination)
    except OSError:
        # A rename onto a folder that has files fails, and no such folder is ever half filled.
        if not destination.is_dir():
            raise
