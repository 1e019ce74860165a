"""The probe `redis`: every server answers, the cluster is whole, replicas follow, memory is left."""

import ssl
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.redis.resp import RedisConnection, RedisRefusedError, RespError
from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import printable
from tminus.probes.guard import guarded

_SLOTS = 16_384
_MOST = 64  # servers that one probe asks
_PERCENT = 100
_SHOWN_CHARS = 60
_NODE_WORDS = 8  # of a line of CLUSTER NODES before its slots


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Which servers are asked, and what they must say.

    Attributes:
        addresses: `host:port` of each server.
        password: a secret; none is sent where it is not given.
        user: of the password; the default one where it is not given.
        tls: whether TLS is spoken.
        roots: file of certificates that are trusted instead of the system's, as PEM.
        cluster: whether they are a cluster, which must be whole by the word of each.
        masters: masters there must be at least; in a cluster those that serve slots.
        replicas: replicas that must follow each master at least.
        memory: percent of its memory limit that a server may use at most; a server without a limit has none.
    """

    addresses: tuple[str, ...]
    password: SecretRef | None = None
    user: str = ""
    tls: bool = False
    roots: str = ""
    cluster: bool = False
    masters: int = 1
    replicas: int = 0
    memory: int = 90

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        if not 0 < len(self.addresses) <= _MOST:
            raise ValueError(f"`addresses` must be from 1 to {_MOST}, each host:port")
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 1 << 16:
                raise ValueError(f"{address!r} is no host:port")
        if self.masters < 0 or self.replicas < 0 or not 0 < self.memory <= _PERCENT:
            raise ValueError("counts cannot be below zero, and `memory` is from 1 to 100 percent")


@dataclass(slots=True)
class _Found:
    """What was learnt: what is wrong, who told nothing, and evidence; masters by name with their replicas."""

    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    masters: dict[str, int] = field(default_factory=dict)
    memory_percent: int = 0


def _source(settings: RedisSettings, target: Target) -> str:
    del target
    asked = "CLUSTER INFO, CLUSTER NODES, INFO" if settings.cluster else "INFO"
    return f"{asked} of {', '.join(settings.addresses)}"


def _ask(settings: RedisSettings, around: Around, limit_ms: int) -> Answer:
    password = "" if settings.password is None else around.secret(settings.password)
    roots = str(around.repository / settings.roots) if settings.roots else ""
    source = _source(settings, around.target)
    if roots and not Path(roots).is_file():
        return unknown(f"the file of roots {settings.roots} is not there", source)
    deadline = Deadline(limit_ms)
    found = _Found()
    for number, address in enumerate(settings.addresses):
        # Each has its share of what is left, so that one that hangs does not hide the others.
        share_s = deadline.left_ms / (len(settings.addresses) - number) / 1000
        why = _visit(settings, address, password, roots, share_s, found)
        if why:
            found.doubts.append(f"{address}: {why}")
    return _judged(settings, found, source)


def _visit(
    settings: RedisSettings, address: str, password: str, roots: str, limit_s: float, found: _Found
) -> str:
    """Why nothing could be learnt of that server; empty where it could."""
    host, _, port = address.rpartition(":")
    try:
        with RedisConnection(
            host.strip("[]"), int(port), limit_s, tls=settings.tls, roots=roots
        ) as connection:
            if password:
                connection.call("AUTH", *([settings.user] if settings.user else []), password)
            if settings.cluster:
                cluster = _fields(connection.text("CLUSTER", "INFO"))
                nodes = connection.text("CLUSTER", "NODES")
                _cluster(address, cluster, nodes, found)
            _server(settings, address, _fields(connection.text("INFO")), found)
    except TimeoutError:
        return "no reply within the time limit"
    except (RedisRefusedError, RespError) as error:
        return str(error)
    except ssl.SSLError as error:
        return f"no TLS: {str(error.reason or 'failed').replace('_', ' ').lower()}"
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    except (LookupError, ValueError):  # fields that are missing or no numbers; their texts would quote it
        return "it does not answer as Redis does"
    return ""


def _cluster(address: str, cluster: Mapping[str, str], nodes: str, found: _Found) -> None:
    """Source: Redis documentation, CLUSTER INFO and CLUSTER NODES."""
    state, served = cluster["cluster_state"], int(cluster["cluster_slots_ok"])
    found.lines.append(f"{address}: cluster {state[:20]}, {served} slots served")
    if state != "ok":
        found.wrong.append(f"{address} says that the cluster is not ok")
    elif served < _SLOTS:
        found.wrong.append(f"{address} says that {_SLOTS - served} slots are not served")
    seen: Counter[str] = Counter()
    for line in nodes.splitlines():
        words = line.split()
        name, flags, master, link = words[0], words[2].split(","), words[3], words[7]
        is_well = link == "connected" and not {"fail", "fail?", "noaddr", "handshake"} & set(flags)
        if not is_well:
            found.wrong.append(f"{address} says that {_shown(words[1])} is not reached")
        elif "master" in flags and len(words) > _NODE_WORDS:
            seen[name] += 0
        elif "slave" in flags:
            seen[master] += 1
    _merge(found, seen)


def _server(settings: RedisSettings, address: str, says: Mapping[str, str], found: _Found) -> None:
    """Source: Redis documentation, INFO."""
    role, used, limit = says["role"], int(says["used_memory"]), int(says["maxmemory"])
    percent = used * _PERCENT // limit if limit else 0
    found.memory_percent = max(found.memory_percent, percent)
    found.lines.append(
        f"{address}: {role[:20]}, {used} bytes{f', {percent} % of its limit' if limit else ''}"
    )
    if percent > settings.memory:
        found.wrong.append(f"{address} uses {percent} % of its memory, wanted at most {settings.memory} %")
    if role == "slave":
        if says["master_link_status"] != "up":
            found.wrong.append(f"{address} does not follow its master")
    elif not settings.cluster:
        count = int(says["connected_slaves"])
        online = sum(
            ",state=online," in says.get(f"slave{number}", "") for number in range(min(count, _MOST))
        )
        _merge(found, {address: online})


def _merge(found: _Found, seen: Mapping[str, int]) -> None:
    """Adds masters; what servers tell differently of one counts by the least."""
    for name, replicas in seen.items():
        found.masters[name] = min(found.masters.get(name, replicas), replicas)


def _judged(settings: RedisSettings, found: _Found, source: str) -> Answer:
    least = min(found.masters.values(), default=0)
    asked = len(settings.addresses)
    facts = {"masters": len(found.masters), "replicas": sum(found.masters.values())}
    facts |= {"memory_percent": found.memory_percent, "answered": asked - len(found.doubts)}
    excerpt = "\n".join(found.lines)
    wrong = list(dict.fromkeys(found.wrong))
    if not found.doubts or (settings.cluster and found.masters):
        if len(found.masters) < settings.masters:
            wrong.append(f"it has {len(found.masters)} masters, wanted at least {settings.masters}")
        if found.masters and least < settings.replicas:
            wrong.append(f"a master has {least} replicas, wanted at least {settings.replicas}")
    if wrong:
        return failed(_first(wrong), source, excerpt, **facts)
    if found.doubts:
        return unknown(_first(found.doubts), source, excerpt, **facts)
    whole = "the cluster is whole, " if settings.cluster else ""
    why = f"{whole}{asked} servers answer, {len(found.masters)} masters with {least} replicas or more"
    return passed(why, source, excerpt, **facts)


def _shown(node: str) -> str:
    return printable(node.partition("@")[0])[:_SHOWN_CHARS]


def _first(sentences: Iterable[str]) -> str:
    told = list(sentences)
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")  # noqa: PLR2004 - as shown


def _fields(text: str) -> Mapping[str, str]:
    """Lines of `name:value`."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


REDIS = ProbeKind(RedisSettings, guarded(_ask, _source))
"""See `RedisSettings`."""
