#!/bin/sh
# What the tests need beyond their own environment: a browser, and the clients of other projects, each in an
# environment of its own because they cannot live in one process, an S3 server, and what production runs on: a Docker
# engine, a proxy, a broker and a database. Tests of what is missing here are skipped.
set -eu

has_browser() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

install_package() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo"; else return 1; fi
    echo "Installing $1 for the tests"
    $run apt-get update -qq >/dev/null && $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

has_browser || install_package chromium || true
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

cache="$HOME/.cache/hopyard-tests"
s3proxy=3.0.0
s3proxy_sum=f5931bd2a7706e75bd15713224c98ddda22ac022a48d4f9937ce884acef9ce25

has_s3_server() { command -v java >/dev/null && echo "$s3proxy_sum  $cache/s3proxy.jar" | sha256sum --check --status 2>/dev/null; }

fetch_s3_server() {
    command -v mvn >/dev/null || install_package maven || return 1
    echo "Fetching S3Proxy, an S3 server on a folder, for the storage tests"
    mkdir -p "$cache"
    mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="org.gaul:s3proxy:$s3proxy:jar:jar-with-dependencies" \
        -DoutputDirectory="$cache" -Dmdep.stripVersion=true -Dmdep.stripClassifier=true >/dev/null
}

has_s3_server || fetch_s3_server || true
has_s3_server || echo "No S3 server here: the tests of buckets will be skipped."

need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || install_package "$2" || echo "No $1 here: its tests will be skipped."; }

need ip iproute2
need iptables iptables
need haproxy haproxy
need redis-server redis-server
[ -n "$(find /usr/lib/postgresql -name initdb 2>/dev/null)" ] || need initdb postgresql
need dockerd docker.io

python_image="$cache/python-3.11-slim.tar"

has_python_image() { [ -f "$python_image" ] || docker image inspect python:3.11-slim >/dev/null 2>&1; }

# The same as far as our images rely on it; the engine of the tests takes it where it has no image of that name.
make_python_image() {
    [ "$(id -u)" = 0 ] && { command -v debootstrap >/dev/null || install_package debootstrap; } || return 1
    echo "Making a stand-in for python:3.11-slim, for the tests of containers"
    mkdir -p "$cache"
    root="$(mktemp -d)"
    debootstrap --variant=minbase --include=python3,python3-venv bookworm "$root" >"$cache/debootstrap.log" 2>&1 &&
        rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/debootstrap &&
        ln -s /usr/bin/python3 "$root/usr/local/bin/python3" && ln -s python3 "$root/usr/local/bin/python" &&
        { [ ! -f "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" ] ||
            install -D -m 644 "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt"; } &&
        tar -C "$root" -cf "$python_image.draft" . && mv "$python_image.draft" "$python_image" && made=yes || made=
    rm -rf "$root"
    [ -n "$made" ]
}

has_python_image || make_python_image || echo "No python:3.11-slim here: the tests of images will be skipped, see $cache/debootstrap.log."

# shellcheck source=tests/compose/setup.sh
. tests/compose/setup.sh
