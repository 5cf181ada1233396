#!/bin/sh
# A Slurm cluster on this machine: a controller and two node daemons on loopback, everything below one folder.
#   cluster.sh start FOLDER PORT    ports PORT .. PORT+2 are taken; then: SLURM_CONF=FOLDER/slurm.conf sinfo
#   cluster.sh stop FOLDER
# Needs root and Debian's slurm-wlm and munge.
set -eu
root=$2

stop() {
    for name in slurmctld slurmd.node1 slurmd.node2 munged; do
        [ -s "$root/$name.pid" ] && kill "$(cat "$root/$name.pid")" 2>/dev/null || true
    done
}

start() {
    port=$1
    host=$(hostname -s)
    mkdir -p "$root/state" "$root/munge"
    chmod 755 "$root"
    chmod 700 "$root/munge"
    dd if=/dev/urandom of="$root/munge/key" bs=1024 count=1 2>/dev/null
    chmod 400 "$root/munge/key"
    munged --force --key-file="$root/munge/key" --socket="$root/munge.socket" --pid-file="$root/munged.pid" \
        --log-file="$root/munge/log" --seed-file="$root/munge/seed" 2>"$root/munge.err"
    cat >"$root/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$root/munge.socket
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool.%n
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd.%n.pid
SlurmctldLogFile=$root/slurmctld.log
SlurmdLogFile=$root/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=5
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=2 State=UNKNOWN
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=2 State=UNKNOWN
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$root/slurm.conf"
    slurmctld
    slurmd -N node1
    slurmd -N node2
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --Node --format=%T 2>/dev/null | grep -c '^idle$')" = 2 ] && return 0
        sleep 0.5
    done
    echo "the nodes did not come up" >&2
    stop
    return 1
}

case $1 in
    start) start "$3" ;;
    stop) stop ;;
    *) echo "start or stop, not '$1'" >&2; exit 2 ;;
esac
