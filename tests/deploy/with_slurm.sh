#!/usr/bin/env bash
# with_slurm.sh COMMAND…: run it with a Slurm cluster of two nodes, both this machine, that is started for it and ended after
# it: slurmctld, two slurmd and munged of Debian's packages. Needs root. Without a command: fails where none can be had.
set -euo pipefail
if test "$(id -u)" != 0; then
    echo "a Slurm cluster is started by root alone" >&2
    exit 1
fi
if ! (command -v slurmctld && command -v slurmd && command -v munged) > /dev/null; then
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends slurmctld slurmd slurm-client munge > /dev/null
fi

folder=$(mktemp --directory /tmp/bots-slurm.XXXXXX)
chmod 755 "$folder" # munge wants others to be able to reach its socket
started=()

finish() {
    for each in "${started[@]}"; do
        kill "$each" 2> /dev/null && wait "$each" 2> /dev/null || true
    done
    rm -rf "$folder" || true
}
trap finish EXIT

start() { # NAME COMMAND…
    local name=$1
    shift
    "$@" > "$folder/$name.out" 2>&1 &
    started=("$!" "${started[@]}")
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

host=$(hostname -s)
mkdir "$folder/munge" "$folder/state"
chmod 755 "$folder/munge"
(umask 077 && head -c 1024 /dev/urandom > "$folder/key")
export SLURM_CONF=$folder/slurm.conf
cat > "$SLURM_CONF" << CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
AuthType=auth/munge
# A requeued job waits for as long as its old credential is good, by default two minutes.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=60
MinJobAge=86400
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(free_port) CPUs=16 RealMemory=128000
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(free_port) CPUs=16 RealMemory=128000
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
CONF

start munged munged --foreground --force --key-file="$folder/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
for _ in $(seq 100); do
    test -S "$folder/munge/socket" && break
    sleep 0.1
done
start slurmctld slurmctld -D
for node in node1 node2; do start "$node" slurmd -D -N "$node"; done
for _ in $(seq 60); do
    test "$(sinfo --noheader --Node --states idle --format %N 2> /dev/null | wc -l)" = 2 && break
    sleep 1
done
if test "$(sinfo --noheader --Node --states idle --format %N | wc -l)" != 2; then
    tail -n 5 "$folder"/*.out >&2
    exit 1
fi
test $# = 0 && exit
BOTS_TEST_SLURM=yes "$@"
