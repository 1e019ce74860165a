"""The Ed25519 key pair that seals heads, made on first use. Must not know what is signed."""

import base64
import binascii
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tminus.adapters.seal.files import create_file
from tminus.ports.fault import Refused, Unavailable

_OTHERS = 0o077


class SealKey:
    """A private key in a file (PEM, PKCS 8, mode 0600), read or made when it is first needed.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def public_key(self) -> str:
        """The raw public key, base64.

        Raises:
            Refused: `seal-key-exposed` (others may read the file), `seal-key-unusable`.
            Unavailable: `seal-unreachable`.
        """
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    @property
    def known_public_key(self) -> str | None:
        """The public key, or None where none was made yet: who only checks needs none. Raises as it does."""
        return self.public_key if self._path.exists() else None

    def sign(self, content: bytes) -> str:
        """Signature of `content`, base64. Raises as `public_key` does."""
        return base64.b64encode(self._private.sign(content)).decode()

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        try:
            if not self._path.exists():
                fresh = Ed25519PrivateKey.generate()
                create_file(
                    self._path, fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                )
            # Read back even when just made: another process may have been first.
            if self._path.stat().st_mode & _OTHERS:
                raise Refused(
                    "seal-key-exposed",
                    f"others may read the private key {self._path}: `chmod 600` it, or remove it if leaked",
                )
            content = self._path.read_bytes()
        except OSError as error:
            raise Unavailable(
                "seal-unreachable", f"the private key {self._path} cannot be read or made ({error.strerror})"
            ) from error
        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            raise self._unusable() from error
        if not isinstance(key, Ed25519PrivateKey):
            raise self._unusable()
        return key

    def _unusable(self) -> Refused:
        return Refused(
            "seal-key-unusable",
            f"{self._path} holds no Ed25519 private key: restore it or move it",
        )


def signature_fits(public_key: str, signature: str, content: bytes) -> bool:
    """Whether `signature` over `content` was made by the holder of `public_key`; both base64."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
