"""A launch beside a real Prometheus and a real Alertmanager: read, told, silenced, and both restarted."""

import http.client
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.observability import Daemon, free_port, output, program
from tminus.domain.launch import external as ex
from tminus.domain.launch.phase import Phase
from tminus.testing.stand import Stand
from tminus.testing.traffic import LOCAL

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

TOKEN = "an alert's token"
LONG_S = 90.0  # a busy machine may take its time; what is waited for is a condition
FIRING, SILENCED = ex.ExternalState.FIRING, ex.ExternalState.SILENCED
OWN_RULE = {
    "alert": "HighErrorRate",
    "expr": 'sum by (service, environment) (rate(tminus_request_failures_total{class!="meter"}[20s])) > 0',
    "annotations": {"summary": "users see errors"},
}


@dataclass
class Monitoring:
    """Ports and folders of both servers, and the agent that they talk to."""

    folder: Path
    agent: int = field(default_factory=free_port)
    prometheus: int = field(default_factory=free_port)
    alertmanager: int = field(default_factory=free_port)
    daemons: list[Daemon] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOCAL}:{self.alertmanager}"

    def start(self) -> None:
        for daemon in self.daemons:
            daemon.start()

    def stop(self) -> None:
        for daemon in self.daemons:
            daemon.stop()

    def alerts(self) -> dict[str, str]:
        """State by name, as Alertmanager has them."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found = json.load(answer)
        return {each["labels"]["alertname"]: each["status"]["state"] for each in found}


def serve_monitoring(stand: Stand, at: Monitoring) -> None:
    """Configurations as they are exported from the plan, and the servers."""
    plan = str(stand.sample.repository / "launch.yaml")
    rules = yaml.safe_load(stand.run("export", "prometheus", plan).stdout)
    rules["groups"][0]["interval"] = "1s"
    rules["groups"].append({"name": "own", "interval": "1s", "rules": [OWN_RULE]})
    (at.folder / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    scrape = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{LOCAL}:{at.alertmanager}"]}]}]},
        "scrape_configs": [{"job_name": "tminus", "static_configs": [{"targets": [f"{LOCAL}:{at.agent}"]}]}],
    }
    (at.folder / "prometheus.yaml").write_text(yaml.safe_dump(scrape), encoding="utf-8")
    hook = f"http://{LOCAL}:{at.agent}/alerts"
    dead = [f"{role}=webhook:token:http://{LOCAL}:9/{role}" for role in ("on-call", "team", "watchdog")]
    options = [part for each in dead for part in ("--receiver", each)]
    exported = stand.run(
        "export", "alertmanager", plan, "--hook", hook, "--hook-token-file", "token", *options
    ).stdout
    (at.folder / "alertmanager.yaml").write_text(exported, encoding="utf-8")
    (at.folder / "token").write_text(TOKEN, encoding="utf-8")
    output("amtool", "check-config", at.folder / "alertmanager.yaml")
    at.daemons = [
        Daemon(
            "prometheus-alertmanager",
            at.folder,
            [
                "--config.file=alertmanager.yaml",
                "--storage.path=am",
                f"--web.listen-address={LOCAL}:{at.alertmanager}",
                "--cluster.listen-address=",
            ],
        ),
        Daemon(
            "prometheus",
            at.folder,
            [
                "--config.file=prometheus.yaml",
                "--storage.tsdb.path=tsdb",
                f"--web.listen-address={LOCAL}:{at.prometheus}",
            ],
        ),
    ]
    at.start()


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    for name in ("prometheus", "prometheus-alertmanager", "amtool"):
        program(name)
    found = Monitoring(tmp_path)
    yield found
    found.stop()


def plan_with(at: Monitoring) -> Mapping[str, Any]:
    return {
        "bake": {"for": "20m", "reading": "5s"},
        # What rolls back is Prometheus's alert, not tminus's own limits or its router's breaker.
        "triggers": [{"error_rate": "90 %", "over": "2s", "min_requests": 5}],
        "alerts": [{"error_rate": "1 %", "over": "10s", "severity": "critical", "role": "on-call"}],
        "alertmanager": {
            "url": at.url,
            "every": "500ms",
            "alerts": {"HighErrorRate": {"then": "rollback"}, "DiskFull": {"role": "devops"}},
        },
    }


def notice(status: str, began: str) -> bytes:
    alert = {
        "status": status,
        "labels": {"alertname": "DiskFull"},
        "annotations": {"summary": "3 % left"},
        "startsAt": began,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "00d15cfu11",
    }
    return json.dumps({"version": "4", "groupKey": "{}", "status": status, "alerts": [alert]}).encode()


def tell(at: Monitoring, body: bytes, token: str = TOKEN) -> int:
    with closing(http.client.HTTPConnection(LOCAL, at.agent, timeout=20)) as connection:
        connection.request("POST", "/alerts", body=body, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status


def changes(stand: Stand, launch: str, alert: str) -> list[str]:
    """States of an external alert, in the order of the journal."""
    bodies = [each.body for each in stand.records(launch) if each.kind == ex.ExternalAlertChanged.kind]
    return [str(body["state"]) for body in bodies if isinstance(body, dict) and body["alert"] == alert]


@pytest.mark.req("R9", "R10", "R23")
def test_alerts_of_a_real_prometheus_reach_the_launch(
    stand: Stand, monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_ALERT_TOKEN", TOKEN)
    version = "7.0.1"
    stand.sample.release(version, plan_with(monitoring))
    serve_monitoring(stand, monitoring)
    arguments = ("--metrics", str(monitoring.agent), "--alert-token", f"file:{monitoring.folder / 'token'}")
    agent = stand.start("agent", *arguments)
    try:
        launch = stand.enter().launch
        with stand.load(60, run="alerts", limit_s=380):
            stand.wait_phase(launch, Phase.BAKING, limit_s=LONG_S)
            _until(stand, lambda: stand.state(launch).externals.answers is True, "Alertmanager answers")
            _restarts(stand, monitoring, launch)
            _is_told_once(stand, monitoring, launch)
            _is_silenced(stand, monitoring, launch, version)
            _rolls_back(stand, monitoring, launch)
    finally:
        stand.stop_child(agent)


def _until(stand: Stand, condition: Any, what: str) -> None:  # noqa: ANN401 - a callable
    stand.wait(condition, what, LONG_S)


def _restarts(stand: Stand, at: Monitoring, launch: str) -> None:
    """Both servers end in the middle: that is no good news, and their return is."""
    at.stop()
    _until(stand, lambda: stand.state(launch).externals.answers is False, "Alertmanager is missed")
    at.start()
    _until(stand, lambda: stand.state(launch).externals.answers is True, "Alertmanager is back")


def _is_told_once(stand: Stand, at: Monitoring, launch: str) -> None:
    body = notice("firing", "2026-11-23T07:00:00Z")
    assert [tell(at, body), tell(at, body), tell(at, body, token="wrong")] == [200, 200, 401]
    _until(stand, lambda: "firing" in changes(stand, launch, "DiskFull"), "the notice is recorded")
    assert tell(at, body) == 200
    _until(stand, lambda: not stand.home.store.inbox.orders(launch), "every notice is settled")
    assert changes(stand, launch, "DiskFull").count("firing") == 1


def _is_silenced(stand: Stand, at: Monitoring, launch: str, version: str) -> None:
    """The alert is active and silenced: nothing rolls back, and nothing counts as healthy."""
    arguments = (f"--alertmanager.url={at.url}", "silence")
    add = ("add", "alertname=HighErrorRate", "--comment=known", "--author=ann", "--duration=1h")
    silence = output("amtool", *arguments, *add).strip()
    stand.sample.switch(version).write_text("errors=20", encoding="utf-8")
    _until(stand, lambda: at.alerts().get("HighErrorRate") == "suppressed", "Prometheus's alert is silenced")
    _until(stand, lambda: changes(stand, launch, "HighErrorRate")[-1:] == ["silenced"], "the launch knows")
    told = stand.run("why", launch, "--json").stdout
    assert "silenced in Alertmanager, which is not healthy" in told
    state = stand.state(launch)
    assert state.phase is Phase.BAKING
    _until(stand, lambda: at.alerts().get("ErrorRateAbove1Percent") == "active", "the exported rule fires")
    fired = {alarm.fired.rule for alarm in stand.state(launch).alarms.firing.values()}
    assert "error rate above 1 %" in fired
    output("amtool", *arguments, "expire", silence)


def _rolls_back(stand: Stand, at: Monitoring, launch: str) -> None:
    del at
    state = stand.wait_end(launch, LONG_S)
    assert state.outcome == "rolled-back"
    assert state.phase_why == "HighErrorRate: fires in Alertmanager: users see errors"
    assert "alert-fired" in stand.kinds(launch)
