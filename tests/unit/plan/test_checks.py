"""`checks` of a plan: the handbook's items, what replaces them, and what is refused with its position."""

from dataclasses import dataclass
from enum import StrEnum

import pytest

from tests.architecture.tree import ROOT
from tminus.domain.codec import from_json, to_json
from tminus.domain.plan.checklist import Attested, CheckItem, Checks, GateAction, LeftOut, Probed, Worked
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import DAY_MS, MINUTE_MS, Millis
from tminus.domain.problem import ProblemError
from tminus.domain.readiness.answer import Answer, passed
from tminus.plan import check_build
from tminus.plan.handbook_checks import handbook_items
from tminus.plan.load import load_plan_text
from tminus.ports.probes import Around, ProbeKind

HEAD = "service: shop\nversion: 1.0.0\nrun: {command: serve}\n"


NO_LIMIT = Millis(0)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class LampSettings:
    """A lamp.

    Attributes:
        url: where it is; a path of the service.
        colour: that it must show.
        count: of lamps.
        within: how long it may take.
        hosts: that have one.
        ports: of these.
        headers: to send.
        token: that opens it.
        strict: whether it must shine steadily.
    """

    url: str
    colour: Colour = Colour.GREEN
    count: int = 1
    within: Millis = NO_LIMIT
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    token: SecretRef | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("`count` must be 1 or more")


def ask(settings: LampSettings, around: Around, limit_ms: int) -> Answer:
    return passed("it shines", settings.url)


LAMP = ProbeKind(LampSettings, ask)


@pytest.fixture(autouse=True)
def lamp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_build, "find_probe_kind", lambda name: LAMP if name == "lamp" else None)
    monkeypatch.setattr(check_build, "probe_names", lambda: ("lamp",))


def plan_of(text: str) -> Plan:
    return load_plan_text(HEAD + text).plan


def checks_of(text: str) -> Checks:
    checks = plan_of(text).checks
    assert checks is not None
    return checks


def item_of(text: str, name: str = "own/lamp") -> CheckItem:
    lines = "".join(f"      {line}\n" for line in text.splitlines())
    found = checks_of(f"checks:\n  handbook: no\n  items:\n    {name}:\n{lines}").item(name)
    assert found is not None
    return found


def asks_in(checks: Checks, name: str) -> Probed | Worked | Attested:
    found = checks.item(name)
    assert found is not None
    return found.asks


def refusals(text: str) -> str:
    with pytest.raises(ProblemError) as refusal:
        load_plan_text(HEAD + text)
    return str(refusal.value)


@pytest.mark.parametrize("text", ["", "checks: off\n"])
def test_nothing_is_checked_where_the_plan_does_not_say_so(text: str) -> None:
    assert plan_of(text).checks is None


@pytest.mark.req("R3", "R13", "R14", "R15", "R16", "R17")
def test_the_handbook_has_its_three_checklists() -> None:
    items = checks_of("checks: handbook\n").items
    counts = [
        sum(item.checklist == name for item in items)
        for name in ("pre-deployment", "production", "pre-launch")
    ]
    assert (counts, len(items)) == ([10, 21, 21], 52)
    assert all(item.title and item.owner and item.keeps_ms > 0 and item.blocks for item in items)


def test_every_binding_of_the_handbook_is_readable_by_its_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    database = "database: {url: env:DATABASE_URL}\n"
    assert checks_of(f"{database}checks: handbook\n").items
    bound = {binding.probe for item in handbook_items().values() for binding in item.asks if binding.probe}
    named = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert [name for name in bound if f"\n{name} = " not in named] == []


def test_the_works_of_a_launch_answer_where_the_plan_has_them() -> None:
    alone = checks_of("checks: handbook\n")
    assert asks_in(alone, "pre-deployment/final-testing") == Worked(("artifact-smoke",))
    assert isinstance(asks_in(alone, "pre-deployment/backups-restored"), Attested)
    with_database = checks_of("database: {url: env:DATABASE_URL}\nchecks: handbook\n")
    backup = with_database.item("pre-deployment/backups-restored")
    assert backup is not None
    assert (backup.asks, backup.due_ms) == (Worked(("backup", "restore-test")), 0)
    assert isinstance(asks_in(with_database, "pre-deployment/final-testing"), Attested)


def test_settings_are_typed_by_the_probe() -> None:
    item = item_of(
        "title: it shines\nowner: devops\nprobe: lamp\nevery: 1m\nwithin: 2s\nwith:\n"
        "  url: /lamp\n  colour: red\n  count: 3\n  within: 1m30s\n  hosts: [a, no]\n  ports: 22\n"
        '  headers: {Accept: text}\n  token: "env:TOKEN"\n  strict: yes\n'
    )
    token = SecretRef(SecretSource.ENV, "TOKEN")
    within = Millis(90_000)
    settings = LampSettings(
        "/lamp", Colour.RED, 3, within, ("a", "no"), (22,), (("Accept", "text"),), token, strict=True
    )
    asks = item.asks
    assert isinstance(asks, Probed)
    assert from_json(LampSettings, asks.settings) == settings
    assert (asks.secrets, asks.every_ms, asks.limit_ms) == (("env:TOKEN",), MINUTE_MS, 2_000)
    assert from_json(CheckItem, to_json(item)) == item


def test_an_own_item_is_due_a_day_before_and_counts_for_a_quarter_of_an_hour() -> None:
    item = item_of("title: it shines\nowner: devops\nprobe: lamp\nwith: {url: /}\n")
    assert (item.due_ms, item.keeps_ms, item.checklist) == (-DAY_MS, 15 * MINUTE_MS, "own")


def test_what_is_written_replaces_what_the_handbook_has() -> None:
    checks = checks_of(
        "checks:\n  items:\n    pre-launch/faq: {owner: cs-lead, due: T-2h, blocks: no}\n"
        "    production/cdn: {probe: lamp, with: {url: /logo.svg}}\n"
        "    production/waf: {attest: the provider has one, file: yes, keeps: 30d}\n"
    )
    faq, cdn, waf = (checks.item(name) for name in ("pre-launch/faq", "production/cdn", "production/waf"))
    assert faq is not None
    assert cdn is not None
    assert waf is not None
    assert (faq.owner, faq.due_ms, faq.blocks, type(faq.asks)) == ("cs-lead", -7_200_000, False, Attested)
    assert (type(cdn.asks), cdn.keeps_ms, cdn.title) == (
        Probed,
        15 * MINUTE_MS,
        handbook_items()[cdn.item].title,
    )
    assert (waf.asks, waf.keeps_ms) == (Attested("the provider has one", file=True), 30 * DAY_MS)
    assert len(checks.items) == 52


def test_an_item_of_the_handbook_is_left_out_for_a_reason() -> None:
    checks = checks_of("checks: {items: {production/redis-cluster: {off: nothing is cached}}}\n")
    assert len(checks.items) == 51
    assert checks.left_out == (LeftOut("production/redis-cluster", "nothing is cached"),)


def test_roles_deadline_and_action_are_the_plans() -> None:
    checks = checks_of("checks: {roles: {pm: [ann, bob]}, deadline: 1h, then: scrub}\n")
    assert checks.people == {"pm": ("ann", "bob")}
    assert (checks.deadline_ms, checks.then) == (60 * MINUTE_MS, GateAction.SCRUB)


OWN = "checks:\n  handbook: no\n  items:\n    own/lamp:\n      title: it shines\n      owner: devops\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            OWN + "      probe: lmap\n",
            (
                "error[plan-unknown-probe]: there is no probe `lmap`\n  where: launch.yaml:10:14\n"
                "    why: the probes are lamp\n    fix: did you mean `lamp`?"
            ),
        ),
        (
            OWN + "      probe: lamp\n      with: {url: /, color: red}\n",
            (
                "error[plan-unknown-key]: `color` is no setting of this probe\n  where: launch.yaml:11:22\n"
                "    why: its keys are url, colour, count, within, hosts, ports, headers, token, strict\n"
                "    fix: did you mean `colour`?"
            ),
        ),
        (
            OWN + "      probe: lamp\n",
            (
                "error[plan-missing-key]: the probe has no `url`\n  where: launch.yaml:10:7\n"
                "    why: where it is; a path of the service.\n    fix: add `url` below `with`"
            ),
        ),
        (
            OWN + "      probe: lamp\n      with: {url: /, colour: rde, count: x}\n",
            (
                "error[plan-bad-value]: `colour`: 'rde' is not one of red, green; did you mean `red`?\n"
                "  where: launch.yaml:11:30\n"
                "error[plan-bad-value]: `count`: 'x' is not a whole number\n  where: launch.yaml:11:42"
            ),
        ),
        (
            OWN + "      probe: lamp\n      with: {url: /, count: 0}\n",
            "error[plan-bad-value]: `with`: `count` must be 1 or more\n  where: launch.yaml:11:13",
        ),
        (
            OWN + "      probe: lamp\n      with: {url: /, token: hunter2}\n",
            (
                "error[plan-bad-value]: `token`: not a secret reference: write env:NAME, file:PATH or "
                "command:LINE, never the value\n  where: launch.yaml:11:29"
            ),
        ),
        (
            OWN + "      probe: lamp\n      with: [a]\n",
            (
                "error[plan-bad-value]: `with` is a list; a mapping of settings is expected\n"
                "  where: launch.yaml:11:13\n"
                "    fix: its keys are url, colour, count, within, hosts, ports, headers, token, strict"
            ),
        ),
        (
            OWN,
            (
                "error[plan-bad-check]: nobody is asked\n  where: launch.yaml:7:5\n"
                "    fix: add `probe` with its settings, `work`, or `attest`"
            ),
        ),
        (
            OWN + "      attest: it does\n      work: [build]\n",
            (
                "error[plan-bad-check]: `work` and `attest` both say who answers\n  where: launch.yaml:10:7\n"
                "    fix: keep one of the two"
            ),
        ),
        (
            "checks: {items: {pre-launch/fqa: {attest: x}}}\n",
            (
                "error[plan-bad-check]: an item of your own has no `title` and no `owner`\n"
                "  where: launch.yaml:4:18\n"
                "    fix: add them; for the handbook's, did you mean `pre-launch/faq`?"
            ),
        ),
        (
            "checks: {items: {pre-launch/faq: {off: no, owner: pm}}}\n",
            (
                "error[plan-bad-check]: an item that is `off` has nothing else\n  where: launch.yaml:4:18\n"
                "    fix: remove the rest, or `off`"
            ),
        ),
        (
            "checks: {handbook: no}\n",
            (
                "error[plan-bad-check]: no check blocks the launch\n  where: launch.yaml:4:1\n"
                "    why: a gate without anything to check does not open\n"
                "    fix: name one below `checks.items`, keep the handbook's, or write `checks: off`"
            ),
        ),
        (
            "checks: {roles: {pm: []}}\n",
            (
                "error[plan-bad-check]: nobody fills the role `pm`\n  where: launch.yaml:4:22\n"
                "    fix: name somebody"
            ),
        ),
        (
            "checks: {items: {faq: {off: x}}}\n",
            (
                "error[plan-bad-name]: the key `checks.items.faq`: 'faq' is not a checklist and a name, "
                "such as own/licence-paid\n  where: launch.yaml:4:18\n    fix: write it like own/licence-paid"
            ),
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    assert refusals(text) == told


def test_a_password_in_a_setting_is_refused_and_not_repeated() -> None:
    told = refusals(OWN + "      probe: lamp\n      with: {url: 'http://ann:hunter2@lamp'}\n")
    assert "`url`: it holds a password; a plan refers to secrets and never holds one" in told
    assert "hunter2" not in told
