"""SSH keys: reading a pair, and its fingerprint as `ssh-keygen -l` prints it."""

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from burnish.kit.errors import Invalid

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
KINDS = "RSA of 2048 to 8192 bits, Ed25519 and ECDSA"
PrivateKey = RSAPrivateKey | Ed25519PrivateKey | EllipticCurvePrivateKey


@dataclass(frozen=True)
class Pair:
    """`public_key` is one line without a comment, `private_key` the file as it came, with plain line ends."""

    public_key: str
    private_key: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        blob = base64.b64decode(self.public_key.split()[1])
        return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def read_pair(public_key: str, private_key: str) -> Pair:
    """Read both halves, the public one as a line of a `.pub` file, the private one in OpenSSH's or PEM form.

    Invalid, which never shows the private key, where either cannot be read or used, or the two are no pair.
    """
    public = _read_public(public_key.strip())
    text = "\n".join(private_key.strip().splitlines()) + "\n"
    private = _read_private(text)
    try:
        derived = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except ValueError:
        # A curve that SSH does not have.
        raise _wrong(f"This kind of key is not taken: {KINDS} are.", "private_key") from None
    if derived != public:
        raise Invalid("The private key does not belong to the public key.", code="invalid_ssh_key", param="private_key")
    return Pair(public, text)


def _read_public(line: str) -> str:
    words = line.split()
    if len(line.splitlines()) != 1 or len(words) < 2:
        raise _wrong("A public key is one line such as 'ssh-ed25519 AAAA… comment'.", "public_key")
    plain = f"{words[0]} {words[1]}"
    try:
        found = load_ssh_public_key(plain.encode())
    except UnsupportedAlgorithm:
        raise _wrong(f"This kind of key is not taken: {KINDS} are.", "public_key") from None
    except ValueError:
        raise _wrong("The public key cannot be read: give the line of the .pub file.", "public_key") from None
    # Written anew, so that one key has one text.
    return found.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _read_private(text: str) -> PrivateKey:
    load = load_ssh_private_key if text.startswith(OPENSSH) else load_pem_private_key
    try:
        # The library's check asks whether the factors are prime: seconds for a large key, in which nothing else here runs.
        found = load(text.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise _locked() from None
    except UnsupportedAlgorithm:
        raise _wrong(f"This kind of key is not taken: {KINDS} are.", "private_key") from None
    except ValueError as error:
        if "password" in str(error).lower() or "encrypted" in str(error).lower():
            raise _locked() from None
        raise _wrong("The private key cannot be read: give the whole file, in OpenSSH's or PEM form.", "private_key") from None
    if not isinstance(found, PrivateKey):
        raise _wrong(f"This kind of key is not taken: {KINDS} are.", "private_key")
    if isinstance(found, RSAPrivateKey) and not MIN_RSA_BITS <= found.key_size <= MAX_RSA_BITS:
        raise _wrong(f"An RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits; this one has {found.key_size}.", "private_key")
    if isinstance(found, RSAPrivateKey) and not _fits(found.private_numbers()):
        raise _wrong("The private key is damaged: its numbers do not fit each other.", "private_key")
    return found


def _fits(key: RSAPrivateNumbers) -> bool:
    """Tell whether the numbers of an RSA key undo what its public half does."""
    n, e = key.public_numbers.n, key.public_numbers.e
    if min(key.p, key.q) < 3 or key.p * key.q != n:
        return False
    halves = ((key.p, key.dmp1), (key.q, key.dmq1))
    undone = all(e * key.d % (prime - 1) == 1 and key.d % (prime - 1) == part for prime, part in halves)
    return undone and key.iqmp * key.q % key.p == 1


def _locked() -> Invalid:
    return Invalid(
        "The private key is protected by a passphrase, which nobody could type when it is needed.",
        code="invalid_ssh_key",
        param="private_key",
        hint="Remove it from a copy with `ssh-keygen -p -N '' -f COPY`; the key is kept encrypted here.",
    )


def _wrong(message: str, param: str) -> Invalid:
    return Invalid(message, code="invalid_ssh_key", param=param)
