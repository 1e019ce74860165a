"""What is said about an image beside it: its bill of materials and where it came from. Pure."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from tminus.adapters.docker.packages import Found
from tminus.domain.canonical import Json, canonical_bytes

_COVERED = "Debian and Alpine package databases, Python dist-info and egg-info, package.json in node_modules"
_NOT_COVERED = "RPM, Go, Java and Rust packages, and files that no package manager has a record of"


@dataclass(frozen=True, slots=True)
class Origin:
    """How an image came to be; times in milliseconds since the epoch."""

    repository: str
    digest: str
    source: str
    tag: str
    commit: str
    file: str
    context: str
    target: str
    arguments: tuple[tuple[str, str], ...]
    job: str
    started_ms: int
    ended_ms: int


def sbom(origin: Origin, found: Found) -> bytes:
    """A CycloneDX 1.5 bill of materials; the same image gives the same components."""
    name, value = origin.repository, origin.digest.removeprefix("sha256:")
    properties: list[Json] = [
        {"name": "tminus:covers", "value": _COVERED},
        {"name": "tminus:does-not-cover", "value": _NOT_COVERED},
        {"name": "tminus:distribution", "value": " ".join(found.system).strip() or "unknown"},
    ]
    properties += [{"name": "tminus:not-read", "value": each} for each in found.unread]
    if found.cut:
        properties.append({"name": "tminus:cut", "value": "more packages are installed than are listed"})
    components: list[Json] = [
        {
            "type": "library",
            "bom-ref": each.purl,
            "name": each.name,
            "version": each.version,
            "purl": each.purl,
            "properties": [{"name": "tminus:location", "value": each.location}],
        }
        for each in found.packages
    ]
    return canonical_bytes(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, origin.digest)}",
            "version": 1,
            "metadata": {
                "timestamp": instant(origin.ended_ms),
                "tools": {"components": [_tool()]},
                "component": {
                    "type": "container",
                    "bom-ref": origin.digest,
                    "name": name,
                    "version": origin.digest,
                    "hashes": [{"alg": "SHA-256", "content": value}],
                },
                "properties": properties,
            },
            "components": components,
        }
    )


def provenance(origin: Origin) -> bytes:
    """An in-toto statement of version 1 with a SLSA provenance; it is not signed."""
    parameters: Json = {
        "source": origin.source,
        "tag": origin.tag,
        "dockerfile": origin.file,
        "context": origin.context,
        "target": origin.target,
        "arguments": dict(origin.arguments),
    }
    subject: Json = {
        "name": origin.repository,
        "digest": {"sha256": origin.digest.removeprefix("sha256:")},
    }
    material: Json = {"uri": f"git+{origin.source}", "digest": {"gitCommit": origin.commit}}
    return canonical_bytes(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "urn:tminus:build:docker:1",
                    "externalParameters": parameters,
                    "resolvedDependencies": [material],
                },
                "runDetails": {
                    "builder": {"id": "urn:tminus:agent", "version": {"tminus": version("tminus")}},
                    "metadata": {
                        "invocationId": origin.job,
                        "startedOn": instant(origin.started_ms),
                        "finishedOn": instant(origin.ended_ms),
                    },
                },
            },
        }
    )


def instant(at_ms: int) -> str:
    """RFC 3339, as both formats want it."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tool() -> Json:
    return {"type": "application", "name": "tminus", "version": version("tminus")}
