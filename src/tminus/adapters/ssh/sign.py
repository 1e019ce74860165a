"""Signs with a person's SSH key: from its file, or by `ssh-keygen` where an agent or a passphrase is needed.

No private key is kept or shown, and no passphrase is ever seen: `ssh-keygen` asks for it at the terminal.
"""

import base64
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHPrivateKeyTypes,
    load_ssh_private_key,
)

from tminus.adapters.ssh.check import CURVE_HASHES
from tminus.adapters.ssh.sshsig import Envelope, join_numbers, signed_bytes
from tminus.domain.readiness.key import key_type_of, normal_key
from tminus.ports.fault import Refused, Unavailable

USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Where OpenSSH keeps a person's keys, below `~/.ssh`, in the order in which they are tried."""

ANSWER_LIMIT_S = 60
"""For a passphrase, a touch or a yes; who has not answered by then is away."""

MOST_BYTES = 64 * 1024
"""A private key is 4 KB at most; what is larger is another file by mistake."""

_DIGEST = "sha512"
_OTHERS = 0o077


class SshKey:
    """A person's key.

    Args:
        path: of the private key, or of its `.pub` where an agent holds the private one.
        environment: of whoever signs: `SSH_AUTH_SOCK`, `PATH`.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        """See the class; reads nothing yet."""
        self._path = path
        self._environment = environment

    @property
    def public(self) -> str:
        """The public key, as `domain.readiness.key` writes it: from its `.pub`, else from the key itself.

        Raises:
            Refused: `key-unusable`, `key-exposed`, `key-unsupported`; `key-locked`, it has a passphrase, and
                there is no `.pub` beside it.
            Unavailable: `key-missing`.
        """
        beside = self._path if self._path.suffix == ".pub" else self._path.with_name(f"{self._path.name}.pub")
        if beside.is_file():
            try:
                return normal_key(beside.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise Refused("key-unusable", f"{beside} holds no usable public key: {error}") from error
        key = self._load()
        if key is None:
            why = f"{self._path} has a passphrase, and there is no {beside.name} that says whose it is"
            raise Refused("key-locked", why)
        return _public_of(key)

    def sign(self, namespace: str, content: bytes) -> str:
        """The armoured signature over `content`. Raises as `public`, and Unavailable `key-silent`."""
        key = None if self._path.suffix == ".pub" or not self._path.is_file() else self._load()
        if key is None:
            return self._sign_elsewhere(namespace, content)
        algorithm, signature = _signature(key, signed_bytes(namespace, _DIGEST, content))
        return Envelope(_blob_of(key), namespace, _DIGEST, algorithm, signature).armoured()

    def _load(self) -> SSHPrivateKeyTypes | None:
        """The private key; None where it has a passphrase."""
        try:
            if self._path.stat().st_mode & _OTHERS:
                raise Refused("key-exposed", f"others may read {self._path}; `chmod 600` it, or replace it")
            with self._path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise Unavailable("key-missing", f"{self._path} cannot be read: {error.strerror}") from error
        if len(content) > MOST_BYTES:
            raise Refused("key-unusable", f"{self._path} is too large for a key")
        try:
            return load_ssh_private_key(content, password=None)
        except TypeError:
            return None
        except (ValueError, UnsupportedAlgorithm):
            raise self._unusable() from None

    def _sign_elsewhere(self, namespace: str, content: bytes) -> str:
        """By `ssh-keygen`, which asks the agent, or at the terminal for a passphrase."""
        with tempfile.TemporaryDirectory(prefix="tminus-") as folder:
            told = Path(folder) / "content"
            told.write_bytes(content)
            command = ["ssh-keygen", "-Y", "sign", "-f", str(self._path), "-n", namespace, str(told)]
            try:
                done = subprocess.run(
                    command,
                    env=dict(self._environment),
                    capture_output=True,
                    check=False,
                    timeout=ANSWER_LIMIT_S,
                )
            except FileNotFoundError as error:
                why = f"{self._path} is not a key that can be read, and there is no ssh-keygen to ask for it"
                raise Unavailable("key-missing", why) from error
            except subprocess.TimeoutExpired as error:
                why = f"nobody has signed with {self._path} within {ANSWER_LIMIT_S} s"
                raise Unavailable("key-silent", why) from error
            if done.returncode:
                said = done.stderr.decode("utf-8", "replace").strip().splitlines()
                why = f"ssh-keygen cannot sign with {self._path}: {said[-1][:200] if said else 'no reason'}"
                raise Unavailable("key-missing", why)
            return told.with_name("content.sig").read_text(encoding="ascii")

    def _unusable(self) -> Refused:
        return Refused("key-unusable", f"{self._path} holds no OpenSSH private key that can sign")


def usual_key(home: Path, wanted: Callable[[str], bool]) -> Path | None:
    """The first of a person's usual keys whose public half is `wanted`; None where there is none."""
    for name in USUAL_KEYS:
        public = home / ".ssh" / f"{name}.pub"
        try:
            if wanted(normal_key(public.read_text(encoding="utf-8"))):
                private = public.with_suffix("")
                return private if private.is_file() else public
        except (OSError, ValueError):
            continue
    return None


def _signature(key: SSHPrivateKeyTypes, content: bytes) -> tuple[str, bytes]:
    """Algorithm and signature, the hashes being those that `ssh-keygen` takes."""
    if isinstance(key, Ed25519PrivateKey):
        return "ssh-ed25519", key.sign(content)
    if isinstance(key, RSAPrivateKey):
        return "rsa-sha2-512", key.sign(content, padding.PKCS1v15(), SHA512())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        kind = key_type_of(_blob_of(key))
        signature = key.sign(content, ec.ECDSA(CURVE_HASHES[kind]()))
        return kind, join_numbers(*decode_dss_signature(signature))
    raise Refused("key-unsupported", "only ed25519, ecdsa and rsa keys sign votes")


def _public_of(key: SSHPrivateKeyTypes) -> str:
    text = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    try:
        return normal_key(text.decode())
    except ValueError as error:
        raise Refused("key-unsupported", f"the key cannot sign votes: {error}") from error


def _blob_of(key: SSHPrivateKeyTypes) -> bytes:
    return base64.b64decode(_public_of(key).split()[1])
