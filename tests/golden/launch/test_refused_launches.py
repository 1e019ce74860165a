"""A launch that must not begin is refused before anything happens, with the whole text an operator reads."""

import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tminus.cli.driving import refuse_damaged
from tminus.cli.launch import enter
from tminus.domain.problem import ProblemError
from tminus.engine.drive import fold_launch
from tminus.wiring import Home, open_home

PLAN = """\
service: shop
version: 1.0.0
run:
  command: python3 -m http.server {port}
  secrets: {DATABASE_URL: env:SHOP_DATABASE_URL}
listen: 127.0.0.1:@PORT@
"""


def git(repository: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.org",
    }
    argv = ["git", "-C", str(repository), *arguments]
    done = subprocess.run(argv, check=True, env=environment, timeout=30, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def repository(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "shop"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch", "main")
    (path / "launch.yaml").write_text(PLAN.replace("@PORT@", str(port)))
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "first")
    git(path, "tag", "--annotate", "v1.0.0", "--message", "first")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    environment = {**os.environ, "SHOP_DATABASE_URL": "postgres://nobody"}
    home = open_home(tmp_path / "home", environment)
    yield home
    home.close()


@pytest.fixture
def refusal(home: Home, repository: Path, port: int) -> Callable[[], str]:
    def text() -> str:
        with pytest.raises(ProblemError) as caught:
            enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=False)
        shown = str(caught.value).replace(str(repository), "REPOSITORY").replace(str(port), "PORT")
        return shown.replace(str(home.root), "HOME")

    return text


def test_a_secret_without_a_value(home: Home, repository: Path, refusal: Callable[[], str]) -> None:
    object.__setattr__(home, "environment", {"PATH": os.environ["PATH"]})
    assert refusal() == (
        "error[secret-missing]: secret env:SHOP_DATABASE_URL: it is empty or not set\n"
        "  where: run.secrets.DATABASE_URL\n"
        "    fix: provide env:SHOP_DATABASE_URL and launch again"
    )


def test_a_tree_with_uncommitted_changes(repository: Path, refusal: Callable[[], str]) -> None:
    (repository / "launch.yaml").write_text((repository / "launch.yaml").read_text() + "# edited\n")
    (repository / "notes.txt").write_text("not added\n")
    assert refusal() == (
        "error[dirty-tree]: 2 uncommitted paths: launch.yaml, notes.txt\n"
        "  where: REPOSITORY\n"
        "    why: what is not committed is not launched, and the plan must be the one that was reviewed\n"
        "    fix: commit or stash them, or launch with --allow-dirty-tree"
    )


def test_a_tag_that_does_not_exist(repository: Path, refusal: Callable[[], str]) -> None:
    git(repository, "tag", "--delete", "v1.0.0")
    assert refusal() == (
        "error[tag-missing]: REPOSITORY has no tag 'v1.0.0' that names a commit; create it with: "
        "git tag --annotate v1.0.0 --message v1.0.0 COMMIT\n"
        "  where: v1.0.0 of REPOSITORY\n"
        '    fix: git tag --annotate v1.0.0 --message "shop 1.0.0", '
        "or name `source.branch` in launch.yaml: then tminus tags its newest commit"
    )


def history(repository: Path, port: int, source: str) -> tuple[str, str]:
    """Two commits: the second has the tag, the first the branch `elsewhere`. The plan gets `source`."""
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "branch", "elsewhere")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "second")
    git(repository, "tag", "--force", "--annotate", "v1.0.0", "--message", "second")
    plan = PLAN.replace("@PORT@", str(port)).replace("run:", f"source: {source}\nrun:", 1)
    (repository / "launch.yaml").write_text(plan.replace("FIRST", first))
    return first, git(repository, "rev-parse", "HEAD")


@pytest.mark.req("R3", "R4")
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{branch: elsewhere}", "commit-not-on-branch"),
        ("{commit: FIRST}", "tag-elsewhere"),
        ("{commit: FIRST, branch: none}", "branch-missing"),
        ("{tag: v1.0.1, commit: abcdef0}", "commit-missing"),
        ("{tag: v1.0.1}", "tag-missing"),
    ],
)
def test_what_the_plan_says_of_a_tag_does_not_hold(
    repository: Path, port: int, home: Home, source: str, code: str
) -> None:
    history(repository, port, source)
    with pytest.raises(ProblemError) as caught:
        enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=True)
    assert [(problem.code, bool(problem.fix)) for problem in caught.value.problems] == [(code, True)]


@pytest.mark.req("R3", "R4")
@pytest.mark.parametrize(
    ("source", "launched"),
    [
        ("{branch: main}", 1),
        ("{tag: v1.0.1, branch: main}", 1),
        ("{tag: v1.0.1, branch: elsewhere}", 0),
        ("{tag: v1.0.1, commit: FIRST, branch: main}", 0),
    ],
)
def test_what_is_launched_is_the_tag_else_what_will_be_tagged(
    repository: Path, port: int, home: Home, source: str, launched: int
) -> None:
    commits = history(repository, port, source)
    row = enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=True)
    assert fold_launch(home.store.journal, home.store.shelf, row.launch)[0].commit == commits[launched]
    assert git(repository, "tag", "--list", "v1.0.1") == ""  # nothing is tagged before it is journalled


@pytest.mark.req("R2", "R3")
def test_a_launch_inside_a_freeze(repository: Path, refusal: Callable[[], str]) -> None:
    plan = repository / "launch.yaml"
    plan.write_text(
        f"{plan.read_text()}freezes: [{{from: 2020-01-01T00:00Z, to: 2999-01-01T00:00Z, why: sale}}]\n"
    )
    git(repository, "commit", "--quiet", "--all", "--message", "freeze")
    assert refusal() == (
        "error[in-freeze]: nothing is launched until 2999-01-01 00:00:00 UTC: sale\n"
        "  where: shop\n"
        "    why: a launch inside a freeze is refused\n"
        "    fix: set `t0` to a time after the freeze, or have `freezes` in launch.yaml changed"
    )


def test_a_lightweight_tag(repository: Path, refusal: Callable[[], str]) -> None:
    git(repository, "tag", "--force", "v1.0.0")
    assert refusal() == (
        "error[tag-not-annotated]: v1.0.0 is a lightweight tag\n"
        "  where: v1.0.0 of REPOSITORY\n"
        "    why: an annotated tag says who released what and when\n"
        '    fix: git tag --annotate --force v1.0.0 --message "shop 1.0.0"'
    )


def test_a_port_that_somebody_else_has(port: int, refusal: Callable[[], str]) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        assert refusal() == (
            "error[port-taken]: somebody else listens on 127.0.0.1:PORT\n"
            "  where: launch.yaml: listen\n"
            "    why: the router of this service needs that address\n"
            "    fix: stop what listens there (ss -ltnp 'sport = :PORT' names it), or set another `listen`; "
            "to take a running service over, see `tminus adopt --help`"
        )


def test_a_second_launch_of_the_service(home: Home, repository: Path, refusal: Callable[[], str]) -> None:
    enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=False)
    first, *rest = refusal().splitlines()
    assert first.startswith("error[launch-running]: shop-1.0.0 is countdown since ")
    assert rest == [
        "  where: shop in production",
        "    why: one launch of a service and environment at a time",
        "    fix: tminus log shop-1.0.0 --follow, or tminus abort shop-1.0.0",
    ]


def test_a_plan_that_was_edited_under_its_launch(
    home: Home, repository: Path, refusal: Callable[[], str]
) -> None:
    enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=False)
    (repository / "launch.yaml").write_text((repository / "launch.yaml").read_text() + "drain: 5s\n")
    git(repository, "commit", "--quiet", "--all", "--message", "edited")
    assert refusal() == (
        "error[plan-edited]: the plan of shop-1.0.0 was edited while that launch is countdown\n"
        "  where: shop\n"
        "    why: a launch runs with the plan it was entered with; nothing of the edit takes effect\n"
        "    fix: undo the edit, use `tminus hold` or `tminus slip`, or abort and launch again"
    )


def test_several_reasons_are_told_at_once(home: Home, repository: Path, refusal: Callable[[], str]) -> None:
    object.__setattr__(home, "environment", {"PATH": os.environ["PATH"]})
    git(repository, "tag", "--delete", "v1.0.0")
    text = refusal()
    assert "error[tag-missing]" in text
    assert "error[secret-missing]" in text


def test_a_journal_that_was_changed(home: Home, repository: Path) -> None:
    row = enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=False)
    with sqlite3.connect(home.root / "journal" / "journal.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE events SET body = replace(body, 'ada', 'eve') WHERE seq = 1")
    with pytest.raises(ProblemError) as caught:
        refuse_damaged(home, row)
    first, *findings = caught.value.problems
    assert first.text().replace(str(home.root), "HOME") == (
        "error[journal-corrupt]: the journal of shop-1.0.0 was changed; tminus decides nothing from it\n"
        "  where: HOME/journal\n"
        "    why: traffic goes on as the router has it, and a candidate on trial loses its lease\n"
        "    fix: tminus verify shop-1.0.0; restore the journal from a backup"
    )
    assert findings
