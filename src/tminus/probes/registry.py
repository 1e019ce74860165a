"""The probe `registry`: the artifact's digest is in its registry, with everything that it stands on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.docker.credentials import Credentials
from tminus.adapters.docker.registry import Manifest, Registry
from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.fault import PortFault
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.guard import guarded

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9._:\[\]-]+(/[a-z0-9._-]+)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MOST_PARTS = 256  # an image has at most 127 layers, an index a handful of images


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What must be in which registry.

    Attributes:
        image: registry and name, without a tag, such as `registry.example.org/shop/payment`.
        digest: what must be there, `sha256:…`; the digest of what is launched where it is not given.
        tag: a tag that must name that digest; empty looks at none.
        login: a secret `user:password`; nobody in particular where it is not given.
    """

    image: str
    digest: str = ""
    tag: str = ""
    login: SecretRef | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        if not _REPOSITORY.fullmatch(self.image):
            raise ValueError(f"{self.image!r} is no registry with a name, such as host:5000/shop/payment")
        if self.digest and not _DIGEST.fullmatch(self.digest):
            raise ValueError(f"{self.digest!r} is no digest sha256:…")
        if self.tag and not _TAG.fullmatch(self.tag):
            raise ValueError(f"{self.tag!r} is no tag")


def _source(settings: RegistrySettings, target: Target) -> str:
    return f"manifest {settings.image}@{settings.digest or target.digest or 'not known yet'}"


def _ask(settings: RegistrySettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    digest = settings.digest or around.target.digest
    credentials = None
    if settings.login is not None:
        user, _, password = around.secret(settings.login).partition(":")
        credentials = Credentials(user, password)
    if not _DIGEST.fullmatch(digest):
        return unknown("the digest of what is launched is not known yet", source)
    deadline = Deadline(limit_ms)
    try:
        with Registry(settings.image, credentials, limit_s=limit_ms / 1000) as registry:
            manifest = registry.manifest(digest)
            if manifest is None:
                return failed("there is no such digest", source)
            return _judged(settings, registry, manifest, digest, deadline)
    except PortFault as fault:
        return unknown(fault.why, source)


def _judged(
    settings: RegistrySettings, registry: Registry, manifest: Manifest, digest: str, deadline: Deadline
) -> Answer:
    source = f"manifest {settings.image}@{digest}"
    excerpt = manifest.content[:1000].decode("utf-8", errors="replace")
    if manifest.digest != digest:
        return unknown(f"it answers with something else, {manifest.digest}", source, excerpt)
    parts = manifest.parts
    if not parts:
        return unknown("it answers with a manifest that names nothing", source, excerpt)
    missing: list[str] = []
    for number, (part, is_manifest) in enumerate(parts[:_MOST_PARTS]):
        if deadline.over:
            why = f"only {number} of its {len(parts)} parts were looked at in time"
            return unknown(why, source, excerpt, parts=len(parts))
        there = registry.manifest(part) is not None if is_manifest else registry.has_blob(part)
        missing += [] if there else [part]
    wrong = [f"{len(missing)} of its {len(parts)} parts are missing: {missing[0]}"] if missing else []
    if settings.tag:
        wrong += _tag_fault(settings.tag, registry, digest)
    if wrong:
        return failed("; ".join(wrong), source, excerpt, parts=len(parts))
    named = f", and {settings.tag} names it" if settings.tag else ""
    return passed(f"it is there with all of its {len(parts)} parts{named}", source, excerpt, parts=len(parts))


def _tag_fault(tag: str, registry: Registry, digest: str) -> Iterator[str]:
    found = registry.manifest(tag)
    if found is None:
        yield f"there is no tag {tag}"
    elif found.digest != digest:
        yield f"{tag} names {found.digest}"


REGISTRY = ProbeKind(RegistrySettings, guarded(_ask, _source))
"""See `RegistrySettings`."""
