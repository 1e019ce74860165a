"""The poll in launch.yaml. Who votes stands in the policy file, which it names."""

from typing import Annotated

from tminus.domain.plan.polling import OnDeadline, Polling
from tminus.plan.kinds import Duration, Words, one_of
from tminus.plan.section import TMINUS, Section, default_of, usual


class PollSection(Section):
    """The go/no-go poll: every seat of the policy says GO before the launch begins to stage."""

    policy: Words = usual(default_of(Polling, "policy"), TMINUS, "the policy file, relative to this file")
    deadline: Duration = usual(
        default_of(Polling, "deadline_ms"),
        TMINUS,
        "votes are waited for so long, from T-0 or from the begin of the poll if that is later",
    )
    on_deadline: Annotated[OnDeadline, one_of(OnDeadline)] = usual(
        default_of(Polling, "on_deadline"), TMINUS, "what follows then: hold or scrub"
    )


def polling_of(section: PollSection | None) -> Polling | None:
    """How the launch is polled; None where it is not."""
    return None if section is None else Polling(section.policy, section.deadline, section.on_deadline)
