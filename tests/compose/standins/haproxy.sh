#!/bin/sh
# `haproxy …` becomes a master with workers in the foreground, as in the official image.
set -eu

if [ "$1" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"
