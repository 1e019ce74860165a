"""The published schema says what the loader reads."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.architecture.tree import ROOT
from tminus.plan.load import load_plan_text
from tminus.plan.schema import launch_schema

SCHEMA = launch_schema()
PAGE = (ROOT / "docs" / "reference" / "plan.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def misfits(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:  # noqa: ANN401 - any YAML
    """What a validator of the parts of JSON Schema that the format uses would say."""
    if "$ref" in schema:
        yield from misfits(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    if "anyOf" in schema and all(any(misfits(value, option, path)) for option in schema["anyOf"]):
        yield f"{path}: fits none of the options"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not in {schema['enum']}"
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(isinstance(value, TYPES[name]) for name in names):
            yield f"{path}: {value!r} is not {names}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, dict):
        yield from _misfits_of_members(value, schema, path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), f"{path}[{index}]")


def _misfits_of_members(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}: {key} is missing" for key in schema.get("required", []) if key not in value)
    for key, item in value.items():
        inner = schema.get("properties", {}).get(key)
        patterns = schema.get("patternProperties", {})
        inner = inner or next((each for pattern, each in patterns.items() if re.search(pattern, key)), None)
        if inner is not None:
            yield from misfits(item, inner, f"{path}.{key}")
        elif schema.get("additionalProperties") is False:
            yield f"{path}: {key} is unknown"


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for option in schema.get("anyOf", [schema]):
        yield from option.get("properties", {}).items()


class TextLoader(yaml.SafeLoader):
    """As an editor with YAML 1.2 reads: dates and times stay text."""


TextLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] in {"int", "float", "null"} or (tag.endswith("bool") and first in "tTfF")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_reference_load_and_fit_the_schema(example: str) -> None:
    result = load_plan_text(example)
    content = yaml.load(example, Loader=TextLoader)
    assert list(misfits(content, SCHEMA)) == []
    assert result.plan.version == "1.1.0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instnces": 3}, [": instnces is unknown"]),
        ({"service": None}, [".service: None is not ['string']"]),
        ({"drain": 30}, [".drain: 30 is not ['string']"]),
        ({"shift": "slowly"}, [".shift: fits none of the options"]),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses_too(change: dict[str, Any], said: list[str]) -> None:
    content = yaml.load(EXAMPLES[0], Loader=TextLoader)
    assert list(misfits({**content, **change}, SCHEMA)) == said


def test_every_key_is_described_and_no_null_is_offered() -> None:
    sections = [SCHEMA, *SCHEMA["$defs"].values()]
    assert [
        key for section in sections for key, body in properties(section) if not body.get("description")
    ] == []
    assert '"null"' not in str(SCHEMA).replace("'", '"')


def test_defaults_are_written_as_in_a_plan() -> None:
    bake = dict(properties(SCHEMA["$defs"]["BakeSection"]))
    shift = dict(properties(SCHEMA["$defs"]["ShiftSection"]))
    assert bake["for"]["default"] == "1h"
    assert shift["steps"]["default"] == ["10 %", "50 %", "100 %"]
    assert SCHEMA["properties"]["t0"]["default"] == "now"


def test_the_dialect_and_a_title_are_named() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "launch.yaml of tminus"
