#!/bin/sh
# Writes .env for docker-compose.yml, with passwords of its own; an .env that is there already stays as it is.
set -eu
umask 077

if [ -e .env ]; then
    echo ".env is there already and stays as it is; delete it to get another."
    exit 0
fi

secret() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
socket="${DOCKER_SOCKET:-/var/run/docker.sock}"
group="$(stat -c %g "$socket" 2>/dev/null || stat -f %g "$socket" 2>/dev/null || echo 0)"

cat >.env.new <<END
# Read by docker-compose.yml; HOPYARD_… variables that are added here reach web and worker (README.md lists them).
COMPOSE_PROJECT_NAME=hopyard
HOPYARD_PUBLIC_URL=http://localhost:8000
HOPYARD_PUBLISH=8000
HOPYARD_SECRET_KEY=$(secret 32)
POSTGRES_PASSWORD=$(secret 24)
REDIS_PASSWORD=$(secret 24)

# The socket of the Docker engine and the group that may use it.
DOCKER_SOCKET=$socket
DOCKER_GROUP=$group
END
mv .env.new .env
echo "Wrote .env; set HOPYARD_PUBLIC_URL in it to the address that people will use."
