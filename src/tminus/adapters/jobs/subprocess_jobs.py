"""Jobs as subprocesses, adopted by whoever looks into their directories later."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from tminus.adapters.jobs.identity import MARK_VARIABLE, age_ms, kill_marked, signal_group
from tminus.adapters.jobs.record import JobRecord, record_of
from tminus.adapters.jobs.works import is_known
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.plan.secret import SecretRef, parse_secret_ref
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.jobs import JobSpec
from tminus.ports.secrets import Secrets

PASSED_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "DOCKER_CONFIG",
    "SSH_AUTH_SOCK",
)
STOP_GRACE_MS = 5_000
_GATE_LIMIT_S = (
    2.0  # starting a process takes milliseconds; who waits longer than this waits for a stuck disk
)
_GATE_LOOK_S = 0.01
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SubprocessJobs:
    """Runs each job in a process group of its own, with its state in a directory of its own.

    Works are looked up in the entry-point group `tminus.works`. References under `secrets` in a job's
    arguments (`{"NAME": "env:OTHER"}`) are resolved when it starts and stand in its environment as NAME;
    those under `optional_secrets` too, where they have a value.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        secrets: Secrets,
        *,
        python: str = sys.executable,
        works_module: str | None = None,
        stop_grace_ms: int = STOP_GRACE_MS,
    ) -> None:
        """Takes values and makes no call.

        Args:
            directory: where jobs keep their state; made when first needed, readable by its owner only.
            environment: of it only `PASSED_VARIABLES` reach a job.
            secrets: resolves what arguments refer to.
            python: interpreter that has tminus installed.
            works_module: a module whose `WORKS` mapping is looked at before the entry points.
            stop_grace_ms: between the wish that a job ends and SIGKILL to its group.
        """
        self._directory = directory
        self._environment = {name: environment[name] for name in PASSED_VARIABLES if name in environment}
        self._secrets = secrets
        self._python = python
        self._works_module = works_module
        self._stop_grace_ms = stop_grace_ms

    def start_job(self, spec: JobSpec) -> None:
        """See the port. A lost job is started again after whatever is left of it was killed.

        Raises:
            Refused: `no-such-work`, `secret-missing`, `secret-reference`.
            Unavailable: `job-not-started`, `jobs-busy`.
        """
        if not is_known(spec.work, self._works_module):
            raise Refused("no-such-work", f"no work is named {spec.work!r}")
        environment = self._job_environment(spec)
        record = record_of(self._directory, spec.key)
        with self._gate(), _writing(f"job {spec.key} could not be started"):
            record.directory.mkdir(mode=0o700, exist_ok=True)
            lock = record.lock()
            if lock is None:
                return
            try:
                if _reading(spec.key, record).phase is JobPhase.LOST or not record.has("spec.json"):
                    self._start(spec, record, lock, environment)
            finally:
                os.close(lock)

    def read_jobs(self, keys: Iterable[str]) -> Mapping[str, JobReading]:
        """See the port. A job that overran its deadline, or its grace to stop, is killed on the way.

        The work's `progress.json`, where it wrote one, is the `progress` of a job that runs, and the `result`
        of one that was lost or killed.

        Raises:
            Unavailable: `job-unreadable`, `jobs-busy`.
        """
        records = {key: record_of(self._directory, key) for key in keys}
        with _writing("jobs cannot be read", code="job-unreadable"):
            records = {key: record for key, record in records.items() if record.has("spec.json")}
        if not records:
            return {}
        with self._gate(), _writing("jobs cannot be read", code="job-unreadable"):
            return {key: self._read(key, record) for key, record in records.items()}

    def stop_job(self, key: str) -> None:
        """See the port. Nothing happens to a job that has ended or was never started.

        Raises:
            Unavailable: `job-not-stopped`, `jobs-busy`.
        """
        record = record_of(self._directory, key)
        with self._gate(), _writing(f"job {key} could not be told to stop", code="job-not-stopped"):
            if not record.has("spec.json"):
                return
            lock = record.lock()
            if lock is not None:
                os.close(lock)
                return
            if not record.has("stop.json"):
                self._wish_end(record, "job-stopped", "told to stop, and killed after its grace")
            identity = record.identity()
            if identity is not None:
                signal_group(identity, signal.SIGTERM)

    def forget_job(self, key: str) -> None:
        """See `JobFolders`. What a lost job has left running is killed first.

        Raises:
            Unavailable: `job-not-removed`, `jobs-busy`.
        """
        record = record_of(self._directory, key)
        with self._gate(), _writing(f"job {key} could not be removed", code="job-not-removed"):
            if not record.directory.is_dir():
                return
            lock = record.lock()
            if lock is None:
                return
            try:
                kill_marked(record.mark)
                shutil.rmtree(record.directory)
            finally:
                os.close(lock)

    def _job_environment(self, spec: JobSpec) -> dict[str, str]:
        environment = dict(self._environment)
        for name, ref in _references(spec, "secrets").items():
            environment[name] = self._secrets.resolve(ref)
        for name, ref in _references(spec, "optional_secrets").items():
            with contextlib.suppress(Refused):  # the work says which one it lacks
                environment[name] = self._secrets.resolve(ref)
        return environment

    def _start(self, spec: JobSpec, record: JobRecord, lock: int, environment: Mapping[str, str]) -> None:
        kill_marked(record.mark)
        earlier = record.read("spec.json")
        attempt = cast("int", earlier["attempt"]) + 1 if earlier else 1
        record.remove("pid.json", "stop.json", "progress.json")
        record.reserve()
        record.write(
            "spec.json",
            {
                "key": spec.key,
                "work": spec.work,
                "arguments": spec.arguments,
                "deadline_ms": spec.deadline_ms,
                "stop_grace_ms": self._stop_grace_ms,
                "works_module": self._works_module,
                "attempt": attempt,
                "started_ms": _now_ms(),
            },
        )
        try:
            self._spawn(record, lock, {**environment, MARK_VARIABLE: record.mark})
        except OSError:
            if attempt == 1:
                record.remove("spec.json")
            raise

    def _spawn(self, record: JobRecord, lock: int, environment: Mapping[str, str]) -> None:
        # The child inherits the locked descriptor, so there is no instant at which the job runs unlocked.
        argv = [self._python, "-P", "-m", "tminus.adapters.jobs.runner", str(record.directory), str(lock)]
        with (
            (record.directory / "stdout.log").open("ab") as stdout,
            (record.directory / "stderr.log").open("ab") as stderr,
        ):
            child = subprocess.Popen(
                argv,
                cwd=record.directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(lock,),
                start_new_session=True,
            )
        threading.Thread(target=child.wait, name=f"reap {child.pid}", daemon=True).start()

    def _read(self, key: str, record: JobRecord) -> JobReading:
        lock = record.lock()
        if lock is not None:
            os.close(lock)
            return _reading(key, record)
        if self._is_overdue(record):
            identity = record.identity()
            if identity is not None:
                signal_group(identity, signal.SIGKILL)
            kill_marked(record.mark)
        return JobReading(key, JobPhase.RUNNING, progress=cast("Json", record.read("progress.json")))

    def _is_overdue(self, record: JobRecord) -> bool:
        now_ms = _now_ms()
        wish = record.read("stop.json")
        if wish is not None:
            return now_ms > cast("int", wish["at_ms"]) + self._stop_grace_ms
        spec = record.read("spec.json") or {}
        deadline_ms = cast("int", spec.get("deadline_ms", 0))
        identity = record.identity()
        started_ms = cast("int", spec.get("started_ms", now_ms))
        ran_ms = age_ms(identity) if identity is not None else now_ms - started_ms
        # The runner itself acts at the deadline and after one grace; only a runner that hangs gets here.
        if ran_ms <= deadline_ms + 2 * self._stop_grace_ms:
            return False
        self._wish_end(record, "job-deadline", f"not done within its deadline of {deadline_ms} ms")
        return True

    def _wish_end(self, record: JobRecord, code: str, why: str) -> None:
        record.write("stop.json", {"at_ms": _now_ms(), "code": code, "why": why})

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        """One caller at a time looks at locks: to look at one is to hold it for a moment."""
        with _writing("the directory of jobs cannot be written"):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._directory / "gate", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            ends_at = time.monotonic() + _GATE_LIMIT_S
            while not _try_lock(descriptor):
                if time.monotonic() > ends_at:
                    raise Unavailable("jobs-busy", f"another caller looks at {self._directory} for too long")
                time.sleep(_GATE_LOOK_S)
            yield
        finally:
            os.close(descriptor)


def _references(spec: JobSpec, kind: str) -> dict[str, SecretRef]:
    """Names of variables and what they refer to.

    Raises:
        Refused: `secret-reference`.
    """
    arguments = spec.arguments if isinstance(spec.arguments, dict) else {}
    references = arguments.get(kind) or {}
    if not isinstance(references, dict):
        raise Refused("secret-reference", f"job {spec.key}: `{kind}` maps names to references")
    found: dict[str, SecretRef] = {}
    for name, reference in references.items():
        if not _SECRET_NAME.fullmatch(name) or name in PASSED_VARIABLES or name == MARK_VARIABLE:
            raise Refused("secret-reference", f"job {spec.key}: {name!r} cannot name a secret")
        try:
            found[name] = parse_secret_ref(str(reference))
        except ValueError as error:
            raise Refused("secret-reference", f"job {spec.key}: secret {name}: {error}") from error
    return found


def _reading(key: str, record: JobRecord) -> JobReading:
    """The reading of a job whose process is gone."""
    outcome = record.read("outcome.json")
    if outcome is not None:
        return JobReading(
            key,
            JobPhase(cast("str", outcome["phase"])),
            outcome.get("result"),
            cast("str", outcome["code"]),
            cast("str", outcome["why"]),
        )
    if record.has("outcome.json"):
        return JobReading(key, JobPhase.FAILED, None, "outcome-unreadable", "outcome.json holds no outcome")
    progress = cast("Json", record.read("progress.json"))
    wish = record.read("stop.json")
    if wish is not None:
        return JobReading(key, JobPhase.FAILED, progress, cast("str", wish["code"]), cast("str", wish["why"]))
    why = "its process is gone and left no outcome"
    return JobReading(key, JobPhase.LOST, progress, "job-lost", why)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _writing(what: str, code: str = "job-not-started") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(code, f"{what}: {error.strerror or error}") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
