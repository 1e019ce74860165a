"""launch.yaml as models: its keys, kinds, defaults and descriptions. Must not know how mistakes are shown.

Every default that the domain has is taken from there, so that it is written once.
"""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tminus.domain.plan.plan import (
    ArtifactSmoke,
    Build,
    Lease,
    Listen,
    Meter,
    OnInconclusive,
    Plan,
    Resources,
    Shift,
    Warming,
)
from tminus.domain.plan.request import Request
from tminus.domain.plan.route_class import Traffic
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS
from tminus.plan.check_section import OptionalChecks
from tminus.plan.database_section import DatabaseSection
from tminus.plan.external_section import AlertmanagerSection
from tminus.plan.image_section import ImageSection
from tminus.plan.judge_section import JudgeSection
from tminus.plan.kinds import (
    T0,
    Address,
    AssetPath,
    Branch,
    ClassName,
    CommandLine,
    Commit,
    CookieName,
    Duration,
    Edge,
    EnvName,
    HeaderName,
    HeaderValue,
    Instant,
    JsonBody,
    JsonValue,
    Label,
    Method,
    OptionalDuration,
    OptionalPath,
    Percentage,
    Pointer,
    ProjectCode,
    Rate,
    RequestLine,
    RequestPath,
    Secret,
    Statuses,
    Step,
    Tag,
    UrlPath,
    Version,
    WindowMoment,
    Words,
    one_of,
)
from tminus.plan.limit_section import AlertSection, TargetSection, TriggerSection
from tminus.plan.metric_kinds import MetricName
from tminus.plan.metric_section import MetricSection
from tminus.plan.polling_section import PollSection
from tminus.plan.router_section import RouterSection, in_one_word
from tminus.plan.run_section import RunSection
from tminus.plan.scalar import complaint
from tminus.plan.section import HANDBOOK, TMINUS, Section, default_of, given, usual
from tminus.plan.stage_section import StageSection
from tminus.plan.tree import Text

OR_OFF = BeforeValidator(lambda value: None if value == "off" else value)


class WindowSection(Section):
    """The deployment window. T-0 lies in it: not before `from`, and before `to`."""

    opens: WindowMoment = given("when the window opens: a point in time, or relative to T-0", alias="from")
    closes: WindowMoment = given("when it closes; T-0 must lie before it", alias="to")


class FreezeSection(Section):
    """A freeze: a time in which no launch begins."""

    opens: Instant = given("when it begins", alias="from")
    closes: Instant = given("when it is over; a launch may begin then", alias="to")
    why: Words = given("shown to whoever is refused", examples=["the sale"])


class SourceSection(Section):
    """Where the artifact comes from: an annotated tag of a git repository."""

    repository: Words = usual(".", TMINUS, "folder of the git repository, relative to this file")
    tag: Tag | None = given("annotated tag to launch; `v` and the version when not given", default=None)
    commit: Commit | None = given(
        "what tminus tags where there is no such tag yet, and what the tag must name where there is",
        default=None,
        examples=["3f2a91c"],
    )
    branch: Branch | None = given(
        "branch that the tagged commit must be on; where there is no such tag yet, its newest is tagged",
        default=None,
        examples=["main"],
    )


class BuildSection(Section):
    """How the tag's tree becomes an artifact: a command run once inside it, and one instance of it asked.

    That instance is started alone after the build, on a free port of its own, and stopped again.
    """

    command: CommandLine = usual(
        default_of(Build, "command"),
        TMINUS,
        "run once in the tag's tree; a failure ends the launch",
        shown="nothing to run",
    )
    deadline: Duration = usual(
        default_of(Build, "deadline_ms"), TMINUS, "the command is ended after this time"
    )
    smoke: Annotated[ArtifactSmoke, one_of(ArtifactSmoke)] | None = given(
        "what the instance is asked: `suite`, `health` or `off`; the smoke suite when not given, and `off` "
        "with a `database`, whose schema the release does not know yet",
        default=None,
    )
    smoke_env: dict[EnvName, Words] = given(
        "variables that differ from `run.env` for that instance",
        default={},
        examples=[{"LOG_LEVEL": "debug"}],
    )
    smoke_secrets: dict[EnvName, Secret] = given(
        "references that differ from `run.secrets` for that instance, such as another database",
        default={},
        examples=[{"DATABASE_URL": "env:SMOKE_DATABASE_URL"}],
    )
    docker: ImageSection | None = given("an image instead, built and pushed to a registry", default=None)


class RouteSection(Section):
    """A class of requests that is counted apart."""

    paths: Annotated[list[UrlPath], Field(min_length=1)] = given(
        "path prefixes in whole segments: /pay claims /pay and /pay/x, not /payroll",
        examples=[["/auth/login"]],
    )
    methods: list[Method] = given("methods claimed; all when not given", default=[])
    traffic: Annotated[Traffic, one_of(Traffic)] = usual(
        Traffic.REQUEST, TMINUS, "how requests occupy a connection: request, stream or websocket"
    )
    drain: OptionalDuration = given(
        "how long requests may finish on a slot that traffic has left; the plan's `drain` when not given",
        default=None,
    )


class ExpectSection(Section):
    """What an answer must be."""

    status: Statuses = usual(
        default_of(Request, "expect_status"), TMINUS, "HTTP status, or a list of accepted ones"
    )
    body: dict[Pointer, JsonValue] = given(
        "JSON pointers (RFC 6901) and the values that must stand there", default={}, alias="json"
    )


class RequestSection(Section):
    """A request with its expected answer."""

    request: RequestLine = given(
        "method and path, `{name}` is replaced by a captured variable", examples=["GET /"]
    )
    name: Words | None = given("shown in the log; the request itself when not given", default=None)
    route_class: ClassName | None = given(
        "class of requests it belongs to; the class claims its method and path", default=None, alias="class"
    )
    headers: dict[HeaderName, HeaderValue] = given("headers to send; values may hold `{name}`", default={})
    json_body: JsonBody = given(
        "JSON body to send, as YAML; quote a value that is text but looks like a number",
        default=None,
        alias="json",
    )
    body: Words | None = given("body to send as it is, instead of `json`", default=None)
    expect: ExpectSection = given("what the answer must be", default_factory=ExpectSection)
    capture: dict[EnvName, Pointer] = given(
        "variables for later requests, each a JSON pointer into the answer", default={}
    )
    within: Duration = usual(
        default_of(Request, "limit_ms"), TMINUS, "the answer must be complete after this time"
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and self.json_body is not None:
            raise complaint("plan-bad-request", " has both `json` and `body`", "keep one of the two")
        return self


class ShiftSection(Section):
    """How traffic moves to the candidate. `at-once` moves all of it in one step."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=20)] = usual(
        list(default_of(Shift, "steps_bp")),
        TMINUS,
        "rising shares of the traffic in percent, the last is 100",
    )
    each: Duration = usual(default_of(Shift, "step_min_ms"), TMINUS, "a step lasts at least so long")
    deadline: Duration = usual(
        default_of(Shift, "step_deadline_ms"),
        TMINUS,
        "a step without a verdict by then goes by `on_inconclusive`",
    )

    @model_validator(mode="before")
    @classmethod
    def _in_one_word(cls, value: object) -> object:
        return {"steps": [Text("100", quoted=False)]} if value == "at-once" else value


class VerifySection(Section):
    """Verification: all traffic is on the candidate and the targets must hold."""

    length: Duration = usual(10 * MINUTE_MS, HANDBOOK, "how long it lasts", alias="for")
    reading: Duration = usual(5 * MINUTE_MS, TMINUS, "a reading enters the log this often")
    targets: Annotated[list[TargetSection], Field(min_length=1)] | None = given(
        "limits that must hold; the handbook's 0.1 % and 200ms when not given", default=None
    )


class BakeSection(Section):
    """Bake: stable keeps running, warm, so that rollback takes seconds. Then it is retired."""

    length: Duration = usual(HOUR_MS, HANDBOOK, "how long it lasts", alias="for")
    reading: Duration = usual(30 * MINUTE_MS, HANDBOOK, "a reading enters the log this often")


class WatchSection(Section):
    """Watch: the first hours of the new release."""

    length: Duration = usual(DAY_MS, HANDBOOK, "how long it lasts", alias="for")
    reading: OptionalDuration = given(
        "a reading enters the log this often; as often as its stage looks when not given", default=None
    )
    stages: Annotated[Annotated[list[StageSection], Field(min_length=1)] | None, OR_OFF] = given(
        "who is on duty and how often somebody looks, or `off`; the handbook's when not given", default=None
    )


class LeaseSection(Section):
    """How long the router trusts a candidate whose controller has fallen silent.

    `off` is for routers that cannot watch their controller.
    """

    shift: Duration = usual(default_of(Lease, "shift_ms"), TMINUS, "while traffic moves and is verified")
    bake: Duration = usual(default_of(Lease, "bake_ms"), TMINUS, "during bake, so that the agent may restart")


class MeterSection(Section):
    """The loss meter: numbered requests through the router while traffic moves. `off` sends none."""

    get: OptionalPath = given("path fetched with GET; `run.health` when not given", default=None)
    post: OptionalPath = usual(
        default_of(Meter, "post_path"),
        TMINUS,
        "path that receives POST with an Idempotency-Key",
        shown="none",
    )
    body: Words = usual(default_of(Meter, "post_body"), TMINUS, "body of these")
    rate: Rate = usual(default_of(Meter, "rate_per_s"), TMINUS, "requests a second, all kinds together")


class WarmSection(Section):
    """Warming: paths fetched before traffic moves, so that no user is the first to ask for them."""

    paths: Annotated[list[RequestPath], Field(min_length=1)] = given(
        "fetched with GET, in order, each until it answers", examples=[["/", "/assets/app.js"]]
    )
    edge: Edge = usual(
        None,
        TMINUS,
        "base URL of the CDN or cache to fetch through",
        shown="none: from each candidate instance itself",
    )
    deadline: Duration = usual(default_of(Warming, "deadline_ms"), TMINUS, "of all of them together")


class ResourcesSection(Section):
    """What the machine must have left, asked half an hour before T-0."""

    disk_free: Percentage = usual(
        default_of(Resources, "disk_free_ppm"), HANDBOOK, "of the file system that holds the state"
    )
    memory_free: Percentage = usual(default_of(Resources, "memory_free_ppm"), HANDBOOK, "of all memory")


class LaunchFile(Section):
    """One launch of one service, from its build to the end of its first day.

    Durations have a unit (500ms, 30s, 10m, 1h30m, 7d), rates are percentages (0.1 %), points in time are UTC
    or carry an offset (2025-12-20T14:00Z), and times relative to T-0 are T-24h, T or T+10m.
    """

    service: Label = given("name of the service", examples=["payment-app"])
    version: Version = given("semantic version to launch, without a leading v", examples=["1.4.0"])
    project: ProjectCode = usual("", TMINUS, "code that the documents carry in their names", shown="none")
    environment: Label = usual(default_of(Plan, "environment"), TMINUS, "where the launch happens")
    t0: T0 = usual(None, TMINUS, "T-0: a point in time, or `now` for as soon as it is ready")
    window: WindowSection | None = usual(None, TMINUS, "the deployment window", shown="any time")
    freezes: list[FreezeSection] = usual([], TMINUS, "times in which no launch begins", shown="none")
    source: SourceSection = given("what is launched", default_factory=SourceSection)
    build: BuildSection = given("how the artifact is made", default_factory=BuildSection)
    run: RunSection = given(
        "how an instance is started", examples=[{"command": "python -m http.server {port}"}]
    )
    database: DatabaseSection | None = usual(None, TMINUS, "the service's database", shown="none")
    resources: ResourcesSection = given("what the machine must have left", default_factory=ResourcesSection)
    warm: WarmSection | None = usual(
        None, TMINUS, "what is fetched before traffic moves", shown="nothing to fetch"
    )
    listen: Address = usual(
        (default_of(Listen, "host"), default_of(Listen, "port")), TMINUS, "public address of the service"
    )
    router: Annotated[RouterSection, BeforeValidator(in_one_word)] = given(
        "what stands at that address", default_factory=RouterSection
    )
    routes: dict[ClassName, RouteSection] = given("classes of requests that are counted apart", default={})
    sticky: CookieName = usual(
        None, TMINUS, "cookie by which a client stays on the slot that it was given", shown="none"
    )
    assets: list[AssetPath] = usual(
        [],
        TMINUS,
        "path prefixes of static files whose names carry their version: what one slot lacks, the other has",
        shown="none",
    )
    critical_paths: Annotated[list[RequestSection], Field(min_length=1)] | None = given(
        "requests sent through the router after traffic moved; the health path when not given",
        default=None,
        examples=[[{"request": "GET /"}]],
    )
    smoke: Annotated[list[RequestSection], Field(min_length=1)] | None = given(
        "requests sent to each candidate instance before it has traffic; the critical paths when not given",
        default=None,
        examples=[[{"request": "GET /"}]],
    )
    shift: ShiftSection = given("how traffic moves: steps, or `at-once`", default_factory=ShiftSection)
    verify: VerifySection = given("verification after all traffic moved", default_factory=VerifySection)
    bake: BakeSection = given("how long stable stays warm", default_factory=BakeSection)
    watch: WatchSection = given("the first day", default_factory=WatchSection)
    metrics: dict[MetricName, MetricSection] = given(
        "named numbers from Prometheus, HTTP, SQL, commands, this machine, reports and people", default={}
    )
    triggers: Annotated[list[TriggerSection], Field(min_length=1)] | None = given(
        "limits that act at once; the handbook's 1 %, 500ms and any vulnerability that is noted roll back "
        "when not given",
        default=None,
    )
    alerts: Annotated[Annotated[list[AlertSection], Field(min_length=1)] | None, OR_OFF] = given(
        "limits that somebody is told about, or `off`; the handbook's when not given", default=None
    )
    alertmanager: AlertmanagerSection | None = usual(
        None, TMINUS, "alerts of somebody else's monitoring", shown="none"
    )
    checks: OptionalChecks = given(
        "what must hold before traffic moves, or `handbook`, or `off`; nothing is checked when not given",
        default=None,
    )
    judge: JudgeSection = given("how limits without a window are judged", default_factory=JudgeSection)
    poll: Annotated[PollSection | None, OR_OFF] = usual(
        None, TMINUS, "the go/no-go poll before staging, or `off`", shown="off"
    )
    on_inconclusive: Annotated[OnInconclusive, one_of(OnInconclusive)] = usual(
        default_of(Plan, "on_inconclusive"),
        TMINUS,
        "what follows when evidence does not suffice: hold or rollback",
    )
    drain: OptionalDuration = given(
        "requests still on a slot so long after traffic left it are cut and counted; 30s when not given",
        default=None,
    )
    hold_expiry: Duration = usual(
        default_of(Plan, "hold_expiry_ms"), TMINUS, "a hold that nobody lifts ends in scrub or rollback"
    )
    lease: Annotated[LeaseSection | None, OR_OFF] = given(
        "how long the router trusts a silent controller, or `off`", default_factory=LeaseSection
    )
    meter: Annotated[MeterSection | None, OR_OFF] = given(
        "the loss meter, or `off`", default_factory=MeterSection
    )
