"""The folder of backups: what is in it, what became of its restore tests, and how one is removed."""

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.postgres.dump import read_sidecar, sidecar_path, test_path, write_private
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.readiness.upkeep import StoredBackup
from tminus.ports.fault import Refused, Unavailable

_NAME = re.compile(r"tminus-\d{8}T\d{6}\.\d{3}Z\.dump")
_KEPT_DIFFERENCES = 20  # of a test; the log of the job has them all


@dataclass(frozen=True, slots=True)
class _Test:
    """The answer of a restore test, in `NAME.dump.test`."""

    tested_ms: int
    took_ms: int
    passed: bool
    differences: tuple[str, ...]


class PostgresBackups:
    """`ports.upkeep.BackupStore` over files of `pg_dump` with their counts beside them."""

    def list_backups(self, directory: Path) -> Sequence[StoredBackup]:
        """See the port. A dump whose counts are gone or cannot be read is none.

        Raises:
            Unavailable: `backups-unreadable`.
        """
        try:
            found = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Unavailable("backups-unreadable", f"{directory}: {error.strerror}") from error
        read = (_read(path) for path in found)
        return sorted((each for each in read if each is not None), key=lambda each: each.taken_ms)

    def remove_backup(self, path: Path) -> None:
        """See the port. The dump goes first, so that what is left is never taken for a backup.

        Raises:
            Refused: `backup-foreign`.
            Unavailable: `backup-not-removed`.
        """
        if not _NAME.fullmatch(path.name) or (path.exists() and _read(path) is None):
            raise Refused("backup-foreign", f"{path} is no backup that tminus has made")
        try:
            for each in (path, test_path(path), sidecar_path(path)):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("backup-not-removed", f"{path}: {error.strerror}") from error


def keep_test(dump: Path, differences: Sequence[str], took_ms: int, tested_ms: int) -> None:
    """Notes beside a dump what its restore test has answered; without disk space only the job tells it."""
    test = _Test(tested_ms, took_ms, not differences, tuple(differences[:_KEPT_DIFFERENCES]))
    with contextlib.suppress(OSError):
        write_private(test_path(dump), canonical_bytes(to_json(test)))


def _read(dump: Path) -> StoredBackup | None:
    try:
        sidecar = read_sidecar(dump)
        if dump.is_symlink() or dump.stat().st_size != sidecar.size_bytes:
            return None
    except (Refused, OSError):
        return None
    test = _read_test(dump)
    return StoredBackup(
        path=str(dump),
        taken_ms=sidecar.taken_ms,
        size_bytes=sidecar.size_bytes,
        digest=sidecar.digest,
        tables=len(sidecar.tables),
        rows=sum(count.rows for count in sidecar.tables),
        tested_ms=None if test is None else test.tested_ms,
        passed=None if test is None else test.passed,
        restored_in_ms=None if test is None else test.took_ms,
    )


def _read_test(dump: Path) -> _Test | None:
    try:
        return from_json(_Test, json.loads(test_path(dump).read_bytes()))
    except (OSError, ValueError, DecodeError):
        return None
