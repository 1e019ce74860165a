"""`tminus backups`: the whole text that an operator reads, and the same for machines."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tminus.cli.backups import Overview, overview_json, overview_lines
from tminus.cli.main import group
from tminus.domain.plan.database import Backups, Database
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tminus.domain.readiness.upkeep import Begun, Deferred, Ended, StoredBackup, UpkeepState, Work
from tminus.engine.decide.readiness.upkeep import Due, after
from tminus.engine.upkeep import Basis
from tminus.wiring import open_home

pytestmark = pytest.mark.req("R16")

RPO = Backups(rpo_ms=MINUTE_MS)
T = 1_766_239_200_000
WAITS = Deferred(Work.BACKUP, T - MINUTE_MS, "shop-2.0.0 has the database: it is past T-35m")
FAILED = Ended(Work.RESTORE_TEST, "k", passed=False, code="disk-full", why="no space left")
OLD = StoredBackup(
    "/b/1", T - 2 * HOUR_MS, 3 << 20, "sha256:0123456789abcdef", 2, 30, T - HOUR_MS, True, 4200
)
NEW = StoredBackup("/b/2", T - HOUR_MS - MINUTE_MS, 4 << 20, "sha256:fedcba9876543210", 2, 31)
OVERVIEW = Overview(
    service="shop",
    environment="production",
    directory="/b",
    now_ms=T,
    basis=Basis("shop-1.0.0", Database(parse_secret_ref("env:SHOP")), Path("/r"), 0),
    agent=True,
    occupied="shop-2.0.0 has the database: it is past T-35m",
    state=after(UpkeepState(), [WAITS, FAILED], T - SECOND_MS),
    backups=(OLD, NEW),
    due={Work.BACKUP: Due(T - MINUTE_MS), Work.RESTORE_TEST: Due(T + DAY_MS)},
    notes=[(WAITS, T - SECOND_MS)],
)
TEXT = """\
shop in production, backups in /b
every 1h, kept for 1d, restored every 7d, by the plan of shop-1.0.0

age   taken                    size     tables  rows  digest               restore test
1h1m  2025-12-20 12:59:00 UTC  4.0 MiB  2       31    sha256:fedcba987654  not yet
2h    2025-12-20 12:00:00 UTC  3.0 MiB  2       30    sha256:0123456789ab  passed 1h ago

would be lost now    1h1m: what was written since the newest backup
restored in          4.2 s, counted and compared, at 2025-12-20 13:00:00 UTC
next backup          due since 1m (2025-12-20 13:59:00 UTC)
backup waits         due 2025-12-20 13:59:00 UTC: shop-2.0.0 has the database: it is past T-35m
next restore test    in 1d (2025-12-21 14:00:00 UTC)
restore test failed  1 in a row, last 2025-12-20 13:59:59 UTC: no space left [disk-full]

lately
  2025-12-20 13:59:59 UTC  backup due 2025-12-20 13:59:00 UTC is deferred: \
shop-2.0.0 has the database: it is past T-35m
"""


def test_everything_is_shown() -> None:
    assert "\n".join(overview_lines(OVERVIEW)) + "\n" == TEXT


ARCHIVED = replace(
    OVERVIEW,
    basis=Basis("shop-1.0.0", Database(parse_secret_ref("env:SHOP"), backups=RPO), Path("/r"), 0),
    backups=(replace(NEW, whole=True, unbroken=True),),
    archive={"covered_ms": T - 3 * SECOND_MS, "line": "x", "why": ""},
)


def test_with_an_archive_what_would_be_lost_is_counted_from_the_log() -> None:
    lines = list(overview_lines(ARCHIVED))
    assert lines[2] == "at most 1m may be lost: the log is archived"
    assert "would be lost now    3s: what was written since the log that is archived" in lines
    assert overview_json(ARCHIVED)["loss_ms"] == 3 * SECOND_MS


def test_a_log_that_no_backup_leads_into_saves_nothing() -> None:
    gap = replace(ARCHIVED, backups=(replace(NEW, whole=True, unbroken=False),))
    assert overview_json(gap)["loss_ms"] == HOUR_MS + MINUTE_MS


def test_what_is_wrong_with_the_archive_is_told() -> None:
    ailing = replace(ARCHIVED, archive={"covered_ms": T, "why": "no room [disk-full]"})
    assert "the archive          no room [disk-full]" in overview_lines(ailing)


def test_a_missing_agent_is_told() -> None:
    lines = list(overview_lines(replace(OVERVIEW, agent=False)))
    assert lines[2] == "no agent runs, so nothing is done by schedule: run `tminus agent`"


def test_what_runs_is_shown_instead_of_what_is_next() -> None:
    running = after(UpkeepState(), [Begun(Work.BACKUP, "k", T, 0)], T - MINUTE_MS)
    lines = list(overview_lines(replace(OVERVIEW, state=running)))
    assert "backup runs          since 2025-12-20 13:59:00 UTC" in lines


def test_without_a_schedule_or_a_backup_that_is_said() -> None:
    due = dict.fromkeys(Work)
    bare = replace(OVERVIEW, basis=None, backups=(), due=due, state=UpkeepState(), notes=[])
    assert list(overview_lines(bare)) == [
        "shop in production, backups in /b",
        "no schedule: no launch that was promoted and stands has a plan with a database",
        "",
        "no backup yet",
        "",
    ]


def test_machines_read_the_same() -> None:
    body = json.loads(json.dumps(overview_json(OVERVIEW)))
    assert (body["loss_ms"], body["restored_in_ms"]) == (HOUR_MS + MINUTE_MS, 4200)
    assert body["works"]["backup"]["deferred"]["why"] == WAITS.why
    assert body["works"]["restore-test"]["last"]["code"] == "disk-full"
    assert [each["path"] for each in body["backups"]] == ["/b/1", "/b/2"]
    assert body["schedule"]["every_ms"] == HOUR_MS


def test_a_service_without_a_database_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMINUS_HOME", str(tmp_path / "home"))
    open_home().store.close()
    outcome = CliRunner().invoke(group, ["backups", "shop"])
    assert "launch-not-found" in str(outcome.exception)
