import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from burnish.kit import clock, crypto
from burnish.kit.crypto import Secrets, TokenExpired
from burnish.kit.keyring import Key, Keyring
from burnish.kit.settings import Settings


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets.load(Settings(home=tmp_path))


def test_one_secret_behind_either_prefix_has_one_hash(secrets: Secrets) -> None:
    secret = crypto.new_secret()
    hashes = {secrets.hash_key(crypto.bare_secret(prefix + secret) or "") for prefix in ("vk_", "lk_")}
    assert hashes == {secrets.hash_key(secret)}


def test_secrets_are_long_and_never_repeat() -> None:
    made = {crypto.new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert min(len(base64.urlsafe_b64decode(secret)) for secret in made) >= 20


def test_a_hash_depends_on_the_pepper(secrets: Secrets) -> None:
    other = Secrets(bytes(32), secrets.keyring)
    assert other.hash_key("x") != secrets.hash_key("x")


@pytest.mark.parametrize("key", ["", "sk_abc", "abc", "VK_abc", "vk_" + "a" * 254, "vk_\ud800", "vk_ä", " vk_abc"])
def test_what_cannot_be_a_key_has_no_secret(key: str) -> None:
    assert crypto.bare_secret(key) is None


def test_a_key_of_256_bytes_is_still_looked_at() -> None:
    assert crypto.bare_secret("vk_" + "a" * 253) == "a" * 253


def test_a_secret_is_decrypted_only_for_its_row_and_its_key(secrets: Secrets) -> None:
    sealed = secrets.encrypt("hf_tökén", "int_1")
    assert secrets.decrypt(sealed, "int_1") == "hf_tökén"
    with pytest.raises(ValueError, match="another row or another key"):
        secrets.decrypt(sealed, "int_2")
    with pytest.raises(ValueError, match="another row or another key"):
        Secrets(secrets.pepper, Keyring([Key(os.urandom(32))])).decrypt(sealed, "int_1")


def test_two_encryptions_of_one_secret_differ(secrets: Secrets) -> None:
    assert secrets.encrypt("x", "row") != secrets.encrypt("x", "row")


def test_every_changed_byte_of_a_sealed_secret_is_noticed(secrets: Secrets) -> None:
    head, _, text = secrets.encrypt("secret", "row").rpartition(":")
    raw = base64.b64decode(text)
    for index in range(len(raw)):
        changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        with pytest.raises(ValueError, match="another row or another key"):
            secrets.decrypt(f"{head}:{base64.b64encode(changed).decode()}", "row")


def test_what_was_sealed_before_keys_had_ids_still_opens(secrets: Secrets) -> None:
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(secrets.keyring.current.value).encrypt(nonce, b"hf_token", b"row")
    assert secrets.decrypt(base64.b64encode(sealed).decode(), "row") == "hf_token"


def test_a_sealed_value_says_its_format_and_its_key(secrets: Secrets) -> None:
    assert secrets.encrypt("x", "row").startswith(f"1:{secrets.keyring.current.id}:")
    assert len(secrets.keyring.current.id) == 8
    with pytest.raises(ValueError, match="another row or another key"):
        secrets.decrypt(secrets.encrypt("x", "row").replace("1:", "2:", 1), "row")


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "ä"])
def test_what_was_never_sealed_is_refused(secrets: Secrets, sealed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        secrets.decrypt(sealed, "row")


def test_a_token_carries_its_claims_until_it_expires(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now_micros()
    token = secrets.sign({"job": "job_1"}, 60)
    assert secrets.verify(token)["job"] == "job_1"
    monkeypatch.setattr(clock, "now_micros", lambda: start + 59_000_000)
    assert secrets.verify(token)["job"] == "job_1"
    monkeypatch.setattr(clock, "now_micros", lambda: start + 62_000_000)
    with pytest.raises(TokenExpired):
        secrets.verify(token)


def test_a_token_fits_into_a_url(secrets: Secrets) -> None:
    token = secrets.sign({"job": "ä/+?" * 20}, 60)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_changed_or_foreign_token_is_refused(secrets: Secrets) -> None:
    body, signature = secrets.sign({"job": "job_1"}, 60).split(".")
    forged, _ = secrets.sign({"job": "job_2"}, 60).split(".")
    foreign = Secrets(secrets.pepper, Keyring([Key(os.urandom(32))])).sign({"job": "job_1"}, 60)
    for token in (f"{forged}.{signature}", f"{body}.{signature[:-2]}AA", foreign, f"{body}.", f".{signature}"):
        with pytest.raises(ValueError, match="not signed here"):
            secrets.verify(token)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "ä.ö", "a.b"])
def test_a_malformed_token_is_refused(secrets: Secrets, token: str) -> None:
    with pytest.raises(ValueError, match=r"malformed|not signed here"):
        secrets.verify(token)


def test_keys_are_made_once_in_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    first = Secrets.load(Settings(home=tmp_path))
    again = Secrets.load(Settings(home=tmp_path))
    assert (again.pepper, again.keyring.keys) == (first.pepper, first.keyring.keys)
    assert first.pepper != first.keyring.current.value
    files = sorted((tmp_path / "secrets").iterdir())
    assert [file.name for file in files] == ["encryption", "pepper"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_processes_that_start_together_agree_on_the_keys(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from burnish.kit.crypto import Secrets; from burnish.kit.settings import Settings\n"
        "settings = Settings(home=Path(sys.argv[1])); print('ready', flush=True); sys.stdin.readline()\n"
        "made = Secrets.load(settings); print(made.pepper.hex(), made.keyring.current.value.hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = {child.communicate(timeout=60)[0] for child in children}
    assert len(answers) == 1
    assert sorted(path.name for path in (tmp_path / "secrets").iterdir()) == ["encryption", "pepper"]


def test_configured_keys_win_and_leave_no_files(tmp_path: Path) -> None:
    made = Secrets.load(Settings(home=tmp_path, pepper="ab" * 32, encryption_key="cd" * 32))
    assert (made.pepper, made.keyring.keys) == (b"\xab" * 32, [Key(b"\xcd" * 32)])
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("key", ["zz" * 32, "ab" * 31, "ab" * 33, "abc"])
def test_a_wrong_key_is_refused_without_showing_it(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits") as caught:
        Secrets.load(Settings(home=tmp_path, pepper=key))
    assert key not in str(caught.value)


def test_the_keys_are_not_shown(secrets: Secrets) -> None:
    assert repr(secrets) == "Secrets()"
