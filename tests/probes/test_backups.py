import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.probes.repository import HOUR_MS, Repository, ask, made, now_ms, said
from tminus.adapters.postgres.dump import FORMAT, Sidecar, sidecar_path, write_private
from tminus.adapters.postgres.stored import keep_test
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import to_json
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.backups import BACKUPS, BackupsSettings

pytestmark = pytest.mark.req("R16")
HOUR = Millis(HOUR_MS)


def keep(repository: Repository, age_ms: int, tested: bool | None = None) -> None:
    """A backup as tminus keeps it: the dump, its counts, and what its restore test has answered."""
    folder = repository.around().backups
    taken_ms = now_ms() - age_ms
    stamp = datetime.fromtimestamp(taken_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    dump = folder / f"tminus-{stamp}.{taken_ms % 1000:03}Z.dump"
    dump.write_bytes(b"x")
    sidecar = Sidecar(
        format=FORMAT, digest="sha256:0", size_bytes=1, taken_ms=taken_ms, server_major=16, tables=()
    )
    write_private(sidecar_path(dump), canonical_bytes(to_json(sidecar)))
    if tested is not None:
        keep_test(dump, [] if tested else ["a row is missing"], 40, taken_ms)


def judge(repository: Repository, **settings: object) -> Answer:
    return ask(BACKUPS, made(BackupsSettings, **{"oldest": HOUR, **settings}), repository.around())


def test_young_backups_of_which_one_was_restored_pass(repository: Repository) -> None:
    for age in (10_000, 50_000, 90_000):
        keep(repository, age, tested=True)
    answer = judge(repository, least=3, spacing=Millis(60_000), tested=HOUR)
    assert answer.outcome is Outcome.PASS, answer.why
    assert answer.why.startswith("3 backups are kept, the newest 1")
    assert dict(answer.facts).keys() == {"count", "age_ms", "spacing_ms", "tested_ago_ms"}


def test_nothing_kept_fails(repository: Repository) -> None:
    assert said(judge(repository)) == (Outcome.FAIL, "there is no backup")


@pytest.mark.parametrize(
    ("kept", "settings", "why"),
    [
        ([(2 * HOUR_MS, None)], {}, "old, limit 1h"),
        ([(1_000, None)], {"least": 2}, "1 backup is kept, at least 2 must be"),
        (
            [(0, None), (90_000, None)],
            {"least": 2, "spacing": Millis(60_000)},
            "lie between two backups, limit 1m",
        ),
        ([(1_000, None)], {"tested": HOUR}, "none was ever restored"),
        ([(1_000, False), (5_000, True)], {"tested": HOUR}, "ago, did not pass"),
        ([(1_000, None), (2 * HOUR_MS, True)], {"tested": HOUR}, "ago, limit 1h"),
    ],
)
def test_what_is_missing_old_or_unproven_fails(
    repository: Repository, kept: list[tuple[int, bool | None]], settings: dict[str, object], why: str
) -> None:
    for age_ms, tested in kept:
        keep(repository, age_ms, tested)
    answer = judge(repository, **settings)
    assert answer.outcome is Outcome.FAIL
    assert answer.why.endswith(why)


def prints(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


def iso(age_ms: int) -> str:
    return datetime.fromtimestamp((now_ms() - age_ms) / 1000, UTC).isoformat()


def test_somebody_elses_backups_are_told_by_a_command(repository: Repository) -> None:
    rows = [{"taken": iso(60_000), "tested": iso(30_000), "passed": True}, {"taken": now_ms() - 120_000}]
    command = prints(json.dumps({"backups": rows}))
    assert judge(repository, command=command, least=2, tested=HOUR).outcome is Outcome.PASS
    assert judge(repository, command=command, least=3).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("[]", 'it printed no {"backups": [{"taken": "2026-01-01T00:00:00Z"}]}'),
        ("hello", "its 6 bytes are not JSON"),
        ('{"backups": [{"taken": "2026-01-01T00:00:00"}]}', "a backup has no time `taken` with its zone"),
        (
            '{"backups": [{"taken": "2026-01-01T00:00:00Z", "tested": "yes"}]}',
            "a backup that was `tested` says when, and whether it `passed`",
        ),
    ],
)
def test_a_command_that_garbles_tells_nothing(repository: Repository, output: str, why: str) -> None:
    assert said(judge(repository, command=prints(output))) == (
        Outcome.INCONCLUSIVE,
        f"{sys.executable}: {why}",
    )


def test_a_command_that_fails_and_one_of_a_time_to_come_tell_nothing(repository: Repository) -> None:
    failed = judge(repository, command=("sh", "-c", "exit 3"))
    assert said(failed) == (Outcome.INCONCLUSIVE, "sh ended with 3")
    later = json.dumps({"backups": [{"taken": iso(-HOUR_MS)}]})
    assert judge(repository, command=prints(later)).outcome is Outcome.INCONCLUSIVE


def test_a_folder_that_cannot_be_read_tells_nothing(repository: Repository, tmp_path: Path) -> None:
    around = repository.around()
    around.backups.rmdir()
    around.backups.write_text("no folder", encoding="ascii")
    answer = ask(BACKUPS, BackupsSettings(HOUR), around)
    assert answer.outcome is Outcome.INCONCLUSIVE


def test_settings_that_every_backup_satisfies_are_refused() -> None:
    for bad in ({"oldest": Millis(0)}, {"oldest": HOUR, "least": 0}, {"oldest": HOUR, "spacing": HOUR}):
        with pytest.raises(ValueError, match="least"):
            made(BackupsSettings, **bad)
