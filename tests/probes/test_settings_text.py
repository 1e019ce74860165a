"""What a plan writes to the probes that look over the network, as their settings."""

from typing import Any

import pytest

from tests.docs.test_probes import kind_of
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import Millis
from tminus.plan.probe_kinds import SettingsError, meanings, read_settings
from tminus.plan.tree import parse_tree
from tminus.probes.dns import DnsSettings
from tminus.probes.http import HttpSettings
from tminus.probes.instances import InstancesSettings
from tminus.probes.ports import PortsSettings
from tminus.probes.postgres import PostgresSettings
from tminus.probes.prometheus import PrometheusSettings
from tminus.probes.rate_limit import RateLimitSettings
from tminus.probes.redis import RedisSettings
from tminus.probes.registry import RegistrySettings
from tminus.probes.resources import ResourcesSettings
from tminus.probes.tls import Oldest, TlsSettings
from tminus.probes.uptime import UptimeSettings
from tminus.probes.waf import WafSettings

SECRET = SecretRef(SecretSource.ENV, "PROBE")
WRITTEN: dict[str, tuple[str, object]] = {
    "dns": ("{name: shop.test, addresses: [192.0.2.7]}", DnsSettings("shop.test", ("192.0.2.7",))),
    "http": (
        '{url: /x, status: [200, 204], expect_json: {/up: true, "": x}, token: "env:PROBE", within: 300ms}',
        HttpSettings(
            "/x", (200, 204), expect_json=(("/up", "true"), ("", "x")), token=SECRET, within=Millis(300)
        ),
    ),
    "instances": ("{least: 3, path: /live}", InstancesSettings(3, "/live")),
    "ports": ('{expected: [443], among: ["22", 80-90]}', PortsSettings((443,), among=("22", "80-90"))),
    "postgres": (
        '{url: "env:PROBE", replicas: 2, lag: 5s, primary: yes}',
        PostgresSettings(SECRET, replicas=2, lag=Millis(5_000)),
    ),
    "prometheus": (
        '{url: "http://metrics:9090", jobs: [shop], rules: Watchdog, watchdog: Watchdog}',
        PrometheusSettings("http://metrics:9090", 1, ("shop",), ("Watchdog",), "Watchdog"),
    ),
    "rate-limit": ("{requests: 50, url: /login}", RateLimitSettings(50, "/login")),
    "redis": (
        '{addresses: ["cache:6379"], password: "env:PROBE", cluster: yes}',
        RedisSettings(("cache:6379",), SECRET, cluster=True),
    ),
    "registry": (
        '{image: "registry.test/shop", login: "env:PROBE"}',
        RegistrySettings("registry.test/shop", login=SECRET),
    ),
    "resources": ("{disk_free: 20, load: 150}", ResourcesSettings(20, load=150)),
    "tls": ("{host: shop.test, oldest: 1.3}", TlsSettings("shop.test", oldest=Oldest.TLS_1_3)),
    "uptime": (
        '{url: "https://up.test/shop", value: /state, up: [2, up], at: /at, fresh: 2m}',
        UptimeSettings("https://up.test/shop", "/state", ("2", "up"), "/at", Millis(120_000)),
    ),
    "waf": ("{refused: 406}", WafSettings(refused=(406,))),
}


def read(kind: str, text: str) -> Any:  # noqa: ANN401 - each kind has its own class
    return read_settings(kind_of(kind).settings, parse_tree(text, "launch.yaml").tree)


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_plan_says_settings_as_people_write_them(kind: str) -> None:
    text, expected = WRITTEN[kind]
    assert read(kind, text) == expected


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_every_key_means_can_be_told(kind: str) -> None:
    assert [name for name, meaning in meanings(kind_of(kind).settings).items() if not meaning] == []


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("http", "{url: healthz}", "neither a path that starts with / nor an http or https address"),
        ("rate-limit", "{requests: 500}", "from 2 to 200"),
        ("tls", "{oldest: 1.1}", "'1.1' is not one of 1.2, 1.3"),
        ("ports", "{expected: []  , among: [1-9999]}", "at most 4096"),
        ("redis", "{addresses: [cache]}", "'cache' is no host:port"),
        ("instances", "{least: 0}", "1 or more"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(kind: str, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(kind, text)
    assert why in str(raised.value)
