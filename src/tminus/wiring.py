"""The only composition root: which adapter stands behind which port. Nothing else builds one."""

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.database.store import Store, sqlite_store
from tminus.adapters.docker.dialing import default_engine
from tminus.adapters.docker.keeper import Keeper
from tminus.adapters.haproxy.router import HaproxyRouter
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.machine.home import HOME_VARIABLE, driver_socket, home_path
from tminus.adapters.nginx.router import NginxRouter
from tminus.adapters.postgres.standing import check_archiving
from tminus.adapters.postgres.stored import PostgresBackups
from tminus.adapters.process.keepers import Keepers
from tminus.adapters.process.runtime import ProcessRuntime
from tminus.adapters.seal.head import HeadSeal
from tminus.adapters.seal.key import SealKey
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.adapters.ssh.check import SshSignatures
from tminus.adapters.supervisor.client import Supervisor
from tminus.adapters.supervisor.departures import Departures
from tminus.adapters.supervisor.identity import MARKER, marker_of
from tminus.adapters.traefik.router import TraefikRouter
from tminus.domain.canonical import Json
from tminus.domain.launch.event import UnknownEventError
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.router import RouterChoice, RouterName
from tminus.domain.problem import Problem, ProblemError
from tminus.engine.drive import fold_launch
from tminus.engine.ports import Ports
from tminus.engine.upkeep import UpkeepPorts
from tminus.ports.clock import Clock
from tminus.ports.fault import PortFault, Refused
from tminus.ports.journal import LaunchRow
from tminus.ports.router import Router

INSTANCE_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""What an instance inherits; everything else it needs stands in the plan."""

ONCE_PROGRAM = "tminus.adapters.docker.once"
"""Runs a command once in a container, for works that know nothing of containers."""


@dataclass(frozen=True)
class Home:
    """Everything that tminus keeps on this machine, in one folder readable by its owner only.

    Attributes:
        root: the folder.
        environment: of this process; adapters take from it what they need, by name.
    """

    root: Path
    environment: Mapping[str, str]

    @cached_property
    def store(self) -> Store:
        """The journal and what stands beside it.

        Raises:
            Refused: `journal-corrupt`, `journal-newer`, `journal-foreign`.
            Unavailable: it cannot be opened now.
        """
        self.make()
        return sqlite_store(self.root / "journal" / "journal.db")

    @cached_property
    def seal(self) -> HeadSeal:
        """Signs the heads of journals, apart from the database."""
        self.make()
        return HeadSeal(SealKey(self.root / "keys" / "seal.pem"), self.root / "heads")

    @cached_property
    def jobs(self) -> SubprocessJobs:
        """Long work."""
        return self.jobs_in(Path.cwd())

    def jobs_in(self, directory: Path) -> SubprocessJobs:
        """Long work whose secrets from files and commands are looked for in a directory."""
        secrets = ReferenceSecrets(self.environment, directory)
        return SubprocessJobs(self.root / "jobs", self.environment, secrets)

    def make(self) -> None:
        """Makes the folder where it is missing.

        Raises:
            ProblemError: `home-not-private` or `home-unwritable`.
        """
        try:
            for part in ("", "journal", "keys", "heads", "drivers", "artifacts", "services"):
                (self.root / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ProblemError(
                Problem(
                    "home-unwritable",
                    f"tminus cannot keep its state: {error.strerror}",
                    str(self.root),
                    "journal, artifacts and sockets live there",
                    f"make the folder writable, or set {HOME_VARIABLE} to one that is",
                )
            ) from error
        mode = stat.S_IMODE(self.root.stat().st_mode)
        if mode & 0o022:
            raise ProblemError(
                Problem(
                    "home-not-private",
                    "others may write where tminus keeps its state",
                    str(self.root),
                    "whoever writes there can change what is deployed",
                    f"chmod 700 {self.root}",
                )
            )

    def service_directory(self, service: str, environment: str) -> Path:
        """State of one service in one environment; another one after tminus was taken away from it.

        What was left running keeps its own directory, so that nothing of it is ever taken for ours again.
        """
        name = f"{service}-{environment}"
        left = len(self.departures(service, environment).read())
        return self.root / "services" / (f"{name}.{left + 1}" if left else name)

    def departures(self, service: str, environment: str) -> Departures:
        """When tminus was taken away from a service."""
        return Departures(self.root / "services" / f"{service}-{environment}.left")

    def left_ms(self, service: str, environment: str) -> int | None:
        """When tminus was last taken away from a service, None where it never was."""
        found = self.departures(service, environment).read()
        return found[-1].at_ms if found else None

    def stopped(self, service: str, environment: str) -> bool:
        """Whether everything of a service was ended when tminus was last taken away from it."""
        found = self.departures(service, environment).read()
        return bool(found) and found[-1].stopped

    def supervisor(self, service: str, environment: str, *, revives: bool = True) -> Supervisor:
        """The supervisor of a service; one that `revives` is started by whoever asks it something."""
        return Supervisor(self.service_directory(service, environment), revives=revives)

    def runtime(self, service: str, environment: str, *, revives: bool = True) -> ProcessRuntime:
        """The runtime of a service."""
        directory = self.service_directory(service, environment)
        supervisor = self.supervisor(service, environment, revives=revives)
        keepers = Keepers(supervisor, self.containers(service, environment, revives=revives))
        return ProcessRuntime(keepers, self.root / "artifacts", directory / "slots")

    def containers(self, service: str, environment: str, *, revives: bool = True) -> Keeper:
        """What keeps a service's containers."""
        directory = self.service_directory(service, environment) / "slots"
        network = _network(service, environment)
        return Keeper(directory, network, self.engine, self.environment, revives=revives)

    @property
    def engine(self) -> str:
        """Address of this machine's own container engine, there or not."""
        return default_engine(self.environment)

    def router(
        self, service: str, environment: str, *, revives: bool = True, choice: RouterChoice | None = None
    ) -> Router:
        """The router of a service: the one chosen, or that of the service's newest launch."""
        supervisor = self.supervisor(service, environment, revives=revives)
        directory = self.service_directory(service, environment) / "router"
        chosen = choice or self.router_choice(service, environment)
        if chosen.name is RouterName.NGINX:
            return NginxRouter(directory, Path(chosen.file), chosen.reload, chosen.test)
        if chosen.name is RouterName.TRAEFIK:
            return TraefikRouter(supervisor, supervisor, directory)
        return HaproxyRouter(supervisor, supervisor, directory)

    def router_choice(self, service: str, environment: str) -> RouterChoice:
        """The router that the plan of the service's newest launch chose; the default before the first."""
        rows = self.store.book.launches(service, environment)
        return self._choice_of(rows[-1].launch) if rows else RouterChoice()

    def _choice_of(self, launch: str) -> RouterChoice:
        known: dict[str, RouterChoice] = self.__dict__.setdefault("choices", {})
        if launch not in known:
            try:
                state: LaunchState | None = fold_launch(self.store.journal, self.store.shelf, launch)[0]
            except (PortFault, UnknownEventError):
                state = None  # whoever reads the journal next says what is wrong with it
            if state is None:
                return RouterChoice()
            known[launch] = state.plan.router
        return known[launch]

    def holds_port(self, service: str, environment: str) -> bool:
        """Whether the service's own router runs, and so holds its public address."""
        supervisor = self.supervisor(service, environment)
        try:
            return bool(supervisor.running()) and "router" in supervisor.programs()
        except PortFault:
            return False

    def driver_socket(self, launch: str) -> Path:
        """Where the driver of a launch listens for orders."""
        return driver_socket(self.root, launch)

    def ports(
        self,
        row: LaunchRow,
        clock: Clock | None = None,
        directory: Path | None = None,
        *,
        revives: bool = True,
    ) -> Ports:
        """Everything the driver of a launch talks to.

        Args:
            row: the launch.
            clock: the driver's own, when orders should be able to wake it.
            directory: of the plan; secrets from files and commands start there.
            revives: start a supervisor that does not run; not for whoever only looks.
        """
        store = self.store
        return Ports(
            clock=clock or SystemClock(),
            journal=store.journal,
            book=store.book,
            claims=store.claims,
            inbox=store.inbox,
            shelf=store.shelf,
            ring=store.ring,
            history=store.history,
            evidence=store.evidence,
            runtime=self.runtime(row.service, row.environment, revives=revives),
            router=self.router(
                row.service, row.environment, revives=revives, choice=self._choice_of(row.launch)
            ),
            jobs=self.jobs,
            secrets=ReferenceSecrets(self.environment, directory or Path.cwd()),
            signatures=SshSignatures(),
            environment=self.instance_environment(),
            job_defaults=self._job_defaults(row),
        )

    def instance_environment(self) -> dict[str, str]:
        """What every instance gets besides the plan's own variables."""
        inherited = {name: self.environment[name] for name in INSTANCE_VARIABLES if name in self.environment}
        # Bytecode written into an artifact would change what its digest stands for.
        return {**inherited, "PYTHONDONTWRITEBYTECODE": "1"}

    def backups(self, service: str, environment: str) -> Path:
        """Where backups of a service's database are kept."""
        return self.root / "backups" / f"{service}-{environment}"

    @property
    def attachments(self) -> Path:
        """Where files that people attach to statements are kept, each under its digest."""
        return self.root / "attachments"

    def upkeep(self, service: str, environment: str) -> UpkeepPorts:
        """Everything that the upkeep of a service's database talks to."""
        store = self.store
        return UpkeepPorts(
            journal=store.journal,
            shelf=store.shelf,
            book=store.book,
            notes=store.upkeep,
            store=PostgresBackups(),
            jobs_of=self.jobs_in,
            folders=self.jobs,
            directory=self.backups(service, environment),
            left_ms=partial(self.left_ms, service, environment),
        )

    def check_archiving(self, plan: Plan) -> None:
        """Asks the plan's database, and this machine, for what base backups and an archive of the log need.

        Raises:
            Refused: what is missing.
            Unavailable: the database does not answer.
        """
        if plan.database is not None:
            secrets = ReferenceSecrets(self.environment, Path(plan.source.repository))
            check_archiving(secrets.resolve(plan.database.url))

    def _job_defaults(self, row: LaunchRow) -> Mapping[str, Mapping[str, Json]]:
        artifacts: dict[str, Json] = {"artifacts_directory": str(self.root / "artifacts")}
        images: Mapping[str, Json] = {**artifacts, "engine": self.engine}
        order: Mapping[str, Json] = {
            "engine": self.engine,
            "keeper": self.containers(row.service, row.environment).name,
            "network": _network(row.service, row.environment),
        }
        once: Json = {"program": [sys.executable, "-P", "-m", ONCE_PROGRAM], "order": dict(order)}
        marker = marker_of(self.service_directory(row.service, row.environment))
        return {
            **dict.fromkeys(("verify-artifact", "artifact-smoke"), artifacts),
            "build": {**artifacts, "launch": row.launch},
            "build-image": {**images, "launch": row.launch},
            **dict.fromkeys(("verify-image", "pull-image"), images),
            **{work: {**artifacts, "once": once} for work in ("migrate", "command")},
            "check": {"backups": str(self.backups(row.service, row.environment))},
            "backup": {"directory": str(self.backups(row.service, row.environment))},
            "resources": {"directory": str(self.root)},
            "measure": {**artifacts, "directory": str(self.root), "programs": f"{MARKER}={marker}"},
        }

    def close(self) -> None:
        """Closes the journal where it was opened."""
        with suppress(KeyError):
            self.__dict__["store"].close()


def _network(service: str, environment: str) -> str:
    return f"tminus-{service}-{environment}"


def open_home(root: Path | None = None, environment: Mapping[str, str] | None = None) -> Home:
    """The home of this user, or the one at `root`. Nothing is made before it is needed."""
    variables = os.environ if environment is None else environment
    return Home((root or home_path(variables)).absolute(), dict(variables))


def find_launch(home: Home, name: str | None, plan_file: Path = Path("launch.yaml")) -> LaunchRow:
    """The launch of that id, the newest of that service, or the newest of the plan in this folder.

    Raises:
        ProblemError: `launch-not-found`.
    """
    rows = home.store.book.launches()
    wanted = name or _service_of(plan_file)
    found = [row for row in rows if wanted is None or wanted in (row.launch, row.service)]
    if found:
        return found[-1]
    known = ", ".join(sorted({row.service for row in rows})) or "none yet"
    raise ProblemError(
        Problem(
            "launch-not-found",
            f"there is no launch of {wanted!r}" if wanted else "nothing was launched yet",
            str(home.root),
            f"launched here: {known}",
            "name a service or a launch, or run `tminus launch`",
        )
    )


def _service_of(plan_file: Path) -> str | None:
    if not plan_file.exists():
        return None
    from tminus.plan.load import load_plan  # noqa: PLC0415 - pydantic is loaded where a plan is read

    try:
        return load_plan(plan_file).plan.service
    except ProblemError:
        return None


def refuse_missing_home(home: Home) -> None:
    """For verbs that only read: an empty home is told instead of made.

    Raises:
        Refused: `journal-missing`.
    """
    if not (home.root / "journal" / "journal.db").exists():
        raise Refused("journal-missing", f"there is no journal in {home.root}")
