"""What a server shows in a TLS handshake: version, certificate, and what is wrong with its chain."""

import os
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509

_PIECE = 4096
_REPLY_BYTES = 64 * 1024  # of records that are read while waiting for the first message
_RECORD_HEAD = 5
_HANDSHAKE, _ALERT, _SERVER_HELLO = 22, 21, 2
_SHOWN_NAMES = 10
# What servers of TLS 1.2 and older have: with RSA and ECDSA, authenticated and not, strong and weak.
_CIPHERS = (
    *(0xC02F, 0xC030, 0xC02B, 0xC02C, 0xCCA8, 0xCCA9, 0x009E, 0x009F, 0xC013, 0xC014, 0xC009, 0xC00A),
    *(0x0033, 0x0039, 0xC027, 0xC023, 0x009C, 0x009D, 0x003C, 0x003D, 0x002F, 0x0035, 0x000A, 0xC012),
)
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)


class Version(StrEnum):
    """Versions of TLS, as OpenSSL writes them."""

    TLS_1_0 = "TLSv1"
    TLS_1_1 = "TLSv1.1"
    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"

    @property
    def number(self) -> int:
        """As it stands on the wire: 0x0303 for 1.2."""
        return 0x0301 + list(Version).index(self)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's own certificate says.

    Attributes:
        names: of hosts, the first ten.
        issuer: its distinguished name.
        begins_ms: milliseconds since the epoch.
        ends_ms: the same.
    """

    names: tuple[str, ...]
    issuer: str
    begins_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What a handshake showed that believes everything."""

    version: str
    certificate: Certificate


class NotTlsError(Exception):
    """What answered does not speak TLS, or not as this program does."""


def greet(host: str, port: int, name: str, limit_s: float) -> Shown:
    """Version and certificate, whoever signed it.

    Args:
        host: where to connect to.
        port: on it.
        name: that is asked for.
        limit_s: for connecting and for the handshake, each.

    Raises:
        OSError: the network; `TimeoutError` after the limit.
        NotTlsError: see there.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        version, content = _handshake(context, host, port, name, limit_s)
        return Shown(version, _certificate(content))
    except (ssl.SSLError, ValueError) as error:
        raise NotTlsError(_reason(error)) from None


def chain_fault(host: str, port: int, name: str, limit_s: float, roots: str = "") -> str:
    """Why a careful client would not trust the server; empty where it would.

    Args:
        host: where to connect to.
        port: on it.
        name: that the certificate must bear.
        limit_s: for connecting and for the handshake, each.
        roots: file of certificates that are trusted instead of the system's, as PEM.

    Raises:
        OSError: the network, or that file cannot be read.
        NotTlsError: the handshake failed for another reason.
    """
    context = ssl.create_default_context(cafile=roots or None)
    try:
        _handshake(context, host, port, name, limit_s)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".") or "its certificate is not trusted"
    except ssl.SSLError as error:
        raise NotTlsError(_reason(error)) from None
    return ""


def speaks(host: str, port: int, name: str, newest: Version, limit_s: float) -> bool | None:
    """Whether the server goes on after a greeting that offers nothing newer; None where it says neither.

    The greeting is written here: a library of today may not be able to speak what must be refused.
    Source: RFC 5246 §7.4.1.2 and §7.2, RFC 4346 for 1.1.

    Raises:
        OSError: the network, before the greeting was sent.
    """
    ends_at = time.monotonic() + limit_s
    with socket.create_connection((host, port), timeout=limit_s) as connection:
        connection.sendall(client_hello(name, newest.number, os.urandom(32)))
        content = b""
        try:
            while len(content) < _REPLY_BYTES and time.monotonic() < ends_at:
                connection.settimeout(max(0.001, ends_at - time.monotonic()))
                piece = connection.recv(_PIECE)
                content += piece
                said = _first_message(content)
                if said is not None or not piece:
                    return False if not content else said
        except ConnectionResetError:
            return False
        except OSError:
            return None
    return None


def client_hello(name: str, version: int, random: bytes) -> bytes:
    """A greeting of TLS 1.2 or older, in one record."""
    ciphers = b"".join(struct.pack(">H", each) for each in _CIPHERS)
    groups = b"".join(struct.pack(">H", each) for each in _GROUPS)
    extensions = _extension(10, _counted(groups, 2)) + _extension(11, b"\x01\x00")
    if version >= Version.TLS_1_2.number:
        signatures = b"".join(struct.pack(">H", each) for each in _SIGNATURES)
        extensions += _extension(13, _counted(signatures, 2))
    if name and not name.replace(".", "").isdigit() and ":" not in name:
        host = name.encode("idna")
        extensions += _extension(0, _counted(b"\x00" + _counted(host, 2), 2))
    body = struct.pack(">H", version) + random + b"\x00" + _counted(ciphers, 2) + b"\x01\x00"
    body += _counted(extensions, 2)
    message = b"\x01" + _counted(body, 3)
    return struct.pack(">BH", _HANDSHAKE, 0x0301) + _counted(message, 2)


def _first_message(content: bytes) -> bool | None:
    """True for a greeting of a server, False for an alert or what is no TLS, None where more must come."""
    if len(content) <= _RECORD_HEAD:
        return None
    kind, message = content[0], content[_RECORD_HEAD]
    if kind == _ALERT and message == 1:  # a warning: what matters comes after it
        length = _RECORD_HEAD + int.from_bytes(content[3:5], "big")
        return _first_message(content[length:]) if len(content) > length else None
    return kind == _HANDSHAKE and message == _SERVER_HELLO


def _counted(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width, "big") + content


def _extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">H", kind) + _counted(content, 2)


def _handshake(context: ssl.SSLContext, host: str, port: int, name: str, limit_s: float) -> tuple[str, bytes]:
    with (
        socket.create_connection((host, port), timeout=limit_s) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return secure.version() or "", secure.getpeercert(binary_form=True) or b""


def _certificate(content: bytes) -> Certificate:
    """What the encoded certificate says.

    Raises:
        ValueError: it is none.
    """
    found = x509.load_der_x509_certificate(content)
    try:
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(each.value) for each in named]
    except x509.ExtensionNotFound:
        names = []
    return Certificate(
        tuple(names[:_SHOWN_NAMES]),
        found.issuer.rfc4514_string(),
        int(found.not_valid_before_utc.timestamp() * 1000),
        int(found.not_valid_after_utc.timestamp() * 1000),
    )


def _reason(error: Exception) -> str:
    """The library's own name of what happened, in words."""
    reason = getattr(error, "reason", "") or "its certificate cannot be read"
    return str(reason).replace("_", " ").lower()
