"""Every probe that looks over the network holds the contract, whatever is at the other end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from tminus.domain.plan.times import Millis
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.probes import ProbeKind, Target
from tminus.probes.dns import DNS, DnsSettings
from tminus.probes.http import HTTP, HttpSettings
from tminus.probes.instances import INSTANCES, InstancesSettings
from tminus.probes.ports import PORTS, PortsSettings
from tminus.probes.postgres import POSTGRES, PostgresSettings
from tminus.probes.prometheus import PROMETHEUS, PrometheusSettings
from tminus.probes.rate_limit import RATE_LIMIT, RateLimitSettings
from tminus.probes.redis import REDIS, RedisSettings
from tminus.probes.registry import REGISTRY, RegistrySettings
from tminus.probes.resources import RESOURCES, ResourcesSettings
from tminus.probes.tls import TLS, TlsSettings
from tminus.probes.uptime import UPTIME, UptimeSettings
from tminus.probes.waf import WAF, WafSettings
from tminus.testing.contract.probes import MARKER, REFERENCE, Faced, Harness, ProbeContract, SettingsContract
from tminus.testing.liars import Scene

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R13", "R14", "R15")]

DIGEST = "sha256:" + "a" * 64
PASSES = frozenset({Outcome.PASS})
FAILS = frozenset({Outcome.FAIL})
ANSWERED = (Scene.NONSENSE, Scene.EMPTY, Scene.DEEP, Scene.ECHOES)
CONNECTED = tuple(each for each in Scene if each is not Scene.DOWN)


@dataclass
class Pointed:
    """A kind of probe, and how it is pointed at an address."""

    kind: ProbeKind
    facing: Callable[[str, int], Faced]
    allowed: Mapping[Scene, frozenset[Outcome]] = field(default_factory=dict)


def url(host: str, port: int, path: str = "/look") -> str:
    return f"http://{host}:{port}{path}"


def service(host: str, port: int) -> Target:
    return Target(url=url(host, port, ""), instances=(f"{host}:{port}",), digest=DIGEST)


HTTP_SETTINGS = HttpSettings("/healthz", expect_json=(("/a", "1"),), token=REFERENCE, within=Millis(400))
PROBES: dict[str, Pointed] = {
    "http": Pointed(HTTP, lambda h, p: Faced(HTTP_SETTINGS, service(h, p))),
    "http-cached": Pointed(
        HTTP, lambda h, p: Faced(HttpSettings(url(h, p), token=REFERENCE, header="X-Key", cached=True))
    ),
    "instances": Pointed(
        INSTANCES,
        lambda h, p: Faced(InstancesSettings(1), service(h, p)),
        # An instance is healthy by its status alone.
        dict.fromkeys(ANSWERED, PASSES),
    ),
    "ports": Pointed(
        PORTS,
        lambda h, p: Faced(PortsSettings((p,), h, ())),
        # What takes a connection is open, whatever it says then.
        {**dict.fromkeys(CONNECTED, PASSES), Scene.DOWN: FAILS},
    ),
    "postgres": Pointed(
        POSTGRES,
        lambda h, p: Faced(
            PostgresSettings(REFERENCE), secret=f"postgresql://shop:{MARKER}@{h}:{p}/shop?sslmode=prefer"
        ),
    ),
    "prometheus": Pointed(
        PROMETHEUS,
        lambda h, p: Faced(PrometheusSettings(url(h, p, ""), rules=("x",), watchdog="W", token=REFERENCE)),
    ),
    "rate-limit": Pointed(RATE_LIMIT, lambda h, p: Faced(RateLimitSettings(20), service(h, p))),
    "redis": Pointed(REDIS, lambda h, p: Faced(RedisSettings((f"{h}:{p}",), REFERENCE, cluster=True))),
    "registry": Pointed(
        REGISTRY,
        lambda h, p: Faced(
            RegistrySettings(f"{h}:{p}/shop/payment", login=REFERENCE), service(h, p), f"launcher:{MARKER}"
        ),
    ),
    "tls": Pointed(TLS, lambda h, p: Faced(TlsSettings(h, p, "shop.test"))),
    "uptime": Pointed(
        UPTIME,
        lambda h, p: Faced(UptimeSettings(url(h, p), "/status", at="/at", token=REFERENCE, header="X-Key")),
    ),
    "waf": Pointed(WAF, lambda h, p: Faced(WafSettings("/search"), service(h, p))),
}
LOCAL: dict[str, Pointed] = {
    "dns": Pointed(DNS, lambda h, p: Faced(DnsSettings("localhost", ("127.0.0.1", "::1")))),
    "resources": Pointed(RESOURCES, lambda h, p: Faced(ResourcesSettings(1, 1, 5_000))),
}


class TestNetworkProbes(ProbeContract):
    @pytest.fixture(params=list(PROBES))
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        return PROBES[request.param]


class TestLocalProbes(SettingsContract):
    @pytest.fixture(params=list(LOCAL))
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        return LOCAL[request.param]
