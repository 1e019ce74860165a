"""Sealed heads: where the journal of a launch stood at a time, signed, one small file per launch."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tminus.adapters.seal.files import replace_file
from tminus.adapters.seal.key import SealKey, signature_fits
from tminus.domain.canonical import Json, canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.journal import Head

PURPOSE = "tminus sealed head 1"
"""Part of what is signed, so that a signature for another purpose can never pass for this one."""


@dataclass(frozen=True, slots=True)
class SealedHead:
    """A head that somebody vouched for.

    Attributes:
        launch, seq, hash: as in `Head`.
        at_ms: when it was sealed, milliseconds since the epoch.
        public_key: whose, raw Ed25519, base64.
        signature: over `signed_bytes`, base64.
    """

    launch: str
    seq: int
    hash: str
    at_ms: int
    public_key: str
    signature: str

    def signed_bytes(self) -> bytes:
        """Canonical form of the purpose and every attribute but the signature."""
        return _signed_bytes(Head(self.launch, self.seq, self.hash), self.at_ms, self.public_key)


class HeadSeal:
    """Seals heads with one key and keeps the newest of each launch.

    Safe to use from several threads for different launches; a launch has one driver, which seals it.

    Args:
        key: that signs.
        folder: of the files `<launch>.json`; must not be where the database lies, or one hand reaches both.
        trusted_keys: public keys, base64, of other machines; the own key is always trusted.
    """

    def __init__(self, key: SealKey, folder: Path, trusted_keys: frozenset[str] = frozenset()) -> None:
        self._key = key
        self._folder = folder
        self._trusted_keys = trusted_keys

    def seal(self, head: Head, at_ms: int) -> SealedHead:
        """Signs the head and replaces the launch's sealed head by it, durably.

        Raises:
            Refused: `seal-backwards`, a later event or another of that sequence was sealed before: the
                journal lost events. `seal-broken` and `seal-foreign`, see `check`. The key's faults.
            Unavailable: `seal-unreachable`, the file cannot be written; sealing again is safe.
        """
        kept = self.sealed(head.launch)
        if kept is not None:
            self.check(kept)
            if (kept.seq, kept.hash) != (head.seq, head.hash) and kept.seq >= head.seq:
                raise Refused(
                    "seal-backwards",
                    f"launch {head.launch} was sealed at event {kept.seq} and now ends at event {head.seq}: "
                    f"the journal lost or changed events; run `tminus verify {head.launch}`",
                )
        public_key = self._key.public_key
        signature = self._key.sign(_signed_bytes(head, at_ms, public_key))
        sealed = SealedHead(head.launch, head.seq, head.hash, at_ms, public_key, signature)
        try:
            replace_file(self._path(head.launch), canonical_bytes(to_json(sealed)) + b"\n")
        except OSError as error:
            raise self._unreachable(head.launch, error) from error
        return sealed

    def sealed(self, launch: str) -> SealedHead | None:
        """The newest sealed head of a launch, unchecked; None when it was never sealed.

        Raises:
            Refused: `seal-broken`, the file holds no sealed head of this launch.
            Unavailable: `seal-unreachable`.
        """
        path = self._path(launch)
        try:
            sealed = from_json(SealedHead, _parsed(path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreachable(launch, error) from error
        except ValueError as error:
            raise self._broken(launch, "it holds no sealed head") from error
        if sealed.launch != launch:
            raise self._broken(launch, f"it is that of launch {sealed.launch}")
        return sealed

    def check(self, sealed: SealedHead) -> None:
        """Returns when a trusted key signed exactly this.

        Raises:
            Refused: `seal-broken`, the signature does not fit; `seal-foreign`, the key is not trusted.
        """
        if not signature_fits(sealed.public_key, sealed.signature, sealed.signed_bytes()):
            raise self._broken(sealed.launch, "its signature does not fit its content")
        trusted = self._trusted_keys | {self._key.known_public_key}
        if sealed.public_key not in trusted:
            raise Refused(
                "seal-foreign",
                f"the sealed head of launch {sealed.launch} is signed by the key {sealed.public_key}, which "
                "is not trusted here: compare it with the key of the machine that launched",
            )

    def _path(self, launch: str) -> Path:
        # Quoted, because a launch's name is not a path.
        return self._folder / f"{quote(launch, safe='')}.json"

    def _broken(self, launch: str, why: str) -> Refused:
        return Refused(
            "seal-broken",
            f"the sealed head {self._path(launch)} was damaged: {why}; keep it as evidence, and take a head "
            "that was noted elsewhere as the witness",
        )

    def _unreachable(self, launch: str, error: OSError) -> Unavailable:
        return Unavailable(
            "seal-unreachable",
            f"the sealed head {self._path(launch)} cannot be read or written ({error.strerror})",
        )


def _signed_bytes(head: Head, at_ms: int, public_key: str) -> bytes:
    return canonical_bytes(
        {
            "purpose": PURPOSE,
            "launch": head.launch,
            "seq": head.seq,
            "hash": head.hash,
            "at_ms": at_ms,
            "public_key": public_key,
        }
    )


def _parsed(content: bytes) -> Json:
    parsed: Json = json.loads(content)
    if not isinstance(parsed, dict):
        raise DecodeError("a sealed head is an object")
    return parsed
