import subprocess
import sys
from pathlib import Path

import pytest

from models import migrations
from models.migrations import check

UPGRADE = (
    "import sys; from models import migrations; print('ready', flush=True); sys.stdin.readline(); migrations.upgrade(sys.argv[1])"
)


def together(url: str) -> list[int]:
    """Upgrade a database from four processes at once; return their exit codes."""
    command = [sys.executable, "-c", UPGRADE, url]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    return [process.returncode for process in processes]


def test_processes_that_start_together_migrate_sqlite_once(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/burnish.db"
    assert together(url) == [0, 0, 0, 0]
    check.check(url)


def test_processes_that_start_together_migrate_postgres_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with check.postgres() as url:
        assert together(url) == [0, 0, 0, 0]
        check.check(url)


def test_an_upgrade_of_what_is_newest_changes_nothing(migrated: Path, tmp_path: Path) -> None:
    copy = tmp_path / "burnish.db"
    copy.write_bytes(migrated.read_bytes())
    migrations.upgrade(f"sqlite+aiosqlite:///{copy}")
    assert copy.read_bytes() == migrated.read_bytes()
