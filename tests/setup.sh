#!/bin/sh
# What the tests need beyond Python: a browser. Without the right to install one, its tests are skipped.
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
