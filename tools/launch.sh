#!/bin/sh
# Runs the launches of a sample service. `make launch` and `make launch-hello` call this after they have set up .venv.
# Usage: tools/launch.sh paymentapp | hello [--plain | --json] [--keep] [--docker]
set -eu
cd "$(dirname "$0")/.."

sample=${1:-}
if [ -z "$sample" ] || [ ! -f "examples/$sample/launch.py" ]; then
    echo "usage: tools/launch.sh paymentapp | hello [--plain | --json] [--keep] [--docker]" >&2
    exit 2
fi
shift
exec .venv/bin/python "examples/$sample/launch.py" "$@"
