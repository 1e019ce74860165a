"""Public keys of people as OpenSSH writes them, one text per key. Must not check signatures."""

import base64
import binascii
import hashlib
import struct

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
"""Kinds of keys whose signatures are checked."""

_LENGTH_BYTES = 4


def normal_key(text: str) -> str:
    """`ssh-ed25519 AAAA…` of a line of a public key file; its comment is left out.

    Raises:
        ValueError: it is no such line; the sentence says why.
    """
    kind, encoded = (*text.split(), "", "")[:2]
    if kind not in KEY_TYPES:
        known = ", ".join(KEY_TYPES)
        raise ValueError(f"it begins with {kind[:40]!r}, which is not one of {known}")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {kind} is not base64") from None
    if key_type_of(blob) != kind:
        raise ValueError(f"what follows {kind} is not such a key")
    return f"{kind} {base64.b64encode(blob).decode()}"


def key_type_of(blob: bytes) -> str:
    """The kind that a key's bytes name themselves (RFC 4253, section 6.6); empty where they name none."""
    if len(blob) < _LENGTH_BYTES:
        return ""
    (length,) = struct.unpack(">I", blob[:_LENGTH_BYTES])
    return blob[_LENGTH_BYTES : _LENGTH_BYTES + length].decode("ascii", "replace")


def key_of_blob(blob: bytes) -> str:
    """The text of a key from its bytes."""
    return f"{key_type_of(blob)} {base64.b64encode(blob).decode()}"


def fingerprint(key: str) -> str:
    """`SHA256:…` of a key's text, as `ssh-keygen -l` prints it."""
    blob = base64.b64decode(key.split()[1])
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"
