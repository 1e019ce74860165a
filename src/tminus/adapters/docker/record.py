"""The folder that stands for an image among the artifacts: which image it is, and its evidence."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import Refused

FILE = "tminus-image.json"
MANIFEST = "manifest.json"
SBOM = "sbom.cdx.json"
PROVENANCE = "provenance.intoto.json"
_HEX = 64


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image that was built and pushed.

    Attributes:
        repository: registry and name.
        digest: of the manifest in the registry.
        image: id, the digest of its configuration.
        tag: that it was pushed under.
        commit: that it was built from.
        evidence: digest of each file beside this record, by name.
    """

    repository: str
    digest: str
    image: str
    tag: str
    commit: str
    evidence: Mapping[str, str]

    @property
    def reference(self) -> str:
        """What is pulled: the name with the digest, never a tag."""
        return f"{self.repository}@{self.digest}"


def folder_of(artifacts: Path, digest: str) -> Path:
    """Where the artifact of that digest stands, there or not.

    Raises:
        ValueError: that is no digest.
    """
    value = digest.removeprefix("sha256:")
    if len(value) != _HEX or not value.isalnum():
        raise ValueError(f"{digest!r} is no sha256 digest")
    return artifacts / value


def read_record(folder: Path) -> ImageRecord:
    """The record in that folder.

    Raises:
        Refused: `artifact-missing`: there is no image in it.
    """
    try:
        return ImageRecord(**json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise Refused("artifact-missing", f"{folder} stands for no image") from error


def digest_of_bytes(content: bytes) -> str:
    """`sha256:` and the digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def keep_record(artifacts: Path, record: ImageRecord, files: Mapping[str, bytes]) -> None:
    """Puts the record and its evidence into their folder, all at once or not at all.

    Nothing happens where it stands already: the evidence of an image is made once.

    Raises:
        OSError: it cannot be written.
    """
    target = folder_of(artifacts, record.digest)
    if target.is_dir():
        return
    artifacts.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=".image-", dir=artifacts))
    contents = {**files, FILE: json.dumps(asdict(record), sort_keys=True).encode()}
    try:
        for name, content in contents.items():
            with (place / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            (place / name).chmod(0o444)
        place.rename(target)
        target.chmod(0o555)
    finally:
        if place.is_dir():
            for path in place.iterdir():
                path.unlink()
            place.rmdir()


def verify_record(artifacts: Path, digest: str) -> ImageRecord:
    """The record, after its evidence was read again and compared.

    Raises:
        ProblemError: `artifact-missing`, `artifact-changed`.
    """
    folder = folder_of(artifacts, digest)
    try:
        record = read_record(folder)
    except Refused as error:
        fix = "build the release again: its evidence is made from the image in the registry"
        raise ProblemError(
            Problem("artifact-missing", "the image's record is not there", str(folder), fix=fix)
        ) from error
    for name, wanted in record.evidence.items():
        path = folder / name
        try:
            found = digest_of_bytes(path.read_bytes())
        except OSError:
            found = "nothing"
        if found != wanted:
            problem = Problem(
                "artifact-changed",
                f"the evidence is not what was made: it is {found}, and was {wanted}",
                str(path),
                fix="move that folder away, keep it as evidence, and build the release again",
            )
            raise ProblemError(problem)
    return record
