"""Whose key made an SSH signature. Must not know what was signed, nor whose key may."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import SSHPublicKeyTypes, load_ssh_public_key

from tminus.adapters.ssh.sshsig import (
    HASHES,
    Envelope,
    NotASignatureError,
    read_armoured,
    signed_bytes,
    split_numbers,
)
from tminus.domain.readiness.key import KEY_TYPES, key_of_blob, key_type_of

LEAST_RSA_BITS = 2048
"""As OpenSSH and everybody else since 2010; shorter keys can be broken."""

CURVE_HASHES: dict[str, type[HashAlgorithm]] = {
    "ecdsa-sha2-nistp256": SHA256,
    "ecdsa-sha2-nistp384": SHA384,
    "ecdsa-sha2-nistp521": SHA512,
}
RSA_HASHES: dict[str, type[HashAlgorithm]] = {"rsa-sha2-256": SHA256, "rsa-sha2-512": SHA512}
"""`ssh-rsa` itself is RSA over SHA-1, which `ssh-keygen -Y verify` refuses too."""


class SshSignatures:
    """Implements Signatures."""

    def key_of(self, namespace: str, content: bytes, signature: str) -> str:
        """See `Signatures`."""
        try:
            envelope = read_armoured(signature)
            kind = key_type_of(envelope.key)
            if envelope.namespace != namespace or envelope.digest not in HASHES or kind not in KEY_TYPES:
                return ""
            key = key_of_blob(envelope.key)
            public = load_ssh_public_key(key.encode())
            _verify(public, kind, envelope, signed_bytes(namespace, envelope.digest, content))
        except (NotASignatureError, InvalidSignature, UnsupportedAlgorithm, ValueError):
            return ""
        return key


def _verify(public: SSHPublicKeyTypes, kind: str, envelope: Envelope, content: bytes) -> None:
    algorithm, signature = envelope.algorithm, envelope.signature
    if isinstance(public, Ed25519PublicKey) and algorithm == kind:
        public.verify(signature, content)
    elif isinstance(public, ec.EllipticCurvePublicKey) and algorithm == kind:
        encoded = encode_dss_signature(*split_numbers(signature))
        public.verify(encoded, content, ec.ECDSA(CURVE_HASHES[kind]()))
    elif isinstance(public, RSAPublicKey) and algorithm in RSA_HASHES and public.key_size >= LEAST_RSA_BITS:
        public.verify(signature, content, padding.PKCS1v15(), RSA_HASHES[algorithm]())
    else:
        raise InvalidSignature(f"{algorithm} does not fit {kind}")
