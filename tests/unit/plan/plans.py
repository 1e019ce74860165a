"""Plans that tests start from."""

from tminus.domain.plan.plan import Plan
from tminus.plan.load import LoadedPlan, load_plan_text

LEAST = """\
service: hello
version: 1.1.0
run:
  command: ./serve --port {port}
"""


def loaded(more: str = "", base: str = LEAST) -> LoadedPlan:
    return load_plan_text(base + more)


def plan_with(more: str = "") -> Plan:
    return loaded(more).plan
