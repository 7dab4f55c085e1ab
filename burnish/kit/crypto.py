"""API key secrets, encryption at rest and signed tokens.

Two separate keys: the pepper keys the hashes of API keys, the encryption key seals stored secrets and signs tokens. Neither is
ever in the database. The encryption key can be changed (`burnish secrets rotate`), the pepper cannot.

A sealed value is `1:<key id>:<base64 of nonce and ciphertext>`, AES-256-GCM with the row's id as associated data. Values of
before keys had ids are the base64 alone, and are opened by whichever key fits.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from burnish.kit import clock
from burnish.kit.keyring import Key, Keyring, read_or_make
from burnish.kit.settings import Settings

KEY_PREFIXES = ("vk_", "lk_")
MAX_KEY_BYTES = 256
VERSION = "1"


class TokenExpired(ValueError):
    """The token was signed here, and its time is over."""


class Secrets:
    """The keys of an installation; never shown by `repr`."""

    def __init__(self, pepper: bytes, keyring: Keyring) -> None:
        self.pepper = pepper
        self.keyring = keyring

    def __repr__(self) -> str:
        return "Secrets()"

    @classmethod
    def load(cls, settings: Settings) -> "Secrets":
        """Read the keys from the settings or from files under `home`, which are made on the first start."""
        folder = settings.home / "secrets"
        pepper = Key.read(settings.pepper, "the setting") if settings.pepper else _pepper_of(folder / "pepper")
        configured = settings.encryption_key
        keyring = Keyring.of_setting(configured) if configured else Keyring.of_file(folder / "encryption")
        return cls(pepper.value, keyring)

    def hash_key(self, secret: str) -> str:
        """Return the keyed hash of an API key's secret, taken without its prefix."""
        return hmac.digest(self.pepper, secret.encode(), "sha256").hex()

    def hash_token(self, use: str, token: str) -> str:
        """Return the keyed hash of a secret that is good for one `use`, and for no other: it is the hash of no API key either."""
        return hmac.new(self.pepper, f"{use}\0{token}".encode(errors="surrogatepass"), hashlib.sha256).hexdigest()

    def encrypt(self, plain: str, row_id: str) -> str:
        """Seal a secret for the row `row_id` with the current key; it can be opened for no other."""
        key, nonce = self.keyring.current, os.urandom(12)
        sealed = nonce + AESGCM(key.value).encrypt(nonce, plain.encode(), row_id.encode())
        return f"{sealed_by(key.id)}{base64.b64encode(sealed).decode()}"

    def decrypt(self, sealed: str, row_id: str) -> str:
        """Return the secret; ValueError where it was not sealed for this row with a key that is there."""
        *head, text = sealed.split(":")
        raw = base64.b64decode(text, validate=True)
        for key in self._openers(head):
            try:
                return AESGCM(key.value).decrypt(raw[:12], raw[12:], row_id.encode()).decode()
            except InvalidTag:
                continue
        raise ValueError("this secret belongs to another row or another key")

    def _openers(self, head: list[str]) -> list[Key]:
        if not head:
            return self.keyring.keys
        version, key_id = head if len(head) == 2 else ("", "")
        found = self.keyring.find(key_id) if version == VERSION else None
        return [] if found is None else [found]

    def sign(self, claims: dict[str, Any], lifetime_s: int) -> str:
        """Return a URL-safe token that carries `claims` for `lifetime_s` seconds."""
        body = json.dumps({**claims, "exp": clock.now_micros() // 1_000_000 + lifetime_s}, separators=(",", ":")).encode()
        return f"{_b64(body)}.{_b64(_signature(self.keyring.current, body))}"

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token; TokenExpired past its time, ValueError where it was not signed here."""
        try:
            body, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
        except (ValueError, binascii.Error):
            raise ValueError("a malformed token") from None
        # Also with the keys of before: a change of keys ends no URL before its time.
        if not any(hmac.compare_digest(signature, _signature(key, body)) for key in self.keyring.keys):
            raise ValueError("a token that was not signed here")
        claims: dict[str, Any] = json.loads(body)
        if claims["exp"] < clock.now_micros() // 1_000_000:
            raise TokenExpired("the token has expired")
        return claims


def new_secret() -> str:
    """Return the secret part of an API key: 192 random bits."""
    return secrets.token_urlsafe(24)


def bare_secret(key: str) -> str | None:
    """Return a key's secret without its prefix, or None where the text cannot be a key."""
    if len(key) > MAX_KEY_BYTES or not key.isascii():
        return None
    return next((key.removeprefix(prefix) for prefix in KEY_PREFIXES if key.startswith(prefix)), None)


def sealed_by(key_id: str) -> str:
    """Return how every value begins that the key sealed."""
    return f"{VERSION}:{key_id}:"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(key: Key, body: bytes) -> bytes:
    return hmac.new(key.value, b"signed-token:" + body, hashlib.sha256).digest()


def _pepper_of(path: Path) -> Key:
    return Key.read(read_or_make(path), str(path))
