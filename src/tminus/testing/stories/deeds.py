"""What happens in stories: orders of people, a database that stops, locks, disks, and death."""

import json
import subprocess
import tempfile
from pathlib import Path

from tminus.adapters.jobs.identity import kill_marked
from tminus.adapters.jobs.record import record_of
from tminus.domain.launch.alarm import AlertFired
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.event import OrderTaken, TriggerFired
from tminus.domain.launch.phase import ENDING, TERMINAL, Phase
from tminus.engine.decide.launch.work import BACKUP, EXPAND
from tminus.engine.observe import job_name
from tminus.testing.stories.shop import SCHEMA
from tminus.testing.stories.stage import END_LIMIT_S
from tminus.testing.stories.story import Deed, Scene, Told, backups_of

MOUNT_LIMIT_S = 10.0
TINY_DISK = "16k"


def ordered(verb: str, phase: Phase) -> Deed:
    """Somebody orders that in the phase."""

    def deed(scene: Scene) -> None:
        scene.reach(phase)
        answer = scene.order(verb, "--reason", "the shop says so")
        assert answer.returncode == 0, answer.stderr

    return deed


def contracted(scene: Scene) -> None:
    """The contract migration is ordered after stable was retired, and a rollback is refused from then on."""
    scene.reach(Phase.WATCHING)
    scene.stand.post(scene.launch, "hold")  # nothing ends while somebody tries what comes next
    scene.until(lambda: scene.state.hold is not None, "a hold")
    early = scene.order("contract", "--yes")
    assert early.returncode == 0, early.stderr
    refused = scene.order("rollback")
    assert refused.returncode != 0
    assert "past-no-return" in refused.stderr, refused.stderr
    scene.until(lambda: "contract-1" in scene.state.jobs, "the end of the contract migration")
    refused = scene.order("rollback")
    assert "past-no-return" in refused.stderr, refused.stderr
    scene.stand.post(scene.launch, "resume")


def contract_is_done(told: Told) -> None:
    """The schema is what only the release that was launched can live with."""
    assert told.state.jobs["contract-1"].result["after"].startswith("contract_2_0_")


def has_begun(scene: Scene, key: str) -> bool:
    """Whether the job was started."""
    commands = scene.state.commands.values()
    return any(isinstance(each.command, StartJob) and each.command.key == key for each in commands)


# The database.


def database_stops(phase: Phase) -> Deed:
    """The database is gone in the phase, and comes back when the launch is being taken back."""

    def deed(scene: Scene) -> None:
        scene.reach(phase)
        scene.stage.server.stop("immediate")
        ending = ENDING | TERMINAL
        scene.stand.wait(lambda: scene.state.phase in ending, "a launch that is taken back", END_LIMIT_S)
        scene.stand.wait(lambda: scene.state.phase in TERMINAL, "its end, without a database", END_LIMIT_S)
        scene.stage.server.start()

    return deed


def database_stops_for_the_watch(scene: Scene) -> None:
    """The database is gone while only alerts are left, long enough for one, and comes back."""
    scene.reach(Phase.WATCHING)
    scene.stand.post(scene.launch, "hold")
    scene.until(lambda: scene.state.hold is not None, "a hold")
    scene.stage.server.stop("immediate")
    scene.until(lambda: AlertFired.kind in scene.stand.kinds(scene.launch), "an alert")
    scene.stage.server.start()
    scene.stage.wait_payments()
    scene.stand.post(scene.launch, "resume")


def report_left_open(scene: Scene) -> None:
    """Somebody has read payments in a transaction that was never ended: harmless until a migration comes."""
    scene.stage.keep_session("SELECT count(*) FROM payments")


def killed_amid_expand(scene: Scene) -> None:
    """Driver, job and migration are killed between the halves of expand; then another driver comes."""
    scene.until(lambda: _amid_expand(scene), "an expand migration between its halves")
    scene.stand.kill_agents()
    kill_marked(record_of(scene.stand.home.root / "jobs", job_name(scene.launch, EXPAND)).mark)
    assert EXPAND not in scene.state.jobs
    scene.stand.start_agent()


def driver_killed_amid_expand(scene: Scene) -> None:
    """The driver alone is killed; the migration goes on, and the next driver finds it."""
    scene.until(lambda: _amid_expand(scene), "an expand migration between its halves")
    scene.stand.kill_agents()
    scene.stand.start_agent()


def _amid_expand(scene: Scene) -> bool:
    rows = scene.stage.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
    return bool(rows)


def _attempts(told: Told) -> int:
    spec = record_of(told.scene.stand.home.root / "jobs", job_name(told.scene.launch, EXPAND)).read(
        "spec.json"
    )
    assert spec is not None
    attempt = spec["attempt"]
    assert isinstance(attempt, int)
    return attempt


def expanded_once(told: Told) -> None:
    """The migration that was under way when its driver died was not run again."""
    assert _attempts(told) == 1


def expanded_twice(told: Told) -> None:
    """The migration that was killed was run again, from its beginning."""
    assert _attempts(told) > 1
    assert told.state.jobs[EXPAND].result["after"].startswith("expand_2_0_")


def half_is_there(told: Told) -> None:
    """What expand did before it failed is there, and the schema's version says that it has not ended."""
    before_cutover(told)
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'payments'"
    assert told.scene.stage.ask(f"{columns} AND column_name = 'note'") == [(1,)]
    assert told.scene.stage.ask("SELECT version_num FROM alembic_version") == [(SCHEMA,)]


def before_cutover(told: Told) -> None:
    """No request has moved."""
    assert told.state.cutover_ms is None
    assert told.state.step < 0


def lost_nothing(told: Told) -> None:
    """The launch's own loss meter lost nothing either."""
    loss = told.state.loss
    assert loss is not None
    assert loss.sent > 0
    assert (loss.lost, loss.failed, loss.cut) == (0, 0, 0)


def acted_by_itself(told: Told) -> None:
    """Nobody ordered anything: a limit was broken."""
    assert TriggerFired.kind in told.kinds
    assert OrderTaken.kind not in told.kinds
    assert told.state.loss is not None
    assert (told.state.loss.lost, told.state.loss.cut) == (0, 0)


def came_back_cold(told: Told) -> None:
    """Stable was retired, and numbered requests went through the router while it came back."""
    assert told.state.retired
    lost_nothing(told)


# Backups.


def tiny_disk(scene: Scene) -> None:
    """The folder of the backups is on a file system that holds next to nothing."""
    folder = backups_of(scene)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _mount("mount", "-t", "tmpfs", "-o", f"size={TINY_DISK},mode=0700", "tminus-story", str(folder))
    scene.stage.open_sessions.callback(_unmount, folder)


def can_mount() -> bool:
    """Whether this user may mount a file system on this machine."""
    with tempfile.TemporaryDirectory(prefix="tminus-mount-") as folder:
        try:
            _mount("mount", "-t", "tmpfs", "-o", f"size={TINY_DISK}", "tminus-story", folder)
        except (OSError, subprocess.SubprocessError):
            return False
        _mount("umount", folder)
    return True


def _unmount(folder: Path) -> None:
    # Lazily: the agent's own backup by schedule may still be at it, and ends with the same error.
    _mount("umount", "--lazy", str(folder))


def _mount(*command: str) -> None:
    subprocess.run(command, check=True, timeout=MOUNT_LIMIT_S, capture_output=True)


def counts_differ(scene: Scene) -> None:
    """The backup holds one payment fewer than was counted when it was taken."""
    scene.stage.execute("CREATE TABLE IF NOT EXISTS reports (id int)")
    report = scene.stage.keep_session("LOCK TABLE reports IN ACCESS EXCLUSIVE MODE")
    known = set(backups_of(scene).glob("*.dump.json"))
    # The backup waits for the table, so nothing goes on before the launch is held.
    scene.until(lambda: has_begun(scene, BACKUP), "a backup")
    scene.stand.post(scene.launch, "hold")
    scene.until(lambda: scene.state.hold is not None, "a hold")
    report.rollback()
    scene.until(lambda: BACKUP in scene.state.jobs, "the end of the backup")
    (counts,) = set(backups_of(scene).glob("*.dump.json")) - known
    body = json.loads(counts.read_text(encoding="utf-8"))
    for table in body["tables"]:
        table["rows"] += table["table"] == "public.payments"
    counts.write_text(json.dumps(body), encoding="utf-8")
    scene.stand.post(scene.launch, "resume")
    scene.stage.open_sessions.callback(scene.stage.execute, "DROP TABLE reports")


# Death.


def agent_killed(phase: Phase) -> Deed:
    """The driver is killed in the phase, and another one comes at once."""

    def deed(scene: Scene) -> None:
        scene.reach(phase)
        scene.stand.kill_agents()
        scene.stand.start_agent()

    return deed
