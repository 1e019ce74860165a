"""The probe `credentials`: everybody who holds a credential has signed for it. Sees no credential."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.report.told import moment, text
from tminus.domain.plan.times import Millis, format_duration
from tminus.domain.readiness.answer import Answer, failed, passed
from tminus.domain.watch.answer_text import parse_answer
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.guard import guarded

NAMESPACE = "tminus-receipt"
"""In which a receipt is signed, so that no other signature can be taken for one."""

MOST_BYTES = 1024 * 1024
"""Of the file of receipts."""

SKEW_MS = 60_000
"""Clocks of two machines may differ by so much."""

_FIELDS = frozenset({"holder", "credential", "received", "signature"})
_FOR_EVER = Millis(0)


@dataclass(frozen=True, slots=True)
class CredentialsSettings:
    """Whose receipts there must be.

    Attributes:
        file: JSON below the repository: `{"receipts": [{"holder", "credential", "received", "signature"}]}`.
        holders: who must have signed for receipt.
        credential: name of what they hold; empty where a receipt of any counts.
        signers: file of SSH keys as `ssh-keygen` reads allowed signers; with it each receipt must carry its
            holder's signature. Keep it where the holders cannot change it.
        oldest: how long ago that may be; 0s for ever.
    """

    file: str
    holders: tuple[str, ...]
    credential: str = ""
    signers: str = ""
    oldest: Millis = _FOR_EVER

    def __post_init__(self) -> None:
        """Refuses what would pass without a receipt.

        Raises:
            ValueError: see its sentence.
        """
        if not self.file or not self.holders or not all(self.holders):
            raise ValueError("write the file, and at least one holder")


@dataclass(frozen=True, slots=True)
class _Receipt:
    holder: str
    credential: str
    received: str
    received_ms: int
    signature: str

    @property
    def signed(self) -> bytes:
        """What its holder has signed."""
        return f"{self.holder}\n{self.credential}\n{self.received}\n".encode()


def _source(settings: CredentialsSettings, target: Target) -> str:
    del target
    return f"receipts in {settings.file}"


def _ask(settings: CredentialsSettings, around: Around, limit_ms: int) -> Answer:
    deadline, now_ms = Deadline(limit_ms), around.now_ms()
    receipts = _read(around.repository / settings.file)
    missing, unsigned, old, fine = [], [], [], []
    for holder in settings.holders:
        own = [
            each
            for each in receipts
            if each.holder == holder and settings.credential in ("", each.credential)
        ]
        newest = max(own, key=lambda each: each.received_ms, default=None)
        if newest is None:
            missing.append(holder)
        elif newest.received_ms > now_ms + SKEW_MS:
            raise Unavailable("receipts-unreadable", f"the receipt of {holder} is of a time that is to come")
        elif settings.signers and not _is_signed(newest, settings, around, deadline):
            unsigned.append(holder)
        elif settings.oldest and now_ms - newest.received_ms > settings.oldest:
            old.append(holder)
        else:
            fine.append(holder)
    facts = {"holders": len(settings.holders), "receipts": len(fine)}
    wrong = [f"no receipt of {listed(missing)}"] if missing else []
    wrong += [f"not signed by {listed(unsigned)}"] if unsigned else []
    wrong += [f"older than {format_duration(settings.oldest)}: {listed(old)}"] if old else []
    source = _source(settings, around.target)
    if wrong:
        return failed("; ".join(wrong), source, "", **facts)
    how = "signed for" if settings.signers else "are said to have signed for"
    what = settings.credential or "what they hold"
    return passed(f"{counted(len(fine), 'holder')} {how} {what}: {listed(fine)}", source, "", **facts)


def _read(path: Path) -> list[_Receipt]:
    """The receipts of a file.

    Raises:
        Unavailable: `receipts-unreadable`, without a word of what stands in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unavailable("receipts-unreadable", f"{path.name}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise Unavailable("receipts-unreadable", f"{path.name} is larger than {MOST_BYTES} bytes")
    try:
        body = parse_answer(content)
        rows = body.get("receipts") if isinstance(body, dict) else None
        if not isinstance(rows, list):
            raise ValueError('it holds no {"receipts": [...]}')  # noqa: TRY301, TRY004 - told below
        return [_receipt(row) for row in rows]
    except ValueError as error:
        raise Unavailable("receipts-unreadable", f"{path.name}: {error}") from error


def _receipt(row: Any) -> _Receipt:  # noqa: ANN401 - any JSON
    if not isinstance(row, Mapping) or not row.keys() <= _FIELDS:
        raise ValueError("a receipt holds holder, credential, received and signature, and nothing else")
    if not all(isinstance(value, str) and value for value in row.values()):
        raise ValueError("a receipt holds texts")
    received = row.get("received", "")
    at = moment(received)
    if at is None or not at[1]:
        raise ValueError("a receipt has no time `received` with its zone")
    holder, credential = text(row.get("holder")), text(row.get("credential"))
    if not holder or not credential or (holder, credential) != (row["holder"], row["credential"]):
        raise ValueError("a receipt names its holder and the credential, each on one line")
    return _Receipt(holder, credential, received, at[0], row.get("signature", ""))


def _is_signed(receipt: _Receipt, settings: CredentialsSettings, around: Around, deadline: Deadline) -> bool:
    """Whether the holder's own key has signed the receipt.

    Raises:
        Unavailable: `receipts-unreadable`: the signers or the program that checks are not there.
    """
    signers = around.repository / settings.signers
    if not signers.is_file():
        raise Unavailable("receipts-unreadable", f"there is no file of signers {settings.signers}")
    if not receipt.signature:
        return False
    signature = around.scratch / "receipt.sig"
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", receipt.holder, "-n", NAMESPACE]
    try:
        signature.write_text(f"{receipt.signature.strip()}\n", encoding="utf-8")
        done = subprocess.run(
            [*argv, "-s", str(signature)],
            input=receipt.signed,
            env=dict(around.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=deadline.left_ms / 1000,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("receipts-unreadable", "ssh-keygen did not answer in time") from error
    except (OSError, ValueError) as error:
        raise Unavailable(
            "receipts-unreadable", "ssh-keygen, which checks signatures, cannot be run"
        ) from error
    return done.returncode == 0


CREDENTIALS = ProbeKind(CredentialsSettings, guarded(_ask, _source))
"""See `CredentialsSettings`."""
