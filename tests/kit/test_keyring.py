"""Keys that change while processes run: one file, its current key first, and everybody who looks sees the same."""

import os
import stat
from pathlib import Path

import pytest

from burnish.kit.crypto import Secrets
from burnish.kit.keyring import Busy, Key, Keyring
from burnish.kit.settings import Settings

OLD, NEW = Key(b"o" * 32), Key(b"n" * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "encryption"


def test_a_new_key_is_taken_by_who_runs_already(file: Path) -> None:
    running, changing = Keyring.of_file(file), Keyring.of_file(file)
    old = running.current
    made = changing.add()
    assert running.current == changing.current == made != old
    assert [key.id for key in running.keys] == [made.id, old.id]
    assert running.keys[1].retired_s is not None
    changing.drop({old.id, made.id})
    assert running.keys == [made]


def test_a_process_seals_and_opens_with_the_key_that_another_made(tmp_path: Path) -> None:
    one, other = (Secrets.load(Settings(home=tmp_path)) for _ in range(2))
    before, token = one.encrypt("hf_token", "row"), one.sign({"job": "job_1"}, 60)
    other.keyring.add()
    after = other.encrypt("hf_token", "row")
    assert before.split(":")[1] != after.split(":")[1]
    for secrets in (one, other):
        assert secrets.decrypt(before, "row") == secrets.decrypt(after, "row") == "hf_token"
        assert secrets.verify(token)["job"] == secrets.verify(other.sign({"job": "job_1"}, 60))["job"] == "job_1"
        assert secrets.encrypt("x", "row").split(":")[1] == after.split(":")[1]


def test_the_file_is_only_the_owners_and_no_draft_is_left(file: Path) -> None:
    ring = Keyring.of_file(file)
    with ring.changing():
        ring.add()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == [".encryption.lock", "encryption"]


def test_a_change_that_is_cut_off_leaves_the_old_file_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Keyring.of_file(file)
    before = file.read_text()

    def cut(*args: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(OSError, match="full"):
        ring.add()
    assert file.read_text() == before
    assert len(ring.keys) == 1


def test_only_one_changes_the_keys_at_a_time(file: Path) -> None:
    one, other = Keyring.of_file(file), Keyring.of_file(file)
    with one.changing():
        with pytest.raises(Busy):
            with other.changing():
                pass
    with other.changing():
        pass


def test_a_file_that_is_away_takes_no_key_from_who_has_it(file: Path) -> None:
    ring = Keyring.of_file(file)
    current = ring.current
    file.unlink()
    assert ring.current == current


def test_keys_of_the_setting_are_several_with_the_current_first() -> None:
    ring = Keyring.of_setting(f"{NEW.value.hex()}, {OLD.value.hex()}")
    assert ring.keys == [NEW, OLD]
    with ring.changing():
        with pytest.raises(TypeError, match="where it is set"):
            ring.add()


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31, f"{'ab' * 32} soon", f"{'ab' * 32},"])
def test_a_wrong_key_is_refused_without_showing_it(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text.replace(",", "\nx"))
    with pytest.raises(ValueError, match="64 hexadecimal digits") as caught:
        Keyring.of_file(file)
    assert "abab" not in str(caught.value)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Keyring.of_setting(text)


def test_nothing_shows_a_key() -> None:
    assert OLD.value.hex() not in repr(OLD) and "oooo" not in repr(OLD)
    assert "ab" * 32 not in repr(Settings(encryption_key="ab" * 32, pepper="ab" * 32))
