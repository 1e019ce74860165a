"""What each source of metrics promises beyond the contract of all of them."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.surroundings import SHELL, around
from tests.integration.liar import lying, says
from tminus.adapters.command.metric import CommandMetric
from tminus.adapters.http.metric import JsonDocument
from tminus.adapters.machine.gauges import MachineGauge
from tminus.domain.plan.metric import (
    CommandSource,
    Headers,
    HttpSource,
    SystemGauge,
    SystemSource,
)
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.fault import Refused

pytestmark = [pytest.mark.integration, pytest.mark.req("R10", "R22")]


def test_a_token_and_secret_headers_are_sent_and_a_missing_secret_is_refused(tmp_path: Path) -> None:
    other = SecretRef(SecretSource.FILE, "tenant")
    headers = Headers((("X-Plain", "yes"),), (("X-Tenant", other),), SHELL)
    with lying(says({"n": 1})) as liar:
        source = HttpSource(liar.url, "/n", headers=headers)
        JsonDocument(source, around(tmp_path, lambda ref: f"value of {ref.text()}")).read(1_000)
        [sent] = liar.headers
        with pytest.raises(Refused, match=r"env:TOKEN has no value|file:tenant has no value"):
            JsonDocument(source, around(tmp_path))
    assert (sent["X-Plain"], sent["X-Tenant"], sent["Authorization"]) == (
        "yes",
        "value of file:tenant",
        "Bearer value of env:TOKEN",
    )


@pytest.mark.parametrize("time", [b"1e9999999", b"-1e9999999", b"100000000000000"])
def test_a_time_that_nobody_can_mean_is_no_evidence(time: bytes, tmp_path: Path) -> None:
    with lying(says(b'{"n": 1, "at": ' + time + b"}")) as liar:
        found = JsonDocument(HttpSource(liar.url, "/n", at="/at"), around(tmp_path)).read(5_000)
    assert found == Missed(MeasuredState.INVALID, "no time that can be meant stands at /at")


def test_a_command_sees_only_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SECRET", "hunter2")
    script = (
        """[ -z "$OTHER_SECRET" ] && [ "$TOKEN$MODE" = s3cret-fast ] && pwd >place && echo '{"value": 1}'"""
    )
    source = CommandSource(("sh", "-c", script), (("MODE", "-fast"),), (("TOKEN", SHELL),))
    found = CommandMetric(source, around(tmp_path, lambda _: "s3cret")).read(5_000)
    assert found == Taken(("1",))
    assert (tmp_path / "place").read_text(encoding="utf-8").strip() == str(tmp_path)


def test_what_a_command_says_of_its_failure_is_told_without_secrets(tmp_path: Path) -> None:
    source = CommandSource(("sh", "-c", 'echo "no: $TOKEN" >&2; exit 4'), secrets=(("TOKEN", SHELL),))
    found = CommandMetric(source, around(tmp_path, lambda _: "s3cret")).read(5_000)
    assert found == Missed(MeasuredState.INVALID, "it ended with 4: no: [secret]")


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    script = """sleep 60 & echo $! >child; echo '{"value": 1}'"""
    found = CommandMetric(CommandSource(("sh", "-c", f"{script}; exit")), around(tmp_path)).read(2_000)
    # Its output stays open in the child, so it has not ended in time; nothing of it may live on.
    assert found == Missed(MeasuredState.SLOW, "it did not end within 2000 ms")
    child = int((tmp_path / "child").read_text(encoding="ascii"))
    ends_at = time.monotonic() + 20
    while runs(child) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert not runs(child)


@pytest.mark.parametrize("gauge", [each for each in SystemGauge if each is not SystemGauge.SLOT_MEMORY])
def test_this_machine_tells_its_gauges(gauge: SystemGauge, tmp_path: Path) -> None:
    source = MachineGauge(SystemSource(gauge), around(tmp_path))
    first = source.read(1_000)
    ends_at = time.monotonic() + 10
    while isinstance(first, Missed) and time.monotonic() < ends_at:
        assert first.state is MeasuredState.EMPTY
        time.sleep(0.05)
        first = source.read(1_000)
    assert isinstance(first, Taken)
    [number] = first.numbers
    assert 0 <= Decimal(number) <= (100 if gauge is not SystemGauge.LOAD else 100_000)
