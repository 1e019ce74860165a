"""The folder of backups: what is in it, what became of its restore tests, and how one is removed."""

import contextlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.postgres.archive import WAL, newest_line
from tminus.adapters.postgres.base import read_base
from tminus.adapters.postgres.dump import read_sidecar, sidecar_path, test_path, write_private
from tminus.adapters.postgres.wal import segments
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.readiness.upkeep import StoredBackup
from tminus.ports.fault import Refused, Unavailable

_NAME = re.compile(r"tminus-\d{8}T\d{6}\.\d{3}Z\.(dump|base)")
_KEPT_DIFFERENCES = 20  # of a test; the log of the job has them all


@dataclass(frozen=True, slots=True)
class _Test:
    """The answer of a restore test, in `NAME.dump.test`."""

    tested_ms: int
    took_ms: int
    passed: bool
    differences: tuple[str, ...]


class PostgresBackups:
    """`ports.upkeep.BackupStore` over dumps and base backups with their counts beside them, and the log."""

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
            if path.is_dir():
                # Under another name first: what is removed half-way must not look like a backup.
                going = path.with_name(f".{path.name}.tmp")
                path.rename(going)
                shutil.rmtree(going)
            for each in (path, test_path(path), sidecar_path(path)):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("backup-not-removed", f"{path}: {error.strerror}") from error

    def trim_log(self, directory: Path) -> int:
        """See the port: the segments before the oldest base backup, and stretches that no backup leads into.

        Raises:
            Unavailable: `backup-not-removed`.
        """
        bases = [each for each in self.list_backups(directory) if each.whole]
        if not bases:
            return 0
        oldest = read_base(Path(bases[0].path))
        newest = newest_line(directory / WAL)
        removed = 0
        try:
            for line in (directory / WAL).glob("[0-9]*"):
                found = segments(line, oldest.segment_bytes)
                for segment in found:
                    if segment.start + oldest.segment_bytes <= oldest.first and segment is not found[-1]:
                        segment.path.unlink()
                        removed += 1
                if line != newest and found and found[-1].start + oldest.segment_bytes <= oldest.first:
                    shutil.rmtree(line)
                    removed += 1
        except OSError as error:
            raise Unavailable("backup-not-removed", f"{directory / WAL}: {error.strerror}") from error
        return removed


def keep_test(dump: Path, differences: Sequence[str], took_ms: int, tested_ms: int) -> None:
    """Notes beside a dump what its restore test has answered; without disk space only the job tells it."""
    test = _Test(tested_ms, took_ms, not differences, tuple(differences[:_KEPT_DIFFERENCES]))
    with contextlib.suppress(OSError):
        write_private(test_path(dump), canonical_bytes(to_json(test)))


def _read(dump: Path) -> StoredBackup | None:
    return _read_whole(dump) if dump.suffix == ".base" else _read_dump(dump)


def _read_whole(base: Path) -> StoredBackup | None:
    try:
        sidecar = read_base(base)
    except Refused:
        return None
    if base.is_symlink() or not (base / "data").is_dir():
        return None
    line = newest_line(base.parent / WAL)
    followed = segments(line, sidecar.segment_bytes) if line is not None else []
    own = segments(base / "wal", sidecar.segment_bytes)
    test = _read_test(base)
    return StoredBackup(
        path=str(base),
        taken_ms=sidecar.taken_ms,
        size_bytes=sidecar.size_bytes,
        digest=sidecar.digest,
        tables=len(sidecar.tables),
        rows=sum(count.rows for count in sidecar.tables),
        tested_ms=None if test is None else test.tested_ms,
        passed=None if test is None else test.passed,
        restored_in_ms=None if test is None else test.took_ms,
        whole=True,
        unbroken=bool(followed and own) and followed[0].start <= own[-1].start,
    )


def _read_dump(dump: Path) -> StoredBackup | None:
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
