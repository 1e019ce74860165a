"""The parts of a first plan that are about an image and its containers, as text."""

import json
import re

from tminus.cli.survey import Guess
from tminus.cli.survey_image import Packed


def image_yaml(packed: Packed) -> str:
    """`build` of the plan."""
    lines = ["build:", "  docker:", f"    # {packed.registry_why}"]
    lines.append(f"    registry: {scalar(packed.registry)}")
    lines += [f"    {key}: {scalar(value)}" for key, value in packed.build.items()]
    if packed.secrets:
        lines.append(
            "    # tried in the image alone before it is pushed: take a command that proves something"
        )
        lines.append('    smoke: ["true"]')
    return "\n".join([*lines, ""])


def containers_yaml(packed: Packed, health: Guess) -> str:
    """What stands below `run`."""
    limits = ", ".join(f"{key}: {scalar(value)}" for key, value in packed.limits.items())
    lines = [f"  # port: {packed.port_why}"]
    lines.append(f"  docker: {{port: {packed.port}{', ' if limits else ''}{limits}}}")
    if packed.command:
        lines.append(f"  command: {scalar(packed.command)}")
    lines.append(f"  instances: {packed.instances or 3:<15} # in each of the two slots, blue and green")
    lines += [f"  # {' '.join(health.why.split())}", f"  health: {scalar(health.value)}"]
    lines += _mapping("env", packed.environment)
    lines += _mapping("secrets", {name: f"env:{name}" for name in packed.secrets})
    if packed.workers:
        lines.append("  workers:")
        lines += [f"    {name}: {{command: {scalar(line)}}}" for name, line in packed.workers.items()]
    return "\n".join(lines)


def _mapping(key: str, values: dict[str, str] | object) -> list[str]:
    pairs = values.items() if isinstance(values, dict) else ()
    lines = [f"    {name}: {scalar(text)}" for name, text in pairs]
    return [f"  {key}:", *lines] if lines else []


def scalar(text: str) -> str:
    """The text as a YAML value: a list as it is, quoted where YAML would read something else."""
    if text.startswith("[") and text.endswith("]"):
        return text
    plain = re.fullmatch(r"[A-Za-z0-9./][^\n]*", text) and not re.search(r": |:$| #|[,{}\[\]]|\s$", text)
    return text if plain else json.dumps(text, ensure_ascii=False)
