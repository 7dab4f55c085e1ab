"""API key secrets, encryption at rest and signed tokens.

Two separate keys: the pepper keys the hashes of API keys, the encryption key encrypts stored secrets. Neither is ever in the
database.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from burnish.kit import clock
from burnish.kit.settings import Settings

KEY_PREFIXES = ("vk_", "lk_")
MAX_KEY_BYTES = 256


class TokenExpired(ValueError):
    """The token was signed here, and its time is over."""


@dataclass(frozen=True)
class Secrets:
    """The two keys of an installation, 32 bytes each; never shown by `repr`."""

    pepper: bytes = field(repr=False)
    encryption: bytes = field(repr=False)

    @classmethod
    def load(cls, settings: Settings) -> "Secrets":
        """Read the keys from the settings or from files under `home`, which are made on the first start."""
        folder = settings.home / "secrets"
        return cls(_key(settings.pepper, folder / "pepper"), _key(settings.encryption_key, folder / "encryption"))

    def hash_key(self, secret: str) -> str:
        """Return the keyed hash of an API key's secret, taken without its prefix."""
        return hmac.new(self.pepper, secret.encode(), hashlib.sha256).hexdigest()

    def encrypt(self, plain: str, row_id: str) -> str:
        """Encrypt a secret for the row `row_id`; it can be decrypted for no other."""
        nonce = os.urandom(12)
        return base64.b64encode(nonce + AESGCM(self.encryption).encrypt(nonce, plain.encode(), row_id.encode())).decode()

    def decrypt(self, sealed: str, row_id: str) -> str:
        """Return the secret; ValueError where it was not encrypted for this row with this key."""
        raw = base64.b64decode(sealed)
        try:
            return AESGCM(self.encryption).decrypt(raw[:12], raw[12:], row_id.encode()).decode()
        except InvalidTag:
            raise ValueError("this secret belongs to another row or another key") from None

    def sign(self, claims: dict[str, Any], lifetime_s: int) -> str:
        """Return a URL-safe token that carries `claims` for `lifetime_s` seconds."""
        body = json.dumps({**claims, "exp": clock.now_micros() // 1_000_000 + lifetime_s}, separators=(",", ":")).encode()
        return f"{_b64(body)}.{_b64(self._signature(body))}"

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token; TokenExpired past its time, ValueError where it was not signed here."""
        try:
            body, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
        except (ValueError, binascii.Error):
            raise ValueError("a malformed token") from None
        if not hmac.compare_digest(signature, self._signature(body)):
            raise ValueError("a token that was not signed here")
        claims: dict[str, Any] = json.loads(body)
        if claims["exp"] < clock.now_micros() // 1_000_000:
            raise TokenExpired("the token has expired")
        return claims

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self.encryption, b"signed-token:" + body, hashlib.sha256).digest()


def new_secret() -> str:
    """Return the secret part of an API key: 192 random bits."""
    return secrets.token_urlsafe(24)


def bare_secret(key: str) -> str | None:
    """Return a key's secret without its prefix, or None where the text cannot be a key."""
    if len(key) > MAX_KEY_BYTES or not key.isascii():
        return None
    return next((key.removeprefix(prefix) for prefix in KEY_PREFIXES if key.startswith(prefix)), None)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _key(configured: str, path: Path) -> bytes:
    text = configured or _read_or_make(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError(f"a key is 64 hexadecimal digits: {'the setting' if configured else path}")
    return key


def _read_or_make(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked into place, so that two processes that start together agree on one key, and never read half of it.
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
