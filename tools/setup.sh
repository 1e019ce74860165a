#!/bin/sh
# Makes .venv hold exactly what a lock file names, and tminus itself as an editable install.
# Usage: tools/setup.sh runtime | sample | dev
# Idempotent: does nothing, in a few milliseconds, when the locks and pyproject.toml have not changed.
# TMINUS_PYTHON names an interpreter to use instead of the ones tried here.
set -eu
cd "$(dirname "$0")/.."

kind=${1:-}
case $kind in
    runtime) lock=requirements.txt ;;
    sample) lock=requirements-sample.txt ;;
    dev) lock=requirements-dev.txt ;;
    *)
        echo "usage: tools/setup.sh runtime | sample | dev" >&2
        exit 2
        ;;
esac

venv=.venv
python=$venv/bin/python
oldest="3, 11"

say() { echo "setup: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

# A candidate counts only when it runs: a version switcher's shim may exist for an interpreter that does not.
is_recent() { "$1" -c "import sys; sys.exit(sys.version_info < ($oldest))" >/dev/null 2>&1; }

# Debian splits venv off: the module imports, but it cannot put pip into what it makes.
makes_venvs() { "$1" -c "import venv, ensurepip" >/dev/null 2>&1; }

pick_python() {
    picked=
    for candidate in ${TMINUS_PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
        is_recent "$candidate" || continue
        [ -n "$picked" ] || picked=$candidate
        if makes_venvs "$candidate"; then
            picked=$candidate
            return
        fi
    done
    [ -n "$picked" ] || fail "no Python >= 3.11 found (tried: ${TMINUS_PYTHON:-python3, python3.13, python3.12, python3.11, python3.14})." \
        "Install one, or name it: TMINUS_PYTHON=/path/to/python make ..."
}

install_venv_module() {
    version=$("$picked" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    missing="$picked (Python $version) lacks the 'venv' or 'ensurepip' module"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "$missing. On Debian and Ubuntu: sudo apt-get install python3-venv; elsewhere: install a complete Python >= 3.11."
    fi
    say "$missing: installing it with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are here"
    apt-get install -y -qq --no-install-recommends "python$version-venv" >&2 ||
        apt-get install -y -qq --no-install-recommends python3-venv >&2 ||
        fail "apt-get could not install python3-venv; its output is above"
    makes_venvs "$picked" || fail "$missing even after apt-get installed python3-venv; name another interpreter: TMINUS_PYTHON=/path/to/python"
}

key_of() { cat "$1" pyproject.toml tools/setup.sh | cksum; }

# Scripts in a venv carry its path, so the venv of a moved or copied tree is made again.
is_here() { [ "$(cat "$venv/.setup-place" 2>/dev/null)" = "$(pwd -P)" ]; }

is_current() { # the kind of setup, the lock it stands on
    is_here && [ "$(cat "$venv/.setup-$1" 2>/dev/null)" = "$(key_of "$2")" ] && "$python" -c "" 2>/dev/null
}

# Each of these locks contains the one after it, at the same versions.
if is_current dev requirements-dev.txt; then exit 0; fi
if [ "$kind" != dev ] && is_current sample requirements-sample.txt; then exit 0; fi
if [ "$kind" = runtime ] && is_current runtime "$lock"; then exit 0; fi

if ! is_here || ! is_recent "$python" || ! "$python" -m pip --version >/dev/null 2>&1; then
    pick_python
    makes_venvs "$picked" || install_venv_module
    say "making $venv with $("$picked" --version)"
    rm -rf "$venv"
    "$picked" -m venv "$venv" || fail "'$picked -m venv $venv' failed; its output is above"
    pwd -P >"$venv/.setup-place"
fi

rm -f "$venv/.setup-runtime" "$venv/.setup-sample" "$venv/.setup-dev"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
say "installing $lock"
"$python" -m pip install -qq --no-deps --require-hashes --requirement "$lock" || fail "installing $lock failed; pip's output is above"
"$python" -m pip install -qq --no-deps --no-build-isolation --editable . || fail "installing tminus itself failed; pip's output is above"
key_of "$lock" >"$venv/.setup-$kind.tmp"
mv "$venv/.setup-$kind.tmp" "$venv/.setup-$kind"
say "$venv is ready ($kind)"
