#!/bin/sh
# What the tests need beyond their own environment: a browser, and the clients of other projects, each in an
# environment of its own because they cannot live in one process, and an S3 server. Tests of what is missing here
# are skipped.
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
