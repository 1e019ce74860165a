"""What a driver is given: one field per port. Built by the wiring, or by a simulated world."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tminus.domain.canonical import Json
from tminus.ports.clock import Clock
from tminus.ports.jobs import Jobs
from tminus.ports.journal import (
    Claims,
    EvidenceShelf,
    History,
    Inbox,
    Journal,
    LaunchBook,
    SampleRing,
    Shelf,
)
from tminus.ports.router import Router
from tminus.ports.runtime import Addressing, Adoption, Runtime
from tminus.ports.secrets import Secrets
from tminus.ports.signatures import Signatures


class SlotRuntime(Runtime, Addressing, Adoption, Protocol):
    """A runtime that also knows where its instances will answer, and takes over those that run."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a driver talks to.

    Attributes:
        environment: what every instance gets besides the plan's own variables: PATH and little more.
        job_defaults: per kind of work, arguments that depend on this machine and not on the plan.
    """

    clock: Clock
    journal: Journal
    book: LaunchBook
    claims: Claims
    inbox: Inbox
    shelf: Shelf
    ring: SampleRing
    history: History
    evidence: EvidenceShelf
    runtime: SlotRuntime
    router: Router
    jobs: Jobs
    secrets: Secrets
    signatures: Signatures
    environment: Mapping[str, str] = field(default_factory=dict)
    job_defaults: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
