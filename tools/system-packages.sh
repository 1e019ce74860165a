#!/bin/sh
# Installs the system packages that a purpose needs, as listed in system-packages.txt, where root and apt-get allow it.
# Usage: tools/system-packages.sh test | bench
# What stays missing is named. It is a failure when CI=true or for benchmarks; otherwise the tests that need it are skipped.
set -eu
cd "$(dirname "$0")"

purpose=${1:-}
case $purpose in
    test | bench) ;;
    *)
        echo "usage: tools/system-packages.sh test | bench" >&2
        exit 2
        ;;
esac

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # daemons live there, and a user's PATH leaves it out

say() { echo "system-packages: $*" >&2; }

missing_packages() {
    while read -r need command package; do
        [ "$need" = "$purpose" ] || continue
        command -v "$command" >/dev/null 2>&1 || printf '%s ' "$package"
    done <system-packages.txt
}

missing=$(missing_packages)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are here"
    # shellcheck disable=SC2086 # a list of package names, meant to be split
    apt-get install -y -qq --no-install-recommends $missing >&2 || say "apt-get install failed; its output is above"
    missing=$(missing_packages)
    [ -n "$missing" ] || exit 0
fi

say "missing: $missing(on Debian and Ubuntu: sudo apt-get install $missing)"
if [ "${CI:-}" = true ] || [ "$purpose" = bench ]; then exit 1; fi
