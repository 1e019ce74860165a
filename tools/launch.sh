#!/bin/sh
# Runs the example launch. `make launch` calls this after it has set up .venv.
set -eu
cd "$(dirname "$0")/.."

exec .venv/bin/python examples/hello/launch.py "$@"
