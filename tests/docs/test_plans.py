"""Every plan on a page loads; a piece of one loads within the least plan there is."""

import pytest
import yaml

from tests.docs.pages import Block, all_blocks
from tminus.plan.load import load_plan_text

LEAST = {"service": "shop", "version": "1.0.0", "run": {"command": "./serve --port {port}"}}


def completed(block: Block) -> str:
    """The block, with what a plan must have at least where the block does not have it."""
    given = yaml.load(block.text, yaml.BaseLoader)
    assert isinstance(given, dict), f"{block.place}: a plan is a mapping"
    missing = {key: value for key, value in LEAST.items() if key not in given}
    return f"{yaml.safe_dump(missing)}{block.text}" if missing else block.text


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=lambda block: block.place)
def test_every_plan_loads(block: Block) -> None:
    if "other" in block.marks:
        pytest.skip("not a plan")
    load_plan_text(completed(block), block.place)


@pytest.mark.parametrize("block", all_blocks("json"), ids=lambda block: block.place)
def test_every_json_is_json(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None
