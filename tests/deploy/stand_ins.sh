#!/usr/bin/env bash
# stand_ins.sh FOLDER: for a Docker without a registry, images of Debian under the names of those that ours are based on.
#
# The one with Python has what this machine reaches packages by: certificates, settings of pip and apt, and wheels.
# Needs root, debootstrap, and DOCKER_HOST.
set -euo pipefail
folder=$1
export DEBIAN_FRONTEND=noninteractive

debian() { # NAME PACKAGES: a root file system
    local root=$folder/$1
    test -e "$root.done" && return
    rm -rf "$root"
    debootstrap --variant=minbase --include="ca-certificates,$2" bookworm "$root" > "$folder/$1.log" 2>&1
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    touch "$root.done"
}

import() { # NAME TAG CHANGES…: an image
    local root=$folder/$1 tag=$2
    shift 2
    local changes=()
    for change in "$@"; do changes+=(--change "$change"); done
    tar --directory "$root" --create . | docker import "${changes[@]}" - "$tag" > /dev/null
    echo "$tag: $(docker image inspect --format '{{.Size}}' "$tag") bytes, a stand-in"
}

mkdir -p "$folder"
debian python python3,python3-dev,python3-venv
root=$folder/python
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
for file in /etc/apt/sources.list.d/*; do test -e "$file" && cp "$file" "$root$file"; done
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$root/etc/pip.conf"
if test -d "${PIP_FIND_LINKS:-}"; then # a folder of wheels
    mkdir -p "$root$PIP_FIND_LINKS"
    cp -r "$PIP_FIND_LINKS/." "$root$PIP_FIND_LINKS"
    printf 'find-links = %s\n' "$PIP_FIND_LINKS" >> "$root/etc/pip.conf"
fi
if test -e "$root/etc/apt/sources.list.d/debian.sources"; then rm -f "$root/etc/apt/sources.list"; fi
ln -sf python3 "$root/usr/bin/python"
import python python:3.11-slim-bookworm 'CMD ["python3"]'

debian redis redis-server
root=$folder/redis
chroot "$root" sh -c 'getent group 999 || groupadd --gid 999 stand-in; install -d -o 999 -g 999 /data'
import redis redis:7.2-bookworm 'WORKDIR /data' 'VOLUME /data' 'CMD ["redis-server"]'

debian prometheus prometheus
root=$folder/prometheus
install -d -o 65534 -g 65534 "$root/prometheus"
import prometheus prom/prometheus:v3.5.0 'WORKDIR /prometheus' 'VOLUME /prometheus' 'USER nobody' \
    'ENTRYPOINT ["/usr/bin/prometheus"]' 'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'
