"""The checks of a plan from its typed file: the handbook's items, what replaces them, and its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.plan.checklist import Attested, CheckItem, Checks, LeftOut, Probed, Worked
from tminus.domain.plan.plan import ArtifactSmoke
from tminus.domain.plan.times import DAY_MS, MINUTE_MS
from tminus.domain.problem import Problem
from tminus.plan.breach import Breach
from tminus.plan.check_section import CheckSection, ChecksSection
from tminus.plan.handbook_checks import Binding, HandbookItem, handbook_items
from tminus.plan.model import LaunchFile
from tminus.plan.probe_kinds import (
    SettingsError,
    find_probe_kind,
    probe_names,
    read_settings,
    secrets_in,
)
from tminus.plan.scalar import nearest
from tminus.plan.tree import Path, Text, Tree

PROBED_KEEPS_MS = 15 * MINUTE_MS
"""How long a machine's answer counts: three times as long as until it is asked again."""

STATED_KEEPS_MS = 7 * DAY_MS
"""How long a person's word counts, and what the launch's own work has shown."""

GO_NO_GO = "pre-deployment/go-no-go"
"""The item that a poll answers: its ballot is over all the others."""

OWN_DUE_MS = -DAY_MS

_NO_SETTINGS: Tree = {}


@dataclass(frozen=True, slots=True)
class Compiled:
    """Items as far as they can be read, and what is wrong with the others."""

    items: tuple[CheckItem, ...]
    left_out: tuple[LeftOut, ...]
    breaches: tuple[Breach, ...]


def checks_of(file: LaunchFile) -> Checks | None:
    """The checks of a file of which every rule holds; None where nothing is checked."""
    section = file.checks
    if section is None:
        return None
    compiled = compile_checks(file, section)
    people = {role: tuple(names) for role, names in section.roles.items()}
    return Checks(compiled.items, people, section.deadline, section.then, compiled.left_out)


def compile_checks(file: LaunchFile, section: ChecksSection) -> Compiled:
    """Every item, the handbook's first, in its order."""
    items: list[CheckItem] = []
    left_out: list[LeftOut] = []
    breaches: list[Breach] = []
    known = handbook_items() if section.handbook else {}
    for name in (*known, *(name for name in section.items if name not in known)):
        own, usual = section.items.get(name), known.get(name)
        path: Path = ("checks", "items", name)
        if own is not None and own.off is not None:
            breaches += _wrongly_off(path, own, usual)
            left_out.append(LeftOut(name, own.off))
            continue
        if name == GO_NO_GO and own is None and file.poll is not None:
            left_out.append(LeftOut(name, "the plan's poll decides it"))
            continue
        item = None if usual is None else _usual_item(file, usual)
        if own is not None:
            found = list(_misfits(path, own, item))
            breaches += found
            item = None if found else _own_item(path, name, own, item, breaches)
        if item is not None:
            items.append(item)
    return Compiled(tuple(items), tuple(left_out), tuple(breaches))


def _wrongly_off(path: Path, own: CheckSection, usual: HandbookItem | None) -> Iterator[Breach]:
    if usual is None:
        yield Breach(
            path, _bad("only items of the handbook can be left out", _near(str(path[-1]))), at_key=True
        )
    elif own.model_fields_set != {"off"}:
        yield Breach(
            path, _bad("an item that is `off` has nothing else", "remove the rest, or `off`"), at_key=True
        )
    elif own.off is not None and not own.off.strip():
        yield Breach((*path, "off"), _bad("an item is left out for a reason", "write it after `off:`"))


def _near(name: str) -> str:
    meant = nearest(name, handbook_items())
    return f"did you mean `{meant}`?" if meant else "docs/reference/checks.md lists them"


def _misfits(path: Path, own: CheckSection, usual: CheckItem | None) -> Iterator[Breach]:
    asks = [key for key in ("probe", "work", "attest") if getattr(own, key) is not None]
    if len(asks) > 1:
        what = f"`{asks[0]}` and `{asks[1]}` both say who answers"
        yield Breach((*path, asks[1]), _bad(what, "keep one of the two"), at_key=True)
    if own.settings is not None and own.probe is None:
        yield Breach((*path, "with"), _bad("`with` is for a probe", "name one as `probe`"), at_key=True)
    for key in ("every", "within"):
        asked = own.probe is not None or (not asks and usual is not None and isinstance(usual.asks, Probed))
        if getattr(own, key) is not None and not asked:
            yield Breach((*path, key), _bad(f"`{key}` is for a probe, and none is asked", ""), at_key=True)
    if own.file is not None and own.attest is None:
        yield Breach((*path, "file"), _bad("`file` is for a statement", "give `attest` too"), at_key=True)
    if usual is not None:
        return
    missing = [key for key in ("title", "owner") if getattr(own, key) is None]
    if missing:
        what = f"an item of your own has no {' and no '.join(f'`{key}`' for key in missing)}"
        yield Breach(path, _bad(what, f"add them; for the handbook's, {_near(str(path[-1]))}"), at_key=True)
    if not asks:
        what = "nobody is asked"
        yield Breach(path, _bad(what, "add `probe` with its settings, `work`, or `attest`"), at_key=True)


def _own_item(
    path: Path, name: str, own: CheckSection, usual: CheckItem | None, breaches: list[Breach]
) -> CheckItem | None:
    """The item with what the plan says of it; None where its probe cannot be read."""
    asks = _asks(path, own, breaches) if usual is None or _asks_anew(own) else usual.asks
    if asks is None:
        return None
    if isinstance(asks, Probed):
        asks = replace(asks, every_ms=own.every or asks.every_ms, limit_ms=own.within or asks.limit_ms)
    base = usual or CheckItem(name, "", name.partition("/")[0], "", "", OWN_DUE_MS, asks, 0)
    kept_ms = base.keeps_ms if base.keeps_ms and type(asks) is type(base.asks) else _keeps_ms(asks)
    return replace(
        base,
        title=own.title or base.title,
        section=base.section if own.section is None else own.section,
        owner=own.owner or base.owner,
        due_ms=base.due_ms if own.due is None else own.due,
        asks=asks,
        keeps_ms=own.keeps or kept_ms,
        blocks=base.blocks if own.blocks is None else own.blocks,
    )


def _asks_anew(own: CheckSection) -> bool:
    return own.probe is not None or own.work is not None or own.attest is not None


def _asks(path: Path, own: CheckSection, breaches: list[Breach]) -> Probed | Worked | Attested | None:
    if own.work is not None:
        return Worked(tuple(own.work))
    if own.attest is not None:
        return Attested(own.attest, file=own.file or False)
    name = own.probe or ""
    kind = find_probe_kind(name)
    if kind is None:
        breaches.append(Breach((*path, "probe"), _no_probe(name)))
        return None
    try:
        return _probed(name, kind.settings, own.settings if own.settings is not None else _NO_SETTINGS)
    except SettingsError as error:
        # A plan that gives no settings at all has nothing that a position could name but the probe.
        under = "probe" if own.settings is None else "with"
        for inner, problem, at_key in error.problems:
            breaches.append(Breach((*path, under, *inner), problem, at_key=at_key))
        return None


def _probed(name: str, settings_class: type, tree: Tree) -> Probed:
    settings = read_settings(settings_class, tree)
    body: Json = to_json(settings)
    return Probed(name, body, tuple(dict.fromkeys(secrets_in(settings))))


def _no_probe(name: str) -> Problem:
    names = probe_names()
    meant = nearest(name, names)
    return Problem(
        "plan-unknown-probe",
        f"there is no probe `{name}`",
        why=f"the probes are {', '.join(names)}" if names else "no probe is installed",
        fix=f"did you mean `{meant}`?" if meant else "",
    )


def _bad(what: str, fix: str) -> Problem:
    return Problem("plan-bad-check", what, fix=fix)


def _keeps_ms(asks: Probed | Worked | Attested) -> int:
    return PROBED_KEEPS_MS if isinstance(asks, Probed) else STATED_KEEPS_MS


def _usual_item(file: LaunchFile, item: HandbookItem) -> CheckItem:
    """An item of the handbook: by machine where the plan has what that needs, else by the role's word."""
    asks: Probed | Worked | Attested = Attested(item.states)
    due_ms = item.due_ms
    for binding in item.asks:
        bound = _bound(file, binding)
        if bound is not None:
            asks, due_ms = bound, due_ms if binding.due_ms is None else binding.due_ms
            break
    return CheckItem(
        item.item, item.title, item.checklist, item.section, item.owner, due_ms, asks, _keeps_ms(asks)
    )


def _bound(file: LaunchFile, binding: Binding) -> Probed | Worked | None:
    if not set(binding.needs) <= _given(file):
        return None
    if not binding.probe:
        return Worked(binding.work)
    kind = find_probe_kind(binding.probe)
    if kind is None:
        return None
    settings = _NO_SETTINGS if binding.settings is None else binding.settings
    return _probed(binding.probe, kind.settings, _filled(settings, _values(file)))


def _given(file: LaunchFile) -> set[str]:
    """What a binding may need, as far as this plan has it."""
    build = file.build
    by_default = ArtifactSmoke.SUITE if file.database is None else ArtifactSmoke.OFF
    smoke = build.smoke or by_default
    found = {"build"}
    if build.docker is None and smoke is not ArtifactSmoke.OFF:
        found.add("artifact-smoke")
    if file.database is not None:
        found.add("database")
    if file.source.branch is not None:
        found.add("branch")
    return found


def _values(file: LaunchFile) -> Mapping[str, str]:
    """What the placeholders of a binding stand for."""
    values = {"{health}": file.run.health, "{branch}": file.source.branch or ""}
    if file.database is not None:
        values["{database}"] = file.database.url.text()
    return values


def _filled(tree: Tree, values: Mapping[str, str]) -> Tree:
    if isinstance(tree, list):
        return [_filled(each, values) for each in tree]
    if isinstance(tree, dict):
        return {key: _filled(each, values) for key, each in tree.items()}
    return Text(values.get(str(tree), str(tree)), quoted=True)
