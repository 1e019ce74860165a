"""The bytes of an SSH signature (OpenSSH, PROTOCOL.sshsig): what is signed, and how it is written down.

Must not know keys: whoever signs or checks does.
"""

import base64
import binascii
import hashlib
import struct
import textwrap
from dataclasses import dataclass

MAGIC = b"SSHSIG"
VERSION = 1
HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}

_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_COLUMNS = 70  # as ssh-keygen breaks lines


class NotASignatureError(ValueError):
    """The text is no SSH signature."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signature taken apart.

    Attributes:
        key: the public key's bytes.
        namespace: what it is for.
        digest: name of the hash over the content.
        algorithm: name of the signature's algorithm, such as `rsa-sha2-512`.
        signature: its bytes.
    """

    key: bytes
    namespace: str
    digest: str
    algorithm: str
    signature: bytes

    def armoured(self) -> str:
        """As `ssh-keygen -Y sign` writes it."""
        inner = _string(self.algorithm.encode()) + _string(self.signature)
        blob = (
            MAGIC
            + struct.pack(">I", VERSION)
            + _string(self.key)
            + _string(self.namespace.encode())
            + _string(b"")
            + _string(self.digest.encode())
            + _string(inner)
        )
        lines = textwrap.wrap(base64.b64encode(blob).decode(), _COLUMNS)
        return "\n".join([_BEGIN, *lines, _END, ""])


def signed_bytes(namespace: str, digest: str, content: bytes) -> bytes:
    """What the key signs.

    Raises:
        KeyError: the hash is not one of `HASHES`.
    """
    hashed = HASHES[digest](content).digest()
    return MAGIC + _string(namespace.encode()) + _string(b"") + _string(digest.encode()) + _string(hashed)


def read_armoured(text: str) -> Envelope:
    """A signature from its text.

    Raises:
        NotASignatureError: it is none, or of another version.
    """
    body = text.strip()
    if not body.startswith(_BEGIN) or not body.endswith(_END):
        raise NotASignatureError("it is not enclosed in BEGIN and END SSH SIGNATURE")
    try:
        blob = base64.b64decode("".join(body[len(_BEGIN) : -len(_END)].split()), validate=True)
        return _read(_Reader(blob))
    except (binascii.Error, ValueError, struct.error, IndexError) as error:
        raise NotASignatureError(f"it cannot be read: {error}") from error


def _read(reader: "_Reader") -> Envelope:
    if reader.take(len(MAGIC)) != MAGIC or reader.number() != VERSION:
        raise NotASignatureError("it is no SSH signature of version 1")
    key, namespace, _, digest = (reader.string() for _ in range(4))
    inner = _Reader(reader.string())
    algorithm, signature = inner.string(), inner.string()
    reader.end()
    return Envelope(key, namespace.decode(), digest.decode(), algorithm.decode(), signature)


class _Reader:
    """Reads the strings of RFC 4251 one after the other."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def take(self, count: int) -> bytes:
        if count > len(self._blob):
            raise NotASignatureError("it ends too early")
        taken, self._blob = self._blob[:count], self._blob[count:]
        return taken

    def number(self) -> int:
        (number,) = struct.unpack(">I", self.take(4))
        return int(number)

    def string(self) -> bytes:
        return self.take(self.number())

    def end(self) -> None:
        if self._blob:
            raise NotASignatureError("something follows it")


def split_numbers(blob: bytes) -> tuple[int, int]:
    """The two numbers of an ECDSA signature (RFC 5656, section 3.1.2).

    Raises:
        NotASignatureError: it holds something else.
    """
    reader = _Reader(blob)
    first, second = reader.string(), reader.string()
    reader.end()
    return int.from_bytes(first, "big", signed=True), int.from_bytes(second, "big", signed=True)


def join_numbers(first: int, second: int) -> bytes:
    """The same the other way round."""
    return _string(_mpint(first)) + _string(_mpint(second))


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
