"""The format of launch.yaml as JSON Schema, for editors. Must not check a plan: the loader says more.

Editors type what they see (`3` is a number there), so the schema accepts every form that the loader reads.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from tminus.plan.choice import scalar_of, shown
from tminus.plan.model import LaunchFile
from tminus.plan.section import Section
from tminus.plan.shape import fields_of, sections_below

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Words that stand for a whole section. YAML 1.1 reads `off` as false, and so do some editors.
WORDS: Mapping[str, tuple[object, ...]] = {
    "ChecksSection": ("handbook", "off", False),
    "LeaseSection": ("off", False),
    "MeterSection": ("off", False),
    "ShiftSection": ("at-once",),
}


# Words that stand for a whole list, in the file's first section.
LIST_WORDS: Mapping[str, tuple[object, ...]] = {"alerts": ("off", False)}


def launch_schema() -> dict[str, Any]:
    """A draft 2020-12 schema of the whole file: descriptions with kinds and units, defaults as text."""
    raw = LaunchFile.model_json_schema()
    sections = {section.__name__: section for section in sections_below(LaunchFile)}
    definitions = {
        name: _definition(sections[name], definition) for name, definition in raw.pop("$defs").items()
    }
    return {
        "$schema": DIALECT,
        "title": "launch.yaml of tminus",
        **_object(LaunchFile, raw),
        "$defs": definitions,
    }


def _definition(section: type[Section], raw: dict[str, Any]) -> dict[str, Any]:
    body = _object(section, raw)
    words = WORDS.get(section.__name__)
    if words is None:
        return body
    return {"description": body.pop("description"), "anyOf": [{"enum": list(words)}, body]}


def _object(section: type[Section], raw: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(section)
    properties = {
        key: _or_word(key if section is LaunchFile else "", _property(fields[key], body))
        for key, body in raw["properties"].items()
    }
    kept = {key: value for key, value in raw.items() if key in {"type", "description", "required"}}
    return {**kept, "properties": properties, "additionalProperties": False}


def _property(field: FieldInfo, raw: dict[str, Any]) -> dict[str, Any]:
    body = _present(raw)
    for key in ("title", "default", "x-shown"):
        body.pop(key, None)
    if "patternProperties" in body:
        body["additionalProperties"] = False
    scalar = scalar_of(field)
    description = field.description or ""
    if scalar is not None:
        description = f"{description} ({scalar.described})"
    body["description"] = description
    default = default_text(field)
    if not default:
        return body
    return {**body, "default": default.split(", ") if body.get("type") == "array" else default}


def _or_word(key: str, body: dict[str, Any]) -> dict[str, Any]:
    if key not in LIST_WORDS:
        return body
    return {"description": body.pop("description"), "anyOf": [{"enum": list(LIST_WORDS[key])}, body]}


def _present(raw: dict[str, Any]) -> dict[str, Any]:
    """The schema without the null that stands for a key that is not given: a plan cannot write it."""
    options = [each for each in raw.get("anyOf", []) if each != {"type": "null"}]
    rest = {key: value for key, value in raw.items() if key != "anyOf"}
    if len(options) == 1:
        return {**options[0], **rest}
    return {**rest, "anyOf": options} if options else rest


def default_text(field: FieldInfo) -> str:
    """A field's default as it would be written in a plan; empty when it has none that can be written."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or "x-default-from" not in extra or extra["x-shown"]:
        return ""
    return shown(field, field.default)
