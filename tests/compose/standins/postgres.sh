#!/bin/sh
# Makes the cluster, its user and its database on the first start, as the official image does, then runs the server.
set -eu

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?the official image asks for it too}"
    umask 077
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
    initdb="$(ls /usr/lib/postgresql/*/bin/initdb)"
    "$initdb" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 --pgdata="$PGDATA" >/dev/null
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    printf 'CREATE DATABASE "%s";\n' "$POSTGRES_DB" |
        "${initdb%initdb}postgres" --single -D "$PGDATA" postgres >/dev/null
fi
[ "$1" = postgres ] && shift
exec /usr/lib/postgresql/*/bin/postgres -D "$PGDATA" -c listen_addresses='*' "$@"
