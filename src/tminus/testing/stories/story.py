"""What a story is, how it is told, and what must hold after each of them."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tminus.adapters.seal.verify import verify_launch
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.readiness.verdict import Outcome
from tminus.testing.sample import laid_over
from tminus.testing.stand import Stand
from tminus.testing.stories.leftovers import leftovers
from tminus.testing.stories.shop import SOUND, Users
from tminus.testing.stories.stage import END_LIMIT_S, Stage


class Scene:
    """One launch under way, as those see it who do something to it.

    Attributes:
        stage: where the story is told.
        launch: its id.
        version: the release that is launched.
    """

    def __init__(self, stage: Stage, launch: str, version: str) -> None:
        """Takes what there is; does nothing."""
        self.stage = stage
        self.stand: Stand = stage.stand
        self.launch = launch
        self.version = version

    @property
    def state(self) -> LaunchState:
        """Of the launch."""
        return self.stand.state(self.launch)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Returns once the condition holds.

        Raises:
            NotReachedError: it never did, or the launch had ended before.
        """

        def met() -> bool:
            if condition():
                return True
            state = self.state
            if state.phase in TERMINAL:
                raise AssertionError(f"{what}: the launch ended before, {state.outcome}: {state.phase_why}")
            return False

        self.stand.wait(met, what, END_LIMIT_S)

    def reach(self, phase: Phase) -> None:
        """Returns once the launch is well in the phase: its route in force, in the watch stable retired."""

        def there() -> bool:
            state = self.state
            if state.phase is not phase:
                return False
            return state.retired if phase is Phase.WATCHING else phase not in TRIAL or state.confirmed

        self.until(there, f"{phase.value}, and well in it")

    def order(self, verb: str, *more: str) -> "subprocess.CompletedProcess[str]":
        """Gives an order from the command line, as Ann."""
        return self.stand.run(verb, self.launch, "--by", "ann", *more)


Deed = Callable[[Scene], None]
Look = Callable[["Told"], None]


def nothing(scene: Scene) -> None:
    """Leaves the launch alone."""
    del scene


def nothing_more(told: "Told") -> None:
    """Asks for nothing beyond what every story asks for."""
    del told


@dataclass(frozen=True, slots=True)
class Story:
    """One way that a launch goes.

    Attributes:
        name: told in the name of its test.
        outcome: how the launch ends: `promoted`, `rolled-back` or `scrubbed`.
        why: a part of the reason with which it ends.
        overlay: what is changed in the release, a folder of the sample.
        plan: laid over the calm one.
        before: done when the launch is entered and nobody drives it yet.
        deed: done while it is driven; waits for its moment by itself.
        look: what must hold besides once it has ended.
        fails: users may be told of errors. No story loses or cuts a request.
        outage: the whole service is away for a moment. The router then answers uploads before it has read
            them, and the end of the connection may overtake the answer.
        needs_mount: cannot be told where no file system can be mounted.
        often: told in every run of all tests, not only when all stories are asked for.
    """

    name: str
    outcome: str
    why: str = ""
    overlay: str = SOUND
    plan: Mapping[str, Any] = field(default_factory=dict)
    before: Deed = nothing
    deed: Deed = nothing
    look: Look = nothing_more
    fails: bool = False
    outage: bool = False
    needs_mount: bool = False
    often: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """How a story went.

    Attributes:
        scene: as it was.
        state: the fold over the launch's journal.
        kinds: of its events, in order.
        users: what came of every request, and of the payments.
    """

    scene: Scene
    state: LaunchState
    kinds: tuple[str, ...]
    users: Mapping[str, Any]


def tell(stage: Stage, story: Story) -> Told:
    """Launches a release, has happen what the story says, and holds it to what it promises.

    Raises:
        AssertionError: everything that is not as it should be.
    """
    stand = stage.stand
    version = stage.release(laid_over({}, story.plan), story.overlay)
    with _tidied(stage), stage.users(f"run-{version}") as users:
        launch = stand.enter().launch
        scene = Scene(stage, launch, version)
        story.before(scene)
        stand.start_agent()
        story.deed(scene)
        state = stand.wait_end(launch, END_LIMIT_S)
        stage.wait_payments()
        told = Told(scene, state, tuple(stand.kinds(launch)), users.end())
        wrong = [*_wrong_end(story, told), *_wrong_service(stage, told), *_wrong_users(story, told, users)]
        assert not wrong, "\n".join(wrong)
        story.look(told)
    wrong = leftovers(stage, state)
    assert not wrong, "\n".join(wrong)
    return told


@contextlib.contextmanager
def _tidied(stage: Stage) -> Iterator[None]:
    """Ends what a story began, also one that went wrong, so that the next one begins where it should."""
    try:
        yield
    finally:
        stage.stand.end_agents()
        stage.mend()
        open_rows = [row.launch for row in stage.stand.home.store.book.launches() if row.open]
        if open_rows:
            stage.stand.post(open_rows[-1], "resume", "abort")
            stage.stand.start_agent()
            stage.stand.wait_end(open_rows[-1], END_LIMIT_S)
            stage.stand.end_agents()


def _wrong_end(story: Story, told: Told) -> Iterator[str]:
    state = told.state
    if (state.outcome, story.why in state.phase_why) != (story.outcome, True):
        yield f"it ended {state.outcome!r} ({state.phase_why}), not {story.outcome!r} ({story.why})"


def _wrong_service(stage: Stage, told: Told) -> Iterator[str]:
    stand, state = stage.stand, told.state
    report = verify_launch(stand.home.store.raw, told.scene.launch, stand.home.seal)
    if report.outcome is Outcome.FAIL:
        yield f"its journal does not verify: {report}"
    serving = state.candidate if state.outcome == "promoted" else state.stable
    reading = stand.reading()
    if (reading.route.live, reading.route.candidate, reading.committed.live) != (serving, None, serving):
        follows = f"{reading.route.text()}, {reading.committed.text()} on disk"
        yield f"the router follows {follows}; it should be {serving}"
    if reading.admitted != {serving}:
        yield f"{sorted(reading.admitted)} are admitted, {serving} should be alone"


def _wrong_users(story: Story, told: Told, users: Users) -> Iterator[str]:
    """What a user would complain about. Nobody's request is lost or cut in any story."""
    total, payments = told.users["total"], told.users["payments"]
    failures = [
        (each["kind"], each["fate"], each["status"] or each["why"]) for each in told.users["failures"][:5]
    ]
    if not total["sent"]:
        yield f"{users.run}: nobody asked anything"
    uploads = told.users["kinds"]["upload"]["lost"] if story.outage else 0
    if total["lost"] > uploads or total["cut"] or (total["failed"] and not story.fails):
        counts = ", ".join(f"{total[fate]} {fate}" for fate in ("lost", "cut", "failed"))
        yield f"of {total['sent']} requests {counts}: {failures}"
    if payments.get("stored") is None:
        yield "the service does not say which payments it has"
    elif payments["missing"] or payments["duplicated"] or payments["repeated"]:
        yield f"payments are missing, there twice or came again: {payments}"
    if told.users["wrong"]:
        yield f"wrong answers: {told.users['wrong'][:3]}"


def backups_of(scene: Scene) -> Path:
    """Where the service's backups are kept."""
    return scene.stand.home.root / "backups" / f"{scene.stage.shop.service}-production"
