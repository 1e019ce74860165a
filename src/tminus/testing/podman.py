"""Podman's service for tests, in a folder of its own: it speaks Docker's API."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tminus.testing.docker import DockerError, Program, answers, empty, start_program, unmount_below


class Podman:
    """One service of Podman: its images, its socket, its process."""

    def __init__(self, directory: Path, registry: str) -> None:
        """Makes nothing yet.

        Args:
            directory: short, since it holds a socket.
            registry: host and port that it pulls from without TLS.
        """
        self.directory = directory
        self.url = f"unix://{directory}/p.sock"
        self._registry = registry
        self._program: Program | None = None

    def start(self) -> Self:
        """Starts it and returns when it answers.

        Raises:
            DockerError: it does not; the end of its log is in the text.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        registries = self.directory / "registries.conf"
        lines = ["unqualified-search-registries = []", "[[registry]]"]
        lines += [f'location = "{self._registry}"', "insecure = true"]
        registries.write_text("\n".join(lines) + "\n", encoding="utf-8")
        # Its own defaults are beyond what some machines let even root set.
        settings = self.directory / "containers.conf"
        settings.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n', encoding="utf-8"
        )
        folders = ["--root", str(self.directory / "root"), "--runroot", str(self.directory / "run")]
        argv = ["podman", *folders, "--cgroup-manager", "cgroupfs", "system", "service", "--time=0", self.url]
        log = self.directory / "podman.log"
        environment = {"CONTAINERS_REGISTRIES_CONF": str(registries), "CONTAINERS_CONF": str(settings)}
        self._program = start_program(argv, log, environment)
        if not answers(self.url, self._program):
            self._program.stop()
            raise DockerError(f"podman does not start: {log.read_text(encoding='utf-8')[-2000:]}")
        return self

    def stop(self) -> None:
        """Removes its containers and networks, and stops it."""
        if self._program is not None:
            empty(self.url, self._program)
            self._program.stop()
            self._program = None
            unmount_below(self.directory)

    def __enter__(self) -> Self:
        """Starts it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()
