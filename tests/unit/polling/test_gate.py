"""The gate of the poll under all that people and time can do to it: it never opens without its seats."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.engine.launches import NOW_MS
from tests.unit.polling.polls import (
    KEYS,
    LAUNCH,
    PEOPLE,
    SEATS,
    a_policy,
    given,
    polled,
    said_order,
    statement,
)
from tminus.domain.launch.event import HoldReleased, PhaseEntered, Slipped
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.polling import ballot_of
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS
from tminus.domain.readiness.policy import Policy, digest_of_policy
from tminus.domain.readiness.poll import PolicyAdopted, PollDecided
from tminus.domain.readiness.statement import Choice, Statement
from tminus.ports.journal import Order
from tminus.testing.signatures import named_key

MEANWHILE = (
    "nothing",
    "artifact",
    "plan_digest",
    "policy",
    "expiry",
    "condition",
    "no-go",
    "recall",
    "copy",
    "forgery",
)


class Polls(RuleBasedStateMachine):
    """People, a clock, edits and policies beside a launch in its poll, and a model that is told nothing.

    The model keeps what was truly signed, and asks of every opened gate whether it says GO for all seats.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = NOW_MS
        self.policy = a_policy()
        self.state: LaunchState = polled()
        self.truly_said: dict[str, Statement] = {}
        self.overrides: dict[str, Statement] = {}
        self.serial = 0

    @precondition(lambda self: not self.waiting())
    @rule(scheduled=st.booleans(), ordered=st.booleans())
    def another_launch(self, *, scheduled: bool, ordered: bool) -> None:
        """With or without a T-0 that is still to come; nothing of the one before counts."""
        self.truly_said, self.overrides, self.now_ms = {}, {}, NOW_MS
        self.policy = a_policy(in_order=ordered)
        t0_ms = NOW_MS + HOUR_MS if scheduled else None
        self.state = polled(policy=self.policy, t0_ms=t0_ms)

    def waiting(self) -> bool:
        return self.state.phase is Phase.POLL

    def tick(self, *orders: Order) -> None:
        before = self.state
        step = given(before, *orders, now_ms=self.now_ms)
        self.state = step.state
        for event in step.events:
            if isinstance(event, PollDecided):
                self.judge(event)
            if isinstance(event, PhaseEntered) and event.phase is Phase.STAGING:
                assert any(isinstance(each, PollDecided) for each in step.events)

    def judge(self, event: PollDecided) -> None:
        """By the model alone: who has truly signed what, over what is launched now."""
        ballot = ballot_of(self.state)
        assert ballot is not None
        digest = ballot.digest

        def counts(said: Statement | None) -> bool:
            return said is not None and said.ballot == digest and self.now_ms < said.expires_ms

        go = {Choice.GO, Choice.GO_WITH_CONDITIONS}
        votes = [self.truly_said.get(seat.name) for seat in self.policy.seats]
        people = {said.by for said in votes if said is not None}
        unanimous = all(
            said is not None
            and counts(said)
            and said.choice in go
            and said.by in seat.voters
            and all(self.now_ms < each.due_ms for each in said.conditions)
            for seat, said in zip(self.policy.seats, votes, strict=True)
        )
        unanimous = unanimous and len(people) == len(self.policy.seats)
        overriders = {
            by for by, said in self.overrides.items() if counts(said) and by in self.policy.override
        }
        assert unanimous or len(overriders) >= 2
        assert bool(event.overridden_by) is not unanimous

    def say(self, said: Statement, key: str = "") -> None:
        """Gives a statement, and remembers it where it was truly signed by who it says."""
        self.serial += 1
        taken_before = self.state.orders
        name = f"o{self.serial}"
        pending = said_order(said, key, name)
        if self.waiting():
            truly = not key
            refused = given(self.state, pending, now_ms=self.now_ms)
            if truly and not [e for e in refused.events if e.kind == "order-refused"]:
                if said.choice is Choice.OVERRIDE:
                    self.overrides[said.by] = said
                elif said.choice is Choice.RECALL:
                    (self.truly_said if said.seat else self.overrides).pop(said.seat or said.by, None)
                else:
                    self.truly_said[said.seat] = said
        self.tick(pending)
        assert name in self.state.orders
        assert taken_before < self.state.orders

    @precondition(lambda self: self.waiting())
    @rule(
        person=st.sampled_from(PEOPLE),
        seat=st.sampled_from(["", *SEATS]),
        choice=st.sampled_from(list(Choice)),
        minutes=st.integers(1, 90),
    )
    def somebody_says(self, person: str, seat: str, choice: Choice, minutes: int) -> None:
        where = {"seat": seat} if seat and choice is not Choice.OVERRIDE else {}
        times = {"at_ms": self.now_ms, "expires_ms": self.now_ms + minutes * MINUTE_MS}
        said = statement(self.state, person, choice, **where, **times)
        due = tuple(replace(each, due_ms=self.now_ms + 30 * MINUTE_MS) for each in said.conditions)
        self.say(replace(said, conditions=due))

    @precondition(lambda self: self.waiting())
    @rule(
        late=st.sampled_from(list(SEATS.values())),
        first=st.sampled_from(list(SEATS.values())),
        meanwhile=st.sampled_from(MEANWHILE),
        minutes=st.integers(2, 50),
    )
    def the_last_one_is_late(self, late: str, first: str, meanwhile: str, minutes: int) -> None:
        """All but one say GO, then something happens, then the last one says GO."""
        for person in SEATS.values():
            if person != late:
                choice = Choice.GO_WITH_CONDITIONS if meanwhile == "condition" else Choice.GO
                self.go(person, minutes, choice)
        self.happens(meanwhile, late, first, minutes)
        if self.waiting():
            self.go(late, minutes)

    def happens(self, what: str, late: str, first: str, minutes: int) -> None:
        seat = next(seat for seat, person in SEATS.items() if person == first)
        self.now_ms += 1
        if what == "expiry":
            self.now_ms += minutes * MINUTE_MS
            self.tick()
        elif what == "condition":
            self.now_ms += MINUTE_MS
            self.tick()
        elif what in ("artifact", "plan_digest"):
            self.serial += 1
            self.state = replace(self.state, **{what: f"sha256:{self.serial}"})  # type: ignore[arg-type]  # both are text
        elif what == "policy":
            others = [each for each in PEOPLE if each not in SEATS.values()]
            self.install(replace(self.policy, escalate_to=f"board-{self.serial}", waive=tuple(others)))
        elif what == "no-go":
            self.go(first, minutes, Choice.NO_GO)
        elif what in ("recall", "copy") and seat in self.truly_said:
            before = self.truly_said[seat]
            self.go(first, minutes, Choice.RECALL)
            if what == "copy" and self.waiting():
                self.serial += 1
                self.tick(said_order(before, "", f"c{self.serial}"))
        elif what == "forgery":
            said = statement(self.state, late, at_ms=self.now_ms, expires_ms=self.now_ms + MINUTE_MS)
            self.say(said, KEYS[first] if first != late else named_key("mallory"))

    def go(self, person: str, minutes: int, choice: Choice = Choice.GO) -> None:
        if self.waiting():
            self.now_ms += 1
            times = {"at_ms": self.now_ms, "expires_ms": self.now_ms + minutes * MINUTE_MS}
            said = statement(self.state, person, choice, **times)
            due = tuple(replace(each, due_ms=self.now_ms + MINUTE_MS // 2) for each in said.conditions)
            self.say(replace(said, conditions=due))

    @precondition(lambda self: self.waiting())
    @rule(person=st.sampled_from(list(SEATS.values())), other=st.sampled_from([*PEOPLE, "mallory"]))
    def somebody_forges(self, person: str, other: str) -> None:
        if other != person:
            self.say(statement(self.state, person, at_ms=self.now_ms), named_key(other))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def somebody_copies(self, data: st.DataObject) -> None:
        """What was said once, again; it is truly signed and must not count twice."""
        heard = [*self.truly_said.values(), *self.overrides.values()]
        if heard and self.waiting():
            self.serial += 1
            copied = said_order(data.draw(st.sampled_from(heard)), "", f"c{self.serial}")
            self.tick(copied)

    @precondition(lambda self: self.waiting())
    @rule(part=st.sampled_from(["artifact", "plan_digest"]), version=st.integers(0, 2))
    def what_is_launched_changes(self, part: str, version: int) -> None:
        self.state = replace(self.state, **{part: f"sha256:{version}"})  # type: ignore[arg-type]  # both are text

    @precondition(lambda self: self.waiting())
    @rule(holder=st.sampled_from(PEOPLE), seat=st.sampled_from(list(SEATS)), ordered=st.booleans())
    def the_policy_changes(self, holder: str, seat: str, *, ordered: bool) -> None:
        seats = tuple(
            replace(each, holder=holder if each.name == seat else each.holder) for each in self.policy.seats
        )
        if len({each.holder for each in seats}) < len(seats):
            return
        self.install(replace(self.policy, seats=seats, in_order=ordered))

    def install(self, policy: Policy) -> None:
        self.policy = policy
        adopted = PolicyAdopted(self.policy, digest_of_policy(self.policy), "ana", LAUNCH, "signed")
        self.state = evolve(self.state, adopted, self.now_ms)

    @precondition(lambda self: self.waiting())
    @rule(minutes=st.integers(0, 40))
    def time_passes(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS
        self.tick()

    @precondition(lambda self: self.waiting())
    @rule(seconds=st.integers(1, 600))
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.now_ms -= seconds * 1_000
        self.tick()

    @precondition(lambda self: self.waiting())
    @rule()
    def somebody_resumes(self) -> None:
        if self.state.hold is not None:
            self.state = evolve(self.state, HoldReleased("ana", "go on"), self.now_ms)
            self.tick()

    @precondition(lambda self: self.waiting())
    @rule(hours=st.integers(-2, 48))
    def somebody_slips(self, hours: int) -> None:
        t0_ms = self.now_ms + hours * HOUR_MS
        self.state = evolve(self.state, Slipped(t0_ms, "ana", "later"), self.now_ms)
        self.tick()

    @precondition(lambda self: self.waiting())
    @rule()
    def the_driver_dies(self) -> None:
        """Whoever resumes has the journal alone: what it folds is all there is."""
        self.tick()

    @invariant()
    def nothing_stages_undecided(self) -> None:
        if self.state.phase not in (Phase.POLL, Phase.SCRUBBING, Phase.SCRUBBED):
            assert self.state.poll.decided is not None


Polls.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


TestPolls = pytest.mark.slow(pytest.mark.req("R18")(Polls.TestCase))


def test_the_launch_in_these_tests_is_the_one_that_is_signed_for() -> None:
    assert statement(polled(), "ana").launch == LAUNCH
