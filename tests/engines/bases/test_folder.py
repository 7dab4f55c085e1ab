"""Model folders appear whole or not at all."""

from pathlib import Path

import pytest

from engines.bases.folder import filled_at_once


def test_the_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with filled_at_once(tmp_path / "made" / "model") as folder:
        (folder / "config.json").write_text("{}")
        assert not (tmp_path / "made" / "model").exists()
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["model"]
    assert (tmp_path / "made" / "model" / "config.json").read_text() == "{}"


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"), filled_at_once(tmp_path / "model") as folder:
        fail_half_way(folder)
    assert list(tmp_path.iterdir()) == []


def fail_half_way(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    raise OSError("disk full")


def test_the_faster_of_two_makers_wins(tmp_path: Path) -> None:
    with filled_at_once(tmp_path / "model") as slow:
        (slow / "maker").write_text("slow")
        with filled_at_once(tmp_path / "model") as fast:
            (fast / "maker").write_text("fast")
    assert (tmp_path / "model" / "maker").read_text() == "fast"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
