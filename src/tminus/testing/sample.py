"""The sample service as a repository that grows a release for every launch of a stand."""

import os
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

GIT_LIMIT_S = 30.0
BASE = "v1.1.0"
"""The release of the sample that others are made from; its last one is broken on purpose."""

BRISK: Mapping[str, Any] = {
    "run": {"boot": "20s", "stop": "3s"},
    "shift": {"steps": [10, 50, 100], "each": "300ms", "deadline": "15s"},
    "verify": {"for": "1s", "reading": "500ms", "targets": [{"error_rate": "0.1 %", "over": "1s"}]},
    "bake": {"for": "700ms", "reading": "500ms"},
    "watch": {"for": "500ms", "reading": "500ms"},
    "triggers": [
        {"error_rate": "1 %", "over": "2s", "then": "rollback"},
        {"p95": "500ms", "over": "2s", "then": "rollback"},
    ],
    "drain": "5s",
    "meter": "off",
}
"""Laid over the sample's plan: phases that take tenths of a second and need few requests as evidence."""


class Sample:
    """A repository of releases that ail when told to.

    Args:
        directory: of the stand; the repository, its switches and its ledger lie in it.
        source: the folder of the sample service with its `make_repository.py`.
        port: public one of its plans.
        brisk: laid over its plans.
    """

    service = "hello"
    """As its plans name it."""

    def __init__(self, directory: Path, source: Path, port: int, brisk: Mapping[str, Any] = BRISK) -> None:
        """Makes the repository."""
        self.repository = directory / "repository"
        self.ledger = directory / "ledger"
        self._directory = directory
        self._source = source
        self._port = port
        self._brisk = brisk
        self._maker: Mapping[str, Any] = runpy.run_path(str(source / "make_repository.py"))
        self._maker["make_repository"](self.repository, port)
        self.git("checkout", "--quiet", "-B", "main", BASE)
        self._plan = (self.repository / "launch.yaml").read_text(encoding="utf-8")

    def release(self, version: str, plan: Mapping[str, Any] | None = None) -> None:
        """Commits and tags a release that ails by its own switch, with `plan` laid over the plan."""
        package = self.repository / "hello"
        shutil.copy(Path(__file__).with_name("ailing.py"), package / "ailing.py")
        start = package / "__main__.py"
        text = start.read_text(encoding="utf-8")
        if "ailing" not in text:
            text = text.replace("from hello.app", "from hello.ailing import ailing\nfrom hello.app")
            text = text.replace("Server(app,", 'Server(ailing(app, os.environ["STAND_SWITCH"]),')
            start.write_text(text, encoding="utf-8")
        assert "Server(ailing(" in text, "the sample does not start as it used to"
        written = f'"""What this release is."""\n\nRELEASE = "{version}"\nGREETING = "hello"\n'
        (package / "release.py").write_text(written, encoding="utf-8")
        self.write_plan(version, plan)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Release {version}")
        self.git("tag", "--annotate", f"v{version}", "--message", f"hello {version}")

    def write_plan(self, version: str, plan: Mapping[str, Any] | None = None) -> None:
        """Writes launch.yaml of a version without committing it."""
        path = self.repository / "launch.yaml"
        # Of the sample's own plan, so that what one release laid over it is not there in the next.
        tree = yaml.safe_load(self._plan)
        own = {"env": {"HELLO_LEDGER": str(self.ledger), "STAND_SWITCH": str(self.switch(version))}}
        fixed = {"version": version, "source": {"repository": ".", "tag": f"v{version}"}, "run": own}
        for over in (self._brisk, fixed, plan or {}):
            tree = laid_over(tree, over)
        for request in tree.get("critical_paths", []):
            released = request.get("expect", {}).get("json", {})
            if "/release" in released:
                released["/release"] = version
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    def git(self, *arguments: str) -> str:
        """Git in the repository, under a name of its own."""
        who = ["-c", "user.name=Stand", "-c", "user.email=stand@example.org"]
        argv = ["git", "-C", str(self.repository), *who, *arguments]
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            argv, env=environment, check=True, capture_output=True, text=True, timeout=GIT_LIMIT_S
        )
        return done.stdout

    def switch(self, version: str) -> Path:
        """The file that says how the release of that version ails; absent while it is well."""
        return self._directory / f"switch-{version}"

    def duplicates(self, run: str) -> int:
        """Payments of a load's run that reached the service more than once."""
        if not self.ledger.exists():
            return 0
        keys = [key for key in self.ledger.read_text(encoding="utf-8").splitlines() if f'"{run}-' in key]
        return len(keys) - len(set(keys))


def laid_over(tree: Any, over: Any) -> Any:  # noqa: ANN401 - any part of a plan
    """A plan with another laid over it. Mappings are merged key by key, everything else is replaced."""
    if not (isinstance(tree, dict) and isinstance(over, Mapping)):
        return over
    return {**tree, **{key: laid_over(tree.get(key), value) for key, value in over.items()}}
