"""The plan of one launch as typed values. Must not read files: `tminus.plan` builds it from launch.yaml."""

from dataclasses import dataclass, field
from enum import StrEnum

from tminus.domain.plan.alert import AlertRule, handbook_alerts
from tminus.domain.plan.checklist import Checks
from tminus.domain.plan.database import Database
from tminus.domain.plan.external import Alertmanager
from tminus.domain.plan.image import Container, Image
from tminus.domain.plan.judging import Judging
from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.plan.metric import VULNERABILITY, MetricDefinition, vulnerability
from tminus.domain.plan.polling import Polling
from tminus.domain.plan.request import Request
from tminus.domain.plan.route_class import RouteClass
from tminus.domain.plan.router import RouterChoice
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.stage import Stage, handbook_stages
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

FULL_BP = 10_000  # basis points: all traffic


@dataclass(frozen=True, slots=True)
class Window:
    """The deployment window, half open: opens_ms <= T-0 < closes_ms, milliseconds since the epoch."""

    opens_ms: int
    closes_ms: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which no launch begins, half open: opens_ms <= frozen < closes_ms, since the epoch."""

    opens_ms: int
    closes_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the artifact comes from: an annotated tag of a git repository.

    Attributes:
        repository: its folder.
        tag: what is built.
        commit: what is tagged where there is no such tag yet; what the tag must name where there is.
        branch: what the tagged commit must be on; its tip is tagged where no commit is named.
    """

    repository: str
    tag: str
    commit: str = ""
    branch: str = ""

    @property
    def makes_tag(self) -> bool:
        """Whether tminus tags the release where nobody has."""
        return bool(self.commit or self.branch)


class ArtifactSmoke(StrEnum):
    """What the artifact is asked when it is started alone: nothing, its health, or the whole smoke suite."""

    OFF = "off"
    HEALTH = "health"
    SUITE = "suite"


@dataclass(frozen=True, slots=True)
class Build:
    """How a tag's tree becomes an artifact: a command run once inside it, an image, or nothing.

    Attributes:
        command: argument vector.
        deadline_ms: of the command.
        smoke: what is asked of one instance that is started after the build and stopped again.
        smoke_environment: variables that differ for that instance alone.
        smoke_secrets: the same for secrets.
        image: an image instead of a tree; None for none.
    """

    command: tuple[str, ...] = ()
    deadline_ms: int = 20 * MINUTE_MS
    smoke: ArtifactSmoke = ArtifactSmoke.OFF
    smoke_environment: tuple[tuple[str, str], ...] = ()
    smoke_secrets: tuple[tuple[str, SecretRef], ...] = ()
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A background worker of a slot: started and stopped with it, listens nowhere."""

    name: str
    command: tuple[str, ...]
    instances: int = 1


@dataclass(frozen=True, slots=True)
class OneOff:
    """A command run once, in the artifact, after the expand migration and before the slot starts."""

    name: str
    command: tuple[str, ...]
    deadline_ms: int = 10 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Run:
    """How a slot's instances are started.

    Attributes:
        command: argument vector; `{port}` is replaced, and PORT is set in the environment.
        instances: how many per slot.
        environment: (name, value) pairs.
        secrets: (name, reference) pairs, resolved when the slot is started.
        health_path: answers 200 when an instance is ready for traffic.
        boot_deadline_ms: an instance that is not healthy by then failed to start.
        stop_grace_ms: between SIGTERM and SIGKILL of an instance's group.
        workers: background workers of a slot.
        one_offs: commands run once before the slot starts.
        container: how an instance runs in a container of the artifact's image; None for a process.
            `command` is empty then where the image's own is meant.
    """

    command: tuple[str, ...]
    instances: int = 3
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, SecretRef], ...] = ()
    health_path: str = "/healthz"
    boot_deadline_ms: int = 60 * SECOND_MS
    stop_grace_ms: int = 10 * SECOND_MS
    workers: tuple[Worker, ...] = ()
    one_offs: tuple[OneOff, ...] = ()
    container: Container | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Addresses of the machines over which instances are spread; empty for this one."""
        return () if self.container is None else tuple(each.address for each in self.container.machines)


@dataclass(frozen=True, slots=True)
class Warming:
    """Paths fetched before traffic moves, through the edge where there is one.

    Attributes:
        paths: fetched in order, each until it answers.
        edge: base URL of the CDN or cache; None fetches from the candidate's instances themselves.
        deadline_ms: of all of them together.
    """

    paths: tuple[str, ...] = ()
    edge: str | None = None
    deadline_ms: int = 2 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Resources:
    """What the machine must have left before traffic moves.

    Attributes:
        disk_free_ppm: of the file system that holds the state.
        memory_free_ppm: of all memory.
    """

    disk_free_ppm: int = 100_000
    memory_free_ppm: int = 150_000


@dataclass(frozen=True, slots=True)
class Listen:
    """The public address of the service, held by its supervisor."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True)
class Shift:
    """How traffic moves: each step in basis points, judged before the next is taken.

    Attributes:
        steps_bp: rising shares of traffic, the last is 10000.
        step_min_ms: a step lasts at least so long.
        step_deadline_ms: without a passing verdict by then, the plan's `on_inconclusive` follows.
    """

    steps_bp: tuple[int, ...] = (1_000, 5_000, FULL_BP)
    step_min_ms: int = 10 * SECOND_MS
    step_deadline_ms: int = 10 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Lease:
    """How long the router keeps trusting a candidate whose controller has fallen silent.

    `shift_ms` counts while traffic moves and is verified; `bake_ms` afterwards, when the candidate has
    proven itself and a restart of the agent should not cost the launch.
    """

    shift_ms: int = SECOND_MS
    bake_ms: int = 30 * SECOND_MS


@dataclass(frozen=True, slots=True)
class Stay:
    """A phase with a length: verification, bake, watch. `reading_every_ms` is its cadence in the log.

    In the watch 0 is the cadence of its stage.
    """

    for_ms: int
    reading_every_ms: int


@dataclass(frozen=True, slots=True)
class Meter:
    """The loss meter: numbered requests through the router while traffic moves.

    Attributes:
        path: fetched with GET, over kept connections and over new ones; None uses the health path.
        post_path: receives POST with an Idempotency-Key; None sends none.
        post_body: the body of these.
        rate_per_s: requests a second, all kinds together; 0 switches the meter off.
    """

    path: str | None = None
    post_path: str | None = None
    post_body: str = "{}"
    rate_per_s: int = 20


class OnInconclusive(StrEnum):
    """What follows when evidence does not suffice by a deadline. Promotion is not among the choices."""

    HOLD = "hold"
    ROLLBACK = "rollback"


def handbook_triggers() -> tuple[Trigger, ...]:
    """Error rate above 1 %, 95th percentile above 500 ms and any vulnerability that is noted roll back."""
    found = Limit("security vulnerability", Metric.MEASURED, 0, window_ms=DAY_MS, measured=VULNERABILITY)
    return (
        Trigger(Limit("error rate", Metric.ERROR_RATE, 10_000), Consequence.ROLLBACK, weighed=True),
        Trigger(Limit("response time p95", Metric.LATENCY_P95, 500), Consequence.ROLLBACK, weighed=True),
        Trigger(found, Consequence.ROLLBACK),
    )


def handbook_targets() -> tuple[Limit, ...]:
    """Error rate at most 0.1 % and 95th percentile at most 200 ms verify a launch."""
    return (
        Limit("error rate", Metric.ERROR_RATE, 1_000, window_ms=MINUTE_MS),
        Limit("response time p95", Metric.LATENCY_P95, 200, window_ms=MINUTE_MS),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """One launch, fully typed, every default filled in.

    Attributes:
        service: name of the service, a DNS label.
        version: semantic version without the leading v.
        source: repository and tag.
        run: how instances start.
        environment: where the launch happens; one launch per service and environment at a time.
        project: code that documents carry in their names.
        t0_ms: T-0 in milliseconds since the epoch; None is "as soon as it is ready".
        window: the deployment window; None allows any time.
        freezes: times in which no launch begins.
        router: what stands at the public address.
        smoke: requests sent to each candidate instance before it has traffic.
        critical_paths: requests sent through the router after traffic moved; also the smoke suite's
            default.
        triggers: limits that act at once.
        metrics: what limits of kind `measured` name, and what else the plan wants measured.
        judging: on what terms those without a window of their own are judged.
        targets: limits that must hold, with evidence, before a launch counts as verified.
        alerts: limits that somebody is told about; they change nothing else.
        alertmanager: alerts of somebody else's monitoring, None for none.
        stages: parts of the watch, in order: who is on duty and how often somebody looks; may be empty.
        drain_deadline_ms: requests still on a slot so long after traffic left it are cut and counted.
        database: the service's database, None for a service without one.
        warming: what is fetched before traffic moves.
        resources: what the machine must have left then.
        sticky_cookie: cookie by which a client stays on the slot that it was given; empty for none.
        asset_paths: prefixes of static files whose names carry their version: a slot that does not have
            one is not the answer while the other slot runs.
        adopt: host:port of instances that run already and are taken over as they are; nothing is built.
        polling: the go/no-go poll; None for a launch that nobody votes on.
        hold_expiry_ms: a hold that nobody lifts ends in scrub or rollback after this time.
        checks: what must hold before traffic moves; None for nothing.
    """

    service: str
    version: str
    source: Source
    run: Run
    environment: str = "production"
    project: str = ""
    t0_ms: int | None = None
    window: Window | None = None
    build: Build = field(default_factory=Build)
    listen: Listen = field(default_factory=Listen)
    router: RouterChoice = field(default_factory=RouterChoice)
    route_classes: tuple[RouteClass, ...] = ()
    smoke: tuple[Request, ...] = ()
    critical_paths: tuple[Request, ...] = ()
    shift: Shift = field(default_factory=Shift)
    lease: Lease = field(default_factory=Lease)
    verify: Stay = field(default_factory=lambda: Stay(10 * MINUTE_MS, 5 * MINUTE_MS))
    bake: Stay = field(default_factory=lambda: Stay(HOUR_MS, 30 * MINUTE_MS))
    watch: Stay = field(default_factory=lambda: Stay(DAY_MS, 0))
    stages: tuple[Stage, ...] = field(default_factory=handbook_stages)
    triggers: tuple[Trigger, ...] = field(default_factory=handbook_triggers)
    metrics: tuple[MetricDefinition, ...] = field(default_factory=lambda: (vulnerability(),))
    judging: Judging = field(default_factory=Judging)
    targets: tuple[Limit, ...] = field(default_factory=handbook_targets)
    alerts: tuple[AlertRule, ...] = field(default_factory=handbook_alerts)
    alertmanager: Alertmanager | None = None
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    meter: Meter = field(default_factory=Meter)
    drain_deadline_ms: int = 30 * SECOND_MS
    hold_expiry_ms: int = 4 * HOUR_MS
    database: Database | None = None
    warming: Warming = field(default_factory=Warming)
    resources: Resources = field(default_factory=Resources)
    sticky_cookie: str = ""
    asset_paths: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    checks: Checks | None = None
    polling: Polling | None = None

    def freeze_at(self, at_ms: int) -> Freeze | None:
        """The freeze that holds at `at_ms`, None where none does."""
        return next((each for each in self.freezes if each.opens_ms <= at_ms < each.closes_ms), None)

    @property
    def weighs(self) -> bool:
        """Anything of it is judged by evidence."""
        return any(trigger.weighed for trigger in self.triggers)

    @property
    def longest_window_ms(self) -> int:
        """How far back any judgement that the launch acts upon looks at the router's counters."""
        limits = (*self.targets, *(trigger.limit for trigger in self.triggers))
        return max((limit.window_ms for limit in limits if limit.is_routed), default=10 * SECOND_MS)

    @property
    def longest_look_back_ms(self) -> int:
        """The same with what is only told."""
        told = (rule.limit.window_ms for rule in self.alerts if rule.limit.is_routed)
        return max(self.longest_window_ms, *told, 0)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Every limit: of targets, triggers and alerts."""
        triggers = (trigger.limit for trigger in self.triggers)
        return (*self.targets, *triggers, *(rule.limit for rule in self.alerts))

    def metric(self, name: str) -> MetricDefinition | None:
        """The metric of that name."""
        return next((each for each in self.metrics if each.name == name), None)
