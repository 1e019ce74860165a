"""What is written when tminus is taken away: everything that runs, and no secret."""

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.plan import Plan, Run, Source
from tminus.domain.plan.secret import parse_secret_ref
from tminus.engine.leave import Remaining, Remains, readme_text, unit_text

PLAN = Plan(
    "shop",
    "1.0.0",
    Source(".", "v1.0.0"),
    Run(("./serve",), secrets=(("TOKEN", parse_secret_ref("env:SHOP_TOKEN")),)),
)
ROUTER = Remaining(
    "shop-router", "the router of shop", 7, ("/bin/haproxy", "-db"), "/srv", (), "127.0.0.1:80"
)
INSTANCE = Remaining(
    name="shop-blue-1",
    what="shop 1.0.0, instance blue-1",
    pid=8,
    argv=("/srv/serve", "--greet", 'say "50 %" for $5'),
    directory="/srv/100%",
    environment=(("GREETING", 'a\\b "c"\n%d'), ("PORT", "20001")),
    address="127.0.0.1:20001",
    stop_grace_ms=2_500,
)
REMAINS = Remains(PLAN, Slot.BLUE, ROUTER, (INSTANCE,), (), "/left", 0, system=False)


def test_a_unit_runs_the_program_as_it_runs() -> None:
    lines = unit_text(INSTANCE, REMAINS).splitlines()
    assert "WorkingDirectory=/srv/100%%" in lines
    assert 'ExecStart=/srv/serve --greet "say \\"50 %%\\" for $$5"' in lines
    assert 'Environment="GREETING=a\\\\b \\"c\\"\\n%%d"' in lines
    assert 'Environment="PORT=20001"' in lines
    assert "TimeoutStopSec=3" in lines
    assert "WantedBy=default.target" in lines


def test_secrets_are_referred_to_and_never_written() -> None:
    assert "EnvironmentFile=/left/shop.secrets" in unit_text(INSTANCE, REMAINS).splitlines()
    assert "EnvironmentFile" not in unit_text(ROUTER, REMAINS)
    readme = readme_text(REMAINS)
    assert "| `TOKEN` | `env:SHOP_TOKEN` |" in readme
    assert "install --mode 0600 /dev/null /left/shop.secrets" in readme


def test_the_readme_says_what_runs_where_and_how_to_come_back() -> None:
    readme = readme_text(REMAINS)
    assert "| the router of shop | 7 | 127.0.0.1:80 | `shop-router.service` |" in readme
    assert "| shop 1.0.0, instance blue-1 | 8 | 127.0.0.1:20001 | `shop-blue-1.service` |" in readme
    assert "tminus adopt --version 1.0.0 --address 127.0.0.1:20001\n" in readme


def test_instances_of_others_are_named_and_have_no_secrets_to_give() -> None:
    remains = Remains(PLAN, Slot.BLUE, ROUTER, (), ("10.0.0.5:80",), "/left", 0, system=True)
    readme = readme_text(remains)
    assert "| an instance that somebody else runs | | 10.0.0.5:80 | |" in readme
    assert "secrets" not in readme
    assert "/etc/systemd/system/" in readme
