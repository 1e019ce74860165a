"""Every bound of the launch's decisions, each with its reason. What a team may change is in the plan."""

from tminus.domain.plan.times import MINUTE_MS, SECOND_MS

TRIAL_TICK_MS = 250
"""A quarter of the shortest lease: three renewals may fail before the router falls back."""

REST_TICK_MS = SECOND_MS
"""Nothing is at stake between looks while no candidate has traffic; counters are read each second."""

BACKOFF_MS = (500, 1_000, 2_000, 4_000, 8_000, 30_000)
"""Pause before attempt n+1 of a command whose effect is not seen; the last repeats for ever where only
persistence helps, at 120 attempts an hour in the journal."""

MOST_ATTEMPTS = 6
"""About 15 s of trying: longer than a restart of the supervisor or router, shorter than patience."""

CONFIRM_DEADLINE_MS = 15 * SECOND_MS
"""A route that cannot be read back by then is not under control."""

PROMOTE_DEADLINE_MS = MINUTE_MS
"""A commit that is not seen by then needs somebody; longer than all attempts at it, so that a fault of
theirs is what is told."""

CAPACITY_WAIT_MS = 5 * SECOND_MS
"""How long a rollback waits for the stable slot's full count while the candidate still answers; a
supervisor restarts a dead instance well within it."""

MOST_RESTARTS = 3
"""A candidate whose instances died more often than this is in a crash loop."""

SMOKE_DEADLINE_MS = 5 * MINUTE_MS
"""A suite is seconds long; five minutes means it hangs."""

SHORT_DEADLINE_MS = MINUTE_MS
"""For work that takes seconds: hashing an artifact, asking the machine or the database."""

SAMPLER_SLACK_MS = 26 * 60 * MINUTE_MS
"""Questions are asked from before the cutover to the end of the watch, however long the plan makes it, and
through holds of a day on the way."""

STAGING_SLACK_MS = 2 * MINUTE_MS
"""For everything in staging that has no deadline of its own: hosting, stopping leftovers, admission."""

METER_LEAD_MS = 2 * SECOND_MS
"""The meter runs so long before traffic moves, so that there is a before to compare with."""

METER_DEADLINE_MS = 4 * 60 * MINUTE_MS
"""The loss meter covers cutover, bake and drain; longer series would only grow its file."""
