#!/bin/sh
# Writes requirements.txt, requirements-sample.txt and requirements-dev.txt from pyproject.toml, every file pinned by hash.
# The locks name packages and digests only: where to fetch them from is the installing machine's affair.
# Usage: tools/lock.sh [--upgrade | --upgrade-package NAME]...   (needs `uv`, for instance from a scratch venv)
set -eu
cd "$(dirname "$0")/.."

command -v uv >/dev/null 2>&1 || {
    echo "lock: 'uv' is not on the PATH. Install it outside this tree: python3 -m venv /tmp/uv && /tmp/uv/bin/pip install uv" >&2
    exit 1
}

compile() {
    output=$1
    shift
    UV_CUSTOM_COMPILE_COMMAND="tools/lock.sh" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --output-file "$output" "$@"
}

compile requirements.txt "$@" pyproject.toml requirements-build.in
# Each constrained by the one before, so that what is shown and tested is what runs.
compile requirements-sample.txt "$@" --extra sample --constraint requirements.txt pyproject.toml requirements-build.in
compile requirements-dev.txt "$@" --extra sample --extra dev --constraint requirements-sample.txt pyproject.toml requirements-build.in
