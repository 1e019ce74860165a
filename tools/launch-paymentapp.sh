#!/bin/sh
# Runs the three launches of the payment service. `make launch-paymentapp` calls this after it has set up .venv.
set -eu
cd "$(dirname "$0")/.."

exec .venv/bin/python examples/paymentapp/launch.py "$@"
