"""HAProxy's configuration as text, from values. Must not run anything or read any file.

The order of the rules is the design: the route is read, the candidate is trusted or not, only then is the
request counted under the slot that should serve it.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from tminus.adapters.haproxy import assets, counting, files, sticky, values
from tminus.adapters.haproxy.values import quoted
from tminus.adapters.router.route_text import NOWHERE, to_text
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import METER, METER_HEADER, OTHER, RouteClass, Traffic
from tminus.domain.watch.counts import BUCKETS_MS
from tminus.ports.router import Hosting

FD_VARIABLE = "TM_FD"
BREAKER_WINDOWS_MS = (250, 5_000)  # the first for busy services, the second for a few requests per second
BREAKER_MIN_FAILURES = 5
BREAKER_MIN_SLOW = 10
BREAKER_SLOW_PERCENT = 20
LOOPBACK_CONNECT_MS = 100  # a refused connect waits as long before the next attempt
REMOTE_CONNECT_MS = 1_000
LAST_RESORT_LIMIT = "10s"  # for an answer of an instance that every check calls down
LONG_SILENCE = "1h"  # of streams and websockets, the same after an upgrade


@dataclass(frozen=True, slots=True)
class Sizes:
    """What depends on the machine: `maxconn` concurrent connections, `threads` of HAProxy."""

    maxconn: int = 4_000
    threads: int = 2


@dataclass(frozen=True, slots=True)
class _Way:
    """How this configuration is reached and where it finds its route."""

    bind: str
    route: str
    controlled: bool


def render(hosting: Hosting, admitted: Collection[Slot] = (), sizes: Sizes = Sizes()) -> str:
    """The configuration of a router under control.

    It inherits its listening socket as the number in `TM_FD`, and all its paths are relative to the working
    directory.

    Raises:
        Refused: `router-config-rejected`, a value cannot stand in a configuration.
    """
    route = f'str({files.KEY}),map_str({files.ROUTE_MAP},"{to_text(NOWHERE)}")'
    way = _Way(bind=f"fd@${{{FD_VARIABLE}}}", route=route, controlled=True)
    return _text(hosting, admitted, sizes, way)


def render_standalone(hosting: Hosting, route: Route, sizes: Sizes = Sizes()) -> str:
    """A configuration that needs nothing but HAProxy: its own socket, and `route` for ever.

    Raises:
        Refused: `router-config-rejected`.
    """
    # Without a candidate nothing is split, and with no directory of its own there is no way back into itself.
    cookie = hosting.sticky_cookie if route.candidate else ""
    hosting = replace(hosting, sticky_cookie=cookie, asset_paths=())
    host = f"[{hosting.host}]" if ":" in hosting.host else hosting.host
    way = _Way(bind=f"{host}:{hosting.port}", route=f"str({to_text(route)})", controlled=False)
    admitted = [slot for slot in (route.live, route.candidate) if slot]
    return _text(hosting, admitted, sizes, way)


def with_admitted(text: str, admitted: Collection[Slot]) -> str:
    """The same configuration, with these slots admitted and the others not."""
    lines = []
    for line in text.splitlines():
        found = _SERVER.fullmatch(line)
        if found:
            suffix = "" if Slot(found["slot"] or found["last"]) in admitted else " disabled"
            lines.append(found["server"] + suffix)
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def admitted_in(text: str) -> frozenset[Slot]:
    """Slots that a configuration admits."""
    found = [match for line in text.splitlines() if (match := _SERVER.fullmatch(line))]
    return frozenset(Slot(match["slot"] or match["last"]) for match in found if not match["disabled"])


_SERVER = re.compile(
    r"(?P<server>  server (?P<slot>blue|green)\d+ \S+|  server last_(?P<last>blue|green)\d+ \S+ no-check)"
    r"(?P<disabled> disabled)?"
)


def _text(hosting: Hosting, admitted: Collection[Slot], sizes: Sizes, way: _Way) -> str:
    values.check(hosting)
    lines = [
        *_global(hosting, sizes, way),
        *_frontend(hosting, sizes, way),
        *(line for slot in Slot for line in _backend(hosting, slot)),
        *(line for slot in _hosted(hosting) for line in _last_resort(hosting, slot)),
        *(
            line
            for slot in Slot
            for entry in classes_apart(hosting)
            for line in _backend_apart(hosting, slot, entry)
        ),
        *assets.sections(hosting.asset_paths, sizes.maxconn),
        *_tables(hosting),
    ]
    return with_admitted("\n".join(lines), admitted)


def _global(hosting: Hosting, sizes: Sizes, way: _Way) -> Iterator[str]:
    yield f"# hosting {hosting.digest}"
    yield "global"
    if way.controlled:
        yield f"  stats socket unix@{files.CONSOLE} mode 600 level admin"
    yield f"  maxconn {sizes.maxconn}"
    yield f"  nbthread {sizes.threads}"
    yield "  hard-stop-after 1h"
    local = all(_is_loopback(address) for slot in Slot for address in hosting.addresses.get(slot, ()))
    connect_ms = LOOPBACK_CONNECT_MS if local else REMOTE_CONNECT_MS
    yield from _DEFAULTS.format(connect_ms=connect_ms, long_silence=LONG_SILENCE).splitlines()


def _frontend(hosting: Hosting, sizes: Sizes, way: _Way) -> Iterator[str]:
    yield "frontend public"
    yield f"  bind {way.bind}"
    if way.controlled:
        yield f"  bind unix@{files.PROBE} mode 600 name probe"
    if hosting.asset_paths:
        yield f"  maxconn {assets.client_maxconn(sizes.maxconn)}"
    yield from _ROUTE_RULES.format(route=way.route).splitlines()
    yield from sticky.draw(hosting.sticky_cookie)
    yield "  http-request set-var(txn.draw) int(0),sub(txn.bp) if probe"
    for slot in Slot:
        yield f"  acl cand_{slot} var(txn.cand) -m str {slot}"
        # A rule that is never true, so that the name is known for a slot without instances.
        yield f"  acl up_{slot} always_false"
        for number, _ in enumerate(hosting.addresses.get(slot, ()), start=1):
            yield f"  acl up_{slot} srv_is_up(be_{slot}/{slot}{number})"
        yield f"  http-request set-var(txn.up_{slot}) str({slot}) if up_{slot}"
    yield from _TRUST_RULES.splitlines()
    if way.controlled:
        yield _PROBE_RULE.format(hosting=hosting.digest)
    yield from _breaker(hosting)
    yield from _classes(hosting.route_classes, classes_apart(hosting))
    yield from _COUNT_RULES.splitlines()
    yield from assets.choose(hosting.asset_paths)
    for slot in _hosted(hosting):
        yield f"  use_backend be_last_{slot} if {{ var(txn.slot) -m str {slot} }} {{ nbsrv(be_{slot}) eq 0 }}"
    yield "  use_backend be_%[var(txn.slot)].%[var(txn.class)] if { var(txn.apart) -m int 1 } !nowhere"
    yield "  use_backend be_%[var(txn.slot)]"
    yield from sticky.hand_out(hosting.sticky_cookie)
    yield from _answers(hosting.slow_limit_ms)


def _breaker(hosting: Hosting) -> Iterator[str]:
    """Leaves the candidate for good when too many of its requests fail or are slow, or no instance is up."""
    yield "  http-request track-sc0 var(txn.trial) table st_trial if on_candidate"
    yield "  http-request track-sc2 var(txn.trial) table st_trial_long if on_candidate"
    for counter in (0, 2):
        yield (
            f"  http-request set-var(txn.allowed) sc_http_req_rate({counter}),mul({hosting.error_limit_ppm})"
            " if on_candidate"
        )
        yield (
            f"  http-request set-var(txn.excess) sc_gpc_rate(0,{counter}),mul(1000000),sub(txn.allowed)"
            " if on_candidate"
        )
        yield (
            f"  http-request sc-set-gpt0(0) 1 if on_candidate {{ sc_gpc_rate(0,{counter}) ge"
            f" {BREAKER_MIN_FAILURES} }} {{ var(txn.excess) -m int gt 0 }}"
        )
        yield (
            f"  http-request set-var(txn.allowed) sc_http_req_rate({counter}),mul({BREAKER_SLOW_PERCENT})"
            " if on_candidate"
        )
        yield (
            f"  http-request set-var(txn.excess) sc_gpc_rate(1,{counter}),mul(100),sub(txn.allowed)"
            " if on_candidate"
        )
        yield (
            f"  http-request sc-set-gpt0(0) 2 if on_candidate {{ sc_gpc_rate(1,{counter}) ge"
            f" {BREAKER_MIN_SLOW} }} {{ var(txn.excess) -m int gt 0 }}"
        )
    for slot in Slot:
        yield f"  http-request sc-set-gpt0(0) 3 if on_candidate cand_{slot} !up_{slot}"
    yield "  http-request set-var(txn.slot) var(txn.cand) if on_candidate !{ sc_get_gpt0(0) gt 0 }"


def classes_apart(hosting: Hosting) -> tuple[RouteClass, ...]:
    """Classes with backends of their own, so that they can be waited for and ended by themselves.

    Long ones, which a request's timeout does not suit either, and those with a drain of their own. Each
    costs a pool of connections per instance, so the others share one.
    """
    return tuple(
        entry
        for entry in hosting.route_classes
        if entry.traffic is not Traffic.REQUEST or entry.drain_ms != hosting.drain_ms
    )


def backend_name(slot: Slot, route_class: str = "") -> str:
    """The backend of a slot, or of a class apart on it."""
    return f"be_{slot}.{route_class}" if route_class else f"be_{slot}"


def _classes(route_classes: tuple[RouteClass, ...], apart: tuple[RouteClass, ...]) -> Iterator[str]:
    """Names the request's class; the first that claims it wins."""
    yield f"  http-request set-var(txn.class) str({METER}) if {{ req.hdr({METER_HEADER}) -m found }}"
    for number, route_class in enumerate(route_classes):
        for path in route_class.paths:
            yield from values.below(path, f"path_{number}")
        methods = f" {{ method {' '.join(route_class.methods)} }}" if route_class.methods else ""
        claims = f"path_{number}{methods} !{{ var(txn.class) -m found }}"
        if not route_class.paths:
            claims = claims.removeprefix(f"path_{number} ")
        if route_class.traffic is not Traffic.REQUEST:
            yield f"  http-request set-var(txn.skip) int(1) if {claims}"
        if route_class in apart:
            yield f"  http-request set-var(txn.apart) int(1) if {claims}"
        yield f"  http-request set-var(txn.class) str({route_class.name}) if {claims}"
    yield f"  http-request set-var(txn.class) str({OTHER}) unless {{ var(txn.class) -m found }}"


def _answers(slow_limit_ms: int) -> Iterator[str]:
    """Counts answers, those that HAProxy made itself and those that the net gave included."""
    yield "  acl failed status ge 500"
    yield "  acl failed srv_name -m beg net_"
    yield "  acl failed var(txn.net) -m int 1"
    yield "  acl skip var(txn.skip) -m int 1"
    yield "  http-after-response set-var(txn.took) date(0,us),sub(txn.began)"
    for counter in (0, 2):
        yield f"  http-after-response sc-inc-gpc(0,{counter}) if failed"
        if slow_limit_ms > 0:
            slow = f"{{ var(txn.took) -m int gt {slow_limit_ms * 1000} }} !skip"
            yield f"  http-after-response sc-inc-gpc(1,{counter}) if {slow}"
    yield f"  http-after-response sc-inc-gpc({counting.FAILED},1) if failed"
    yield f"  http-after-response sc-inc-gpc({counting.ANSWERED},1)"
    yield f"  http-after-response sc-inc-gpc({counting.TIMED},1) if !skip"
    for index, edge_ms in enumerate(BUCKETS_MS, start=counting.FIRST_BUCKET):
        within = f"{{ var(txn.took) -m int le {edge_ms * 1000} }} !skip"
        yield f"  http-after-response sc-inc-gpc({index},1) if {within}"


def _backend(hosting: Hosting, slot: Slot) -> Iterator[str]:
    """A slot, with the other behind it as its net."""
    yield f"backend be_{slot}"
    yield f"  option httpchk GET {quoted(hosting.health_path)}"
    yield "  option allbackups"
    for number, address in enumerate(hosting.addresses.get(slot, ()), start=1):
        yield f"  server {slot}{number} {address}"
    other = slot.other
    for number, address in enumerate(hosting.addresses.get(other, ()), start=1):
        yield (f"  server net_{other}{number} {address} no-check backup track be_{other}/{other}{number}")


def _hosted(hosting: Hosting) -> list[Slot]:
    """Slots that have instances at all."""
    return [slot for slot in Slot if hosting.addresses.get(slot)]


def _last_resort(hosting: Hosting, slot: Slot) -> Iterator[str]:
    """The same instances without checks, for when nothing is up: neither they nor the net.

    On a machine without a moment to spare every check of every instance is late at once, and yet each would
    answer in the end. One that is dead refuses, which costs nothing.
    """
    yield f"backend be_last_{slot}"
    yield f"  timeout server {LAST_RESORT_LIMIT}"
    for number, address in enumerate(hosting.addresses.get(slot, ()), start=1):
        yield f"  server last_{slot}{number} {address} no-check"


def _backend_apart(hosting: Hosting, slot: Slot, route_class: RouteClass) -> Iterator[str]:
    """The same instances for one class: up, admitted and expelled as those of the slot's own backend are."""
    yield f"backend {backend_name(slot, route_class.name)}"
    yield "  option allbackups"
    if route_class.traffic is not Traffic.REQUEST:
        yield f"  timeout server {LONG_SILENCE}"
    for place, prefix, role in ((slot, "", ""), (slot.other, "net_", " backup")):
        for number, address in enumerate(hosting.addresses.get(place, ()), start=1):
            tracked = f"no-check{role} track be_{place}/{place}{number}"
            yield f"  server {prefix}{place}{number} {address} {tracked}"


def _tables(hosting: Hosting) -> Iterator[str]:
    yield "backend be_none"
    nothing = '"No version of this service is live.\\n"'
    yield f"  http-request return status 503 content-type text/plain string {nothing}"
    for name, window_ms in zip(("st_trial", "st_trial_long"), BREAKER_WINDOWS_MS, strict=True):
        yield f"backend {name}"
        yield (
            "  stick-table type string len 64 size 1k expire 24d store"
            f" gpt0,gpc(2),gpc_rate(2,{window_ms}ms),http_req_rate({window_ms}ms)"
        )
    yield "backend st_class"
    yield (
        "  stick-table type string len 128 size 4k expire 24d store"
        f" gpc({counting.COLUMNS}),http_req_cnt,conn_cur"
    )
    for name, expire_ms in (("st_short", hosting.shift_lease_ms), ("st_patient", hosting.bake_lease_ms)):
        yield f"backend {name}"
        yield f"  stick-table type string len 64 size 100 expire {expire_ms}ms store server_id"


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "localhost:", "[::1]:"))


_DEFAULTS = """\
defaults
  mode http
  option http-keep-alive
  # A reload loses nothing: idle connections are closed with an answer, never between two requests.
  option idle-close-on-response
  option redispatch 1
  option splice-auto
  retries 6
  retry-on conn-failure empty-response response-timeout
  http-reuse always
  timeout connect {connect_ms}ms
  timeout check 200ms
  timeout client 60s
  timeout server 30s
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout queue 2s
  timeout tunnel {long_silence}
  timeout client-fin 5s
  timeout server-fin 5s
  default-server check inter 200ms fastinter 50ms downinter 500ms fall 2 rise 3 observe layer4 error-limit 1 \
on-error mark-down pool-purge-delay 2s"""

_ROUTE_RULES = """\
  acl probe so_name -m str probe
  # Writes are never sent twice.
  http-request disable-l7-retry unless METH_GET
  http-request set-var(txn.rt) {route}
  http-request set-var(txn.live) var(txn.rt),field(1,:)
  http-request set-var(txn.cand) var(txn.rt),field(2,:)
  http-request set-var(txn.bp) var(txn.rt),field(3,:),add(0)
  http-request set-var(txn.generation) var(txn.rt),field(5,:)
  http-request set-var(txn.trial) var(txn.cand),concat(@,txn.generation)
  http-request set-var(txn.slot) var(txn.live)"""

_TRUST_RULES = """\
  acl picked var(txn.draw) -m int lt 0
  acl unwatched var(txn.rt),field(4,:) -m str 0
  acl watch_short var(txn.rt),field(4,:) -m str 1
  acl watch_patient var(txn.rt),field(4,:) -m str 2
  acl leased_short var(txn.trial),in_table(st_short)
  acl leased_patient var(txn.trial),in_table(st_patient)
  acl latched var(txn.trial),table_gpt0(st_trial) gt 0
  acl on_candidate var(txn.on) -m int 1
  http-request set-var(txn.slot) var(txn.cand) if picked unwatched
  http-request set-var(txn.on) int(1) if picked watch_short leased_short !latched
  http-request set-var(txn.on) int(1) if picked watch_patient leased_patient !latched
  http-request set-var(txn.slot) var(txn.cand) if probe on_candidate"""

_PROBE_RULE = (
    '  http-request return status 200 content-type text/plain lf-string "'
    "route=%[var(txn.rt)] slot=%[var(txn.slot)] trusted=%[var(txn.on)]"
    " latch=%[var(txn.trial),table_gpt0(st_trial)] short=%[var(txn.trial),in_table(st_short)]"
    " patient=%[var(txn.trial),in_table(st_patient)] up=%[var(txn.up_blue)],%[var(txn.up_green)]"
    ' hosting={hosting}\\n" if probe'
)

_COUNT_RULES = """\
  acl nowhere var(txn.slot) -m str none
  http-request set-var(txn.row) var(txn.slot),concat(@,txn.generation),concat(/,txn.class)
  http-request track-sc1 var(txn.row) table st_class unless nowhere
  http-request set-var(txn.began) date(0,us)"""
