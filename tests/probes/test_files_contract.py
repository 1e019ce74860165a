"""Every probe that reads what is there holds the contract; those that ask over HTTP whatever answers them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from tminus.domain.plan.times import Millis
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.probes import ProbeKind
from tminus.probes.alert_drill import ALERT_DRILL, AlertDrillSettings
from tminus.probes.backups import BACKUPS, BackupsSettings
from tminus.probes.command import COMMAND, CommandSettings
from tminus.probes.coverage import COVERAGE, CoverageSettings
from tminus.probes.credentials import CREDENTIALS, CredentialsSettings
from tminus.probes.cyclonedx import CYCLONEDX, CyclonedxSettings
from tminus.probes.document import DOCUMENT, DocumentSettings
from tminus.probes.drift import DRIFT, DriftSettings, DriftTool
from tminus.probes.error_tracker import ERROR_TRACKER, ErrorTrackerSettings
from tminus.probes.git import GIT, GitSettings
from tminus.probes.junit import JUNIT, JunitSettings
from tminus.probes.log_round_trip import LOG_ROUND_TRIP, LogRoundTripSettings
from tminus.probes.performance import PERFORMANCE, PerformanceSettings
from tminus.probes.restore import RESTORE, RestoreSettings
from tminus.probes.sarif import SARIF, SarifSettings
from tminus.probes.secrets import SECRETS, SecretsSettings
from tminus.testing.contract.probes import MARKER, REFERENCE, Faced, Harness, ProbeContract, SettingsContract
from tminus.testing.liars import Scene


@dataclass
class Pointed:
    """A kind of probe, and how it is pointed at an address."""

    kind: ProbeKind
    facing: Callable[[str, int], Faced]
    allowed: Mapping[Scene, frozenset[Outcome]] = field(default_factory=dict)


def url(host: str, port: int) -> str:
    return f"http://{host}:{port}"


WRITE = ("true", "{mark}")
OVER_HTTP: dict[str, Pointed] = {
    "alert-drill": Pointed(ALERT_DRILL, lambda h, p: Faced(AlertDrillSettings(url(h, p), token=REFERENCE))),
    "document": Pointed(
        DOCUMENT,
        lambda h, p: Faced(DocumentSettings(url=f"{url(h, p)}/guide", renewed=False, contains=("Rollback",))),
    ),
    "error-tracker": Pointed(
        ERROR_TRACKER,
        lambda h, p: Faced(ErrorTrackerSettings(REFERENCE), secret=f"http://{MARKER}@{h}:{p}/42"),
    ),
    "elasticsearch": Pointed(
        LOG_ROUND_TRIP,
        lambda h, p: Faced(
            LogRoundTripSettings(write_command=WRITE, elasticsearch=url(h, p), query="logs", token=REFERENCE)
        ),
    ),
    "loki": Pointed(
        LOG_ROUND_TRIP,
        lambda h, p: Faced(
            LogRoundTripSettings(write_command=WRITE, loki=url(h, p), query="{}", token=REFERENCE)
        ),
    ),
    "log-by-service": Pointed(
        LOG_ROUND_TRIP,
        lambda h, p: Faced(LogRoundTripSettings(write_url=f"{url(h, p)}/{{mark}}", file="shop.log")),
    ),
}
ANY: dict[str, object] = {
    "backups": (BACKUPS, BackupsSettings(Millis(1), command=("list",), secret=REFERENCE)),
    "command": (COMMAND, CommandSettings(("look",), environment=(("A", "b"),), secret=REFERENCE)),
    "coverage": (COVERAGE, CoverageSettings(("a.xml",), "80 %", oldest=Millis(1))),
    "credentials": (CREDENTIALS, CredentialsSettings("a.json", ("anna",))),
    "cyclonedx": (CYCLONEDX, CyclonedxSettings(("a.json",), oldest_analysis=Millis(1))),
    "drift": (DRIFT, DriftSettings(DriftTool.OPENTOFU, secret=REFERENCE)),
    "git": (GIT, GitSettings(allowed=("docs/*",))),
    "junit": (JUNIT, JunitSettings(("a.xml",))),
    "performance": (PERFORMANCE, PerformanceSettings("a.json", p95=Millis(1))),
    "restore": (RESTORE, RestoreSettings(REFERENCE)),
    "sarif": (SARIF, SarifSettings(("a.sarif",))),
    "secrets": (SECRETS, SecretsSettings()),
}


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.req("R3", "R15", "R17")
class TestOverHttp(ProbeContract):
    @pytest.fixture(params=list(OVER_HTTP))
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        return OVER_HTTP[request.param]


@pytest.mark.req("R3", "R13", "R14", "R16", "R17")
class TestSettings(SettingsContract):
    @pytest.fixture(params=list(ANY))
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        found = ANY[request.param]
        assert isinstance(found, tuple)
        kind, settings = found
        return Pointed(kind, lambda _host, _port: Faced(settings))
