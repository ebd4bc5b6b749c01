#!/usr/bin/env bash
# with_docker.sh COMMAND…: run it with a Docker engine: the one that is there, or else one that is started for it and ended
# after it. Where the latter cannot pull base images, stand-ins take their place (stand_ins.sh). What it starts needs root on
# Debian. Without a command: fails where no engine can be had.
set -euo pipefail
here=$(dirname "$0")
folder=$(mktemp --directory /tmp/bots-docker.XXXXXX)
engine=

finish() {
    if test -n "$engine"; then
        kill "$engine" 2> /dev/null && wait "$engine" || true
    fi
    rm -rf "$folder" || true
}
trap finish EXIT

if ! docker info > /dev/null 2>&1; then
    if ! (command -v dockerd && command -v iptables && command -v debootstrap) > /dev/null; then
        apt-get update --quiet=2
        apt-get install --yes --quiet=2 --no-install-recommends docker.io iptables debootstrap > "$folder/apt.log"
    fi
    export DOCKER_HOST=unix://$folder/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
        > "$folder/dockerd.log" 2>&1 &
    engine=$!
    for _ in $(seq 60); do
        docker info > /dev/null 2>&1 && break
        kill -0 "$engine" || { tail "$folder/dockerd.log" >&2; exit 1; }
        sleep 1
    done
fi
docker info > /dev/null
test $# = 0 && exit

# An engine of Debian has no BuildKit.
docker buildx version > /dev/null 2>&1 || export DOCKER_BUILDKIT=0
if test -n "$engine" && ! docker pull --quiet redis:7.2-bookworm > /dev/null 2>&1; then
    "$here/stand_ins.sh" "$folder/stand-ins"
fi
BOTS_TEST_DOCKER=yes "$@"
