"""Pairs of SSH keys, with OpenSSH's own `ssh-keygen` as the judge of what they are where it is there."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from burnish.kit import ssh
from burnish.kit.errors import Invalid

KEYGEN = shutil.which("ssh-keygen")
Made = tuple[str, str]


def pair(key: ssh.PrivateKey, form: PrivateFormat = PrivateFormat.OpenSSH, passphrase: bytes | None = None) -> Made:
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return public, key.private_bytes(Encoding.PEM, form, locked).decode()


def refused(public: str, private: str, param: str) -> str:
    with pytest.raises(Invalid) as caught:
        ssh.read_pair(public, private)
    assert (caught.value.code, caught.value.param) == ("invalid_ssh_key", param)
    return caught.value.message


@pytest.mark.parametrize(
    "make",
    [
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(65537, 2048),
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
    ],
)
@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_every_kind_in_every_form_is_read(make: Callable[[], ssh.PrivateKey], form: PrivateFormat) -> None:
    key = make()
    if isinstance(key, ed25519.Ed25519PrivateKey) and form is PrivateFormat.TraditionalOpenSSL:
        pytest.skip("there is no such form")
    public, private = pair(key, form)
    found = ssh.read_pair(f"  {public} me@laptop with a comment\n", private.replace("\n", "\r\n"))
    assert (found.public_key, found.private_key) == (public, private)
    assert found.fingerprint.startswith("SHA256:") and "=" not in found.fingerprint
    assert "PRIVATE" not in repr(found)


@pytest.mark.skipif(KEYGEN is None, reason="ssh-keygen is not there")
@pytest.mark.parametrize(
    "arguments",
    [("ed25519",), ("rsa", "-b", "2048"), ("ecdsa", "-b", "384"), ("rsa", "-b", "3072", "-m", "PEM"), ("ecdsa", "-m", "PKCS8")],
)
def test_what_ssh_keygen_makes_is_read_and_has_its_fingerprint(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "id"
    subprocess.run([str(KEYGEN), "-q", "-N", "", "-f", str(file), "-C", "me@here", "-t", *arguments], check=True)
    printed = subprocess.run([str(KEYGEN), "-lf", f"{file}.pub"], check=True, capture_output=True, text=True).stdout
    found = ssh.read_pair(Path(f"{file}.pub").read_text(), file.read_text())
    assert found.fingerprint == printed.split()[1]


def test_two_halves_of_different_pairs_are_refused() -> None:
    one, other = (pair(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
    assert "does not belong" in refused(one[0], other[1], "private_key")
    assert "does not belong" in refused(pair(rsa.generate_private_key(65537, 2048))[0], other[1], "private_key")


@pytest.mark.skipif(KEYGEN is None, reason="ssh-keygen is not there")
def test_a_file_of_ssh_keygen_with_a_passphrase_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "id"
    subprocess.run([str(KEYGEN), "-q", "-N", "correct horse", "-f", str(file), "-t", "ed25519"], check=True)
    assert "passphrase" in refused(Path(f"{file}.pub").read_text(), file.read_text(), "private_key")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_with_a_passphrase_is_refused_with_the_way_out(form: PrivateFormat) -> None:
    public, private = pair(rsa.generate_private_key(65537, 2048), form, b"correct horse")
    assert "passphrase" in refused(public, private, "private_key")


def test_weak_and_outdated_kinds_are_refused() -> None:
    public, private = pair(rsa.generate_private_key(65537, 1024))
    assert "2048 to 8192 bits; this one has 1024" in refused(public, private, "private_key")
    old = dsa.generate_private_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert "not taken" in refused(pair(ed25519.Ed25519PrivateKey.generate())[0], old, "private_key")


def test_what_is_no_key_is_refused_without_showing_it() -> None:
    public, private = pair(ed25519.Ed25519PrivateKey.generate())
    for wrong in ("", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-foo AAAA", f"{public}\n{public}", private, "ssh-ed25519 ☃"):
        refused(wrong, private, "public_key")
    body = private.splitlines()[1]
    for wrong in (
        "",
        "CANARY",
        private.replace(body, "CANARY"),
        private[: len(private) // 2],
        public,
        private.replace("OPENSSH", "X"),
    ):
        assert "CANARY" not in refused(public, wrong, "private_key")
        assert body not in refused(public, wrong, "private_key")


def test_a_certificate_is_no_key() -> None:
    _, private = pair(ed25519.Ed25519PrivateKey.generate())
    refused("ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t", private, "public_key")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1()])
def test_a_curve_that_ssh_does_not_have_is_refused(curve: ec.EllipticCurve, form: PrivateFormat) -> None:
    private = ec.generate_private_key(curve).private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    assert "not taken" in refused(pair(ed25519.Ed25519PrivateKey.generate())[0], private, "private_key")


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_reading_a_large_key_does_not_stop_everything_else(form: PrivateFormat) -> None:
    # Whoever checks the factors of such a key for being prime holds the interpreter for seconds.
    public, private = pair(rsa.generate_private_key(65537, 6144), form)
    began = time.thread_time()
    assert ssh.read_pair(public, private).public_key == public
    assert time.thread_time() - began < 0.3


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("wrong", ["d", "dmp1", "dmq1", "iqmp"])
def test_a_damaged_rsa_key_is_refused(wrong: str, form: PrivateFormat) -> None:
    sound = rsa.generate_private_key(65537, 2048)
    numbers = sound.private_numbers()
    parts = {name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    parts[wrong] -= 2
    damaged = rsa.RSAPrivateNumbers(**parts, public_numbers=numbers.public_numbers).private_key(
        unsafe_skip_rsa_key_validation=True
    )
    refused(pair(sound)[0], pair(damaged, form)[1], "private_key")
