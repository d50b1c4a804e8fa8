#!/bin/sh
# What the tests need beyond their own environment: a browser, and the clients of other projects, each in an
# environment of its own because they cannot live in one process. Tests of what is missing here are skipped.
set -eu

has_browser() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

install_browser() {
    command -v apt-get >/dev/null || return 0
    if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo"; else return 0; fi
    echo "Installing chromium for the browser tests"
    $run apt-get update -qq >/dev/null && $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
}

has_browser || install_browser
has_browser || echo "No chromium here: the browser tests will be skipped."

build_client() {
    wanted="tests/conformance/$1.txt"
    [ ".venv-$1/ready" -nt "$wanted" ] && return 0
    echo "Installing the client of $1 for the conformance tests"
    .tools/bin/uv venv --quiet --clear --no-project --python .venv/bin/python ".venv-$1" &&
        .tools/bin/uv pip sync --quiet --require-hashes --python ".venv-$1" "$wanted" &&
        touch ".venv-$1/ready"
}

for client in tritonclient kserve; do
    build_client "$client" || echo "No client of $client here: its conformance tests will be skipped."
done
