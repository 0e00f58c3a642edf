#!/usr/bin/env bash
# SLURM on this machine alone, as Debian packages it, without systemd:
#
#   apt-get install slurm-wlm slurmdbd mariadb-server   # brings munge
#   tests/slurm.sh start FOLDER      # until sinfo says that the node is idle
#   . FOLDER/env                     # then sbatch, sinfo ... mean this one
#   tests/slurm.sh stop FOLDER
#
# A controller, a node with the CPUs of this machine, and accounting, from
# which submitit knows that a job was killed. All is in FOLDER, a short path
# that is not there yet, and runs as the user who starts it; /etc is not read.
# Ends with 77 where a program is not installed or does not start, and says
# which.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"
what="${1:?start or stop}" folder="${2:?a folder}"

cannot() {
  echo "SLURM cannot be started: $*" >&2
  stop
  exit 77
}

# In the order of starting; each has written its process id.
daemons=(munged mariadbd slurmdbd slurmctld slurmd)

stop() {
  local k pid
  for ((k = ${#daemons[@]} - 1; k >= 0; k--)); do
    [ -s "$folder/${daemons[k]}.pid" ] || continue
    pid="$(cat "$folder/${daemons[k]}.pid")"
    # The number may be another program's by now.
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "${daemons[k]}" ] || continue
    kill "$pid" 2>/dev/null || true
    for _ in {1..100}; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
  done
}

# wait_for NAME COMMAND ...: until it succeeds, a minute at most.
wait_for() {
  local name="$1"
  shift
  for _ in {1..240}; do
    if timeout 10 "$@" </dev/null >/dev/null 2>&1; then return; fi
    sleep 0.25
  done
  cannot "$name does not answer: $(tail -n 3 "$folder/$name.log" 2>&1)"
}

if [ "$what" = stop ]; then
  stop
  exit
fi
for program in "${daemons[@]}" mariadb-install-db mariadb sbatch sacct; do
  command -v "$program" >/dev/null || {
    echo "SLURM cannot be started: $program is not installed" >&2
    exit 77
  }
done
mkdir -m 755 "$folder"
folder="$(cd "$folder" && pwd)"
user="$(id -un)" host="$(hostname -s)"
mkdir -m 700 "$folder/database" "$folder/state" "$folder/spool"
read -r port_db port_dbd port_ctld port_d password <<<"$(python3 -c '
import secrets, socket
found = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in found), secrets.token_hex(8))')"

# Credentials: a key, a socket and a log of its own.
head -c 128 /dev/urandom >"$folder/munge.key"
chmod 600 "$folder/munge.key"
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.s" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
  --seed-file="$folder/munge.seed" >>"$folder/munged.log" 2>&1 ||
  cannot "munged: $(tail -n 3 "$folder/munged.log")"

# The database of accounting, which slurmdbd reaches by TCP only.
mariadb-install-db --no-defaults --datadir="$folder/database" \
  --user="$user" --auth-root-authentication-method=normal --skip-test-db \
  >"$folder/mariadbd.log" 2>&1 ||
  cannot "mariadb: $(tail -n 3 "$folder/mariadbd.log")"
mariadbd --no-defaults --user="$user" --datadir="$folder/database" \
  --socket="$folder/db.s" --bind-address=127.0.0.1 --port="$port_db" \
  --skip-name-resolve --innodb-buffer-pool-size=32M \
  --pid-file="$folder/mariadbd.pid" >>"$folder/mariadbd.log" 2>&1 &
database=(mariadb --no-defaults --user=root --socket="$folder/db.s")
wait_for mariadbd "${database[@]}" --execute "SELECT 1"
"${database[@]}" --execute "CREATE DATABASE slurm_acct_db;
  CREATE USER slurm@127.0.0.1 IDENTIFIED BY '$password';
  GRANT ALL ON slurm_acct_db.* TO slurm@127.0.0.1"

cat >"$folder/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$folder/munge.s
DbdHost=localhost
DbdPort=$port_dbd
SlurmUser=$user
LogFile=$folder/slurmdbd.log
PidFile=$folder/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$port_db
StorageUser=slurm
StoragePass=$password
StorageLoc=slurm_acct_db
END
chmod 600 "$folder/slurmdbd.conf"
cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port_ctld
SlurmdPort=$port_d
AuthType=auth/munge
AuthInfo=socket=$folder/munge.s
CredType=cred/munge
SlurmUser=$user
SlurmdUser=$user
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# A job that runs over its time has so many seconds before SIGKILL.
KillWait=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$port_dbd
AccountingStoragePass=$folder/munge.s
NodeName=$host NodeAddr=127.0.0.1 $(slurmd -C | grep -o 'CPUs=.*')
PartitionName=cpu Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
cat >"$folder/env" <<END
export SLURM_CONF="$folder/slurm.conf"
END
export SLURM_CONF="$folder/slurm.conf"

# slurmdbd reads its file beside slurm.conf.
slurmdbd >"$folder/slurmdbd.log" 2>&1 ||
  cannot "slurmdbd: $(tail -n 3 "$folder/slurmdbd.log")"
wait_for slurmdbd sacctmgr --noheader show cluster
slurmctld >>"$folder/slurmctld.log" 2>&1 ||
  cannot "slurmctld: $(tail -n 3 "$folder/slurmctld.log")"
wait_for slurmctld scontrol ping
slurmd -N "$host" >>"$folder/slurmd.log" 2>&1 ||
  cannot "slurmd: $(tail -n 3 "$folder/slurmd.log")"
wait_for slurmd bash -c '[ "$(sinfo --noheader --format=%T)" = idle ]'
sinfo
