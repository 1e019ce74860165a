"""Every story of the table, on every platform, on real parts and under load."""

from collections.abc import Iterator

import pytest

from tminus.testing.stories.deeds import can_mount
from tminus.testing.stories.stage import Stage
from tminus.testing.stories.story import Story, tell
from tminus.testing.stories.table import stories

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


def cases() -> Iterator[object]:
    for story in stories():
        marks = [] if story.often else [pytest.mark.seldom]
        yield pytest.param(story, id=story.name, marks=marks)


@pytest.mark.req("R6", "R8", "R26")
@pytest.mark.parametrize("story", list(cases()))
def test_story(stage: Stage, story: Story) -> None:
    if story.needs_mount and not can_mount():
        pytest.skip(f"{story.name}: this user may mount no file system here")
    tell(stage, story)
