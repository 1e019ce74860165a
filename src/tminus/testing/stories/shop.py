"""The sample service with a database, as a repository that grows a release for every story, and its users."""

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tminus.testing.sample import BASE, Sample

RATE_PER_S = 300
CONNECTIONS = 256
LOAD_LIMIT_S = 300
END_LIMIT_S = 60.0
"""Longest that users go on after they were told to leave: their slowest request has ten seconds."""

SOUND, BROKEN, FAILING, WAITING, SLOW = (
    f"{kind}-expand" for kind in ("sound", "broken", "failing", "waiting", "slow")
)
BAD = "v1.2.0"
"""Folders of releases that are laid over the base: by their expand migration, and one bad under load."""

SCHEMA = "contract_1_1_0"
"""Where the schema stands at the beginning of every story."""

MENDING = (
    "ALTER TABLE IF EXISTS logins RENAME TO sessions",
    *(
        f"ALTER TABLE payments DROP COLUMN IF EXISTS {column}"
        for column in ("memo", "note", "noted_by", "approved_by", "risk")
    ),
    f"UPDATE alembic_version SET version_num = '{SCHEMA}'",  # noqa: S608 - of a constant
    "TRUNCATE payments, sessions",
    "DELETE FROM users WHERE id <> 0",  # the guest stays
)
"""Brings the schema back to where it stood, by hand, as a person would after a migration that went wrong; and
empties the tables, so that no story is slower than the one before."""


class Shop(Sample):
    """Releases of the sample service with a database; each made of the same one, with one thing changed."""

    service = "paymentapp"

    def release(self, version: str, plan: Mapping[str, Any] | None = None, overlay: str = SOUND) -> None:
        """Commits and tags a release.

        Args:
            version: of no release before.
            plan: laid over its plan; `contract: True` keeps the overlay's contract migration in it.
            overlay: folder of the sample that is laid over the base.
        """
        more = dict(plan or {})
        keeps_contract = bool(more.pop("contract", False))
        self.git("checkout", "--quiet", "--force", "--detach", BASE)
        revision = re.sub(r"[^0-9a-z]", "_", version)
        words = {"@VERSION@": version, "@REVISION@": revision, "@BASE@": SCHEMA, "@PORT@": str(self._port)}
        self._maker["lay"](self._source / "releases" / overlay, self.repository, words)
        written = f'"""What this release is."""\n\nRELEASE = "{version}"\n'
        (self.repository / "paymentapp" / "release.py").write_text(written, encoding="utf-8")
        found = sorted((self.repository / "migrations" / "versions").glob(f"*_{revision}.py"))
        target = found[-1].stem if found else "expand_1_2_0"  # the bad one brings its own
        migrations = {"expand": _upgrade(target), "deadline": "1m", "lock_timeout": "500ms"}
        if keeps_contract:
            migrations["contract"] = _upgrade(f"contract_{revision}")
        self.write_plan(version, more, migrations)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Release {version}")
        self.git("tag", "--annotate", f"v{version}", "--message", f"{self.service} {version}")

    def first(self, version: str, plan: Mapping[str, Any]) -> None:
        """Commits and tags the release that serves when the first story begins, with the whole schema."""
        self.git("checkout", "--quiet", "--force", "--detach", BASE)
        written = f'"""What this release is."""\n\nRELEASE = "{version}"\n'
        (self.repository / "paymentapp" / "release.py").write_text(written, encoding="utf-8")
        self.write_plan(version, plan, {"expand": _upgrade(SCHEMA), "deadline": "1m"})
        self.git("commit", "--quiet", "--all", "--message", f"Release {version}")
        self.git("tag", "--annotate", f"v{version}", "--message", f"{self.service} {version}")

    def write_plan(
        self,
        version: str,
        plan: Mapping[str, Any] | None = None,
        migrations: Mapping[str, str] | None = None,
    ) -> None:
        """Writes launch.yaml of a version without committing it; what the plan has as None is left out."""
        super().write_plan(version, plan)
        path = self.repository / "launch.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        if migrations is not None:
            tree["database"]["migrations"] = dict(migrations)
        tree = {key: value for key, value in tree.items() if value is not None}
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    def users(self, url: str, run: str) -> "Users":
        """Starts the users of the service at `url`; `run` begins their names and keys."""
        return Users(self._source / "users.py", url, self._directory, run)


class Users:
    """300 requests a second by users who count every one of them, in a process of their own."""

    def __init__(self, program: Path, url: str, directory: Path, run: str) -> None:
        """Starts them."""
        self.run = run
        self._path = directory / f"users-{run}.json"
        self._result: dict[str, Any] | None = None
        argv = [sys.executable, str(program), "--url", url, "--run", run, "--rate", str(RATE_PER_S)]
        argv += ["--seconds", str(LOAD_LIMIT_S), "--connections", str(CONNECTIONS)]
        with self._path.open("wb") as output:
            self.process = subprocess.Popen(argv, cwd=directory, stdout=output, start_new_session=True)

    def end(self) -> dict[str, Any]:
        """Begins no more requests, and returns what came of all once each has its fate."""
        if self._result is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            self.process.wait(END_LIMIT_S)
            self._result = json.loads(self._path.read_text(encoding="utf-8"))
            self._path.unlink()
        assert self._result is not None
        return self._result


def _upgrade(revision: str) -> str:
    return f"python3 -m alembic upgrade {revision}"
