"""The jail holds an ordinary user's reward code as it holds root's: every escape attempt, with Landlock and without."""

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.rewards.test_jail_escapes import ATTEMPTS, REWARD

ROOT = Path(__file__).parents[3]


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can read, unlike pytest's own."""
    folder = Path("/tmp") / f"burnish-public-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="the whole suite already runs as an ordinary user")
def test_an_ordinary_user_can_jail_too(public_folder: Path) -> None:
    shutil.copytree(ROOT / "engines" / "rewards", public_folder / "engines" / "rewards")
    for name in ("__init__.py", "protocol.py"):
        shutil.copy(ROOT / "engines" / name, public_folder / "engines" / name)
    (public_folder / "reward.py").write_text(REWARD)
    code = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(public_folder)!r})
        from pathlib import Path
        from engines.rewards import landlock
        from engines.rewards.jail import Jail
        has_landlock = landlock.version()
        for landlock.version in (lambda: has_landlock, lambda: 0):
            with Jail(Path({str(public_folder / "reward.py")!r})) as jail:
                for attempt in {ATTEMPTS!r}:
                    attempt = attempt.replace("PARENT", str(os.getpid()))
                    scores = jail.score([""], [attempt], {{}})
                    assert scores.components == {{"refused": [1.0]}}, (attempt, scores)
        print("jailed as", os.getuid())
    """)
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")):
        with contextlib.suppress(PermissionError):
            done = subprocess.run(
                [str(python), "-B", "-c", code], user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True
            )
            assert (done.stdout, done.stderr) == ("jailed as 65534\n", "")
            return
    pytest.skip("no Python here that an ordinary user can run")
