import contextlib
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.rewards.jail import Jail

MakeJail = Callable[..., Jail]


@pytest.fixture
def make_jail(tmp_path: Path) -> Iterator[MakeJail]:
    """Write a reward file and jail it; the jails of a test are closed at its end."""
    with contextlib.ExitStack() as stack:

        def make(source: str, **options: object) -> Jail:
            path = tmp_path / "reward.py"
            path.write_text(textwrap.dedent(source))
            jail = Jail(path, **options)  # type: ignore[arg-type]
            stack.callback(jail.close)
            return jail

        yield make
