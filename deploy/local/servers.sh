#!/usr/bin/env bash
# deploy/local/servers.sh - a private Kafka broker (KRaft) and PostgreSQL in one state folder.
#
#   servers.sh start DIR [kafka|pg]      start what does not run; returns when both answer
#   servers.sh stop DIR [kafka|pg]       stop politely, then firmly; nothing is left behind
#   servers.sh restart DIR kafka|pg      the same data and the same port
#   servers.sh kill DIR kafka|pg         SIGKILL (kafka) or an immediate shutdown (pg): a crash
#   servers.sh status DIR                one line for each; exit 1 unless both run
#   servers.sh env DIR                   shell lines with ORDERLOG_KAFKA_BROKERS, ORDERLOG_PG_DSN
#   servers.sh pid DIR kafka|pg          the server's pid, for tests that stop and continue it
#
# ORDERLOG_KAFKA_LINKS="name:port:advertised ..." gives the broker more listeners, each on `port`, and
# tells its clients to come to `advertised`: where a test has a proxy in between.
# ORDERLOG_PG_SETTINGS="name=value ..." are further settings of PostgreSQL, of this start only.
#
# Can also be sourced: each line above is a function servers_start, servers_stop, ...
# Loopback only, ports of their own; any number of state folders run side by side. In DIR:
#
#   kafka/  proc server.properties broker.log port data/      pg/  port password server.log data/
#
# A port is chosen when the server starts and kept while its folder lives, unless somebody else
# has it by then. "Chosen" is only a guess: the server's own bind decides, and on a refusal another
# port is tried.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PG_BIN=${ORDERLOG_PG_BIN:-/usr/lib/postgresql/15/bin}
PG_USER=postgres         # who runs the server when we are root; the Debian package makes it
PG_OWNER=orderlog_owner  # owns the database, migrates, makes the other roles
PG_DATABASE=orderlog
READY_SECONDS=60

# ---- Kafka -------------------------------------------------------------------------------

kafka_pid() { proc_of "$1/kafka/proc" "$1/kafka/server.properties"; }

kafka_write_properties() {
    local home=$1/kafka port=$2 controller=$3 link name at advertised
    local listeners='' advertisements='' protocols='' threads=''
    for link in ${ORDERLOG_KAFKA_LINKS:-}; do
        IFS=: read -r name at advertised <<<"$link"
        listeners+=,$name://127.0.0.1:$at
        advertisements+=,$name://127.0.0.1:$advertised
        protocols+=,$name:PLAINTEXT
        threads+=listener.name.${name,,}.num.network.threads=1$'\n'
    done
    cat >"$home/server.properties.new" <<EOF
# Written by deploy/local/servers.sh at every start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller$listeners
advertised.listeners=BROKER://127.0.0.1:$port$advertisements
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT$protocols
${threads}inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=$home/data

# Topics are made by 'orderlog topics apply' and by nothing else.
auto.create.topics.enable=false
num.partitions=4
default.replication.factor=1
min.insync.replicas=1
log.message.timestamp.type=LogAppendTime
log.retention.ms=-1
# Where a topic has a retention, it is seen at once, not within five minutes.
log.retention.check.interval.ms=5000

# One broker; few partitions of the internal topics, so that it is up soon.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# Offsets of a stopped installation are kept (ten years), as its records are.
offsets.retention.minutes=5256000
# A transaction whose owner died is aborted when its own timeout has passed, not 10 s later.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
# After a crash the broker may register again only when its old session is over.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
log.cleaner.dedupe.buffer.size=33554432
# Each partition has two indexes of this size, mapped, which large read-aheads fill with zeros: 10 MiB by
# default. One is full at 357 MiB of log, which begins a new segment.
log.index.size.max.bytes=1048576
EOF
    mv "$home/server.properties.new" "$home/server.properties"
}

kafka_format() {
    local home=$1/kafka jars=$2 id
    [[ ! -e $home/data/meta.properties ]] || return 0
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=')
    java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.tools.StorageTool format \
        --cluster-id "$id" --config "$home/server.properties" >>"$home/broker.log" 2>&1
}

# Up: its own socket, and it lists itself as a broker.
kafka_answers() {
    local dir=$1 pid=$2 port=$3
    port_owned "$port" "$pid" &&
        timeout 5 kcat -b "127.0.0.1:$port" -L -J -m 2 2>/dev/null </dev/null |
        jq -e '.brokers | length > 0' >/dev/null 2>&1
}

# kafka_launch DIR JARS PORT CONTROLLER: 0 up, 2 the port was taken, 1 anything else.
kafka_launch() {
    local dir=$1 jars=$2 port=$3 controller=$4 home=$1/kafka pid deadline from
    kafka_write_properties "$dir" "$port" "$controller"
    kafka_format "$dir" "$jars" || return 1
    from=$(wc -l <"$home/broker.log")
    rm -f "$home/ready"
    proc_spawn "$home/proc" "$home/broker.log" \
        java -Xms1g -Xmx1g -XX:+UseParallelGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true \
        "-Dlog4j2.configurationFile=$ROOT/deploy/local/log4j2.properties" \
        -cp "$jars/*" kafka.Kafka "$home/server.properties" || return 1
    deadline=$((SECONDS + READY_SECONDS))
    while pid=$(kafka_pid "$dir"); do
        if kafka_answers "$dir" "$pid" "$port"; then
            printf '%s %s\n' "$port" "$controller" >"$home/port"
            touch "$home/ready"
            return 0
        fi
        if ((SECONDS >= deadline)) || [[ -e $dir/stopping ]]; then
            servers_stop_now "$dir" kafka
            return 1
        fi
        sleep 0.1
    done
    tail -n "+$((from + 1))" "$home/broker.log" | grep -qi 'address already in use' && return 2
    return 1
}

kafka_start() {
    local dir=$1 home=$1/kafka jars port='' controller='' tries rc
    ! kafka_pid "$dir" >/dev/null || return 0
    mkdir -p "$home"
    touch "$home/broker.log"
    jars=${ORDERLOG_KAFKA_JARS:-$("$ROOT/deploy/local/cache.sh" kafka)} || return 1
    [[ ! -s $home/port ]] || read -r port controller <"$home/port"
    for ((tries = 0; tries < 10; tries++)); do
        if [[ -z $port ]] || port_inode "$port" >/dev/null || port_inode "$controller" >/dev/null; then
            port=$(free_port)
            controller=$(free_port)
            [[ $port != "$controller" ]] || continue
        fi
        rc=0
        kafka_launch "$dir" "$jars" "$port" "$controller" || rc=$?
        ((rc != 0)) || return 0
        ((rc == 2)) || break
        port=''
    done
    [[ -e $dir/stopping ]] || complain "the Kafka broker did not start; see $home/broker.log"
    return 1
}

# ---- PostgreSQL --------------------------------------------------------------------------

# The postmaster writes its own pid file; the process must also have our data folder as argument.
pg_pid() {
    local pid
    { read -r pid <"$1/pg/data/postmaster.pid"; } 2>/dev/null || return 1
    [[ $pid =~ ^[1-9][0-9]*$ ]] && proc_start "$pid" >/dev/null &&
        proc_has_arg "$pid" "$1/pg/data" || return 1
    printf '%s\n' "$pid"
}

# PostgreSQL refuses root: then it runs as its own user. Where that user cannot reach the folder
# (a checkout below a 0700 home), it gets the one capability to walk there.
# In a session of its own: Ctrl-C does not cut a start in two.
pg_as_user() {
    if ((EUID != 0)); then
        (cd / && exec setsid -w "$@" 8>&- 9>&-)
        return
    fi
    local as=(setpriv "--reuid=$PG_USER" "--regid=$PG_USER" --clear-groups) capability
    # ls, not test -x: access(2) looks away from capabilities.
    if ! "${as[@]}" ls -d "$PG_HOME/." >/dev/null 2>&1; then
        for capability in dac_read_search dac_override; do
            if "${as[@]}" "--inh-caps=+$capability" "--ambient-caps=+$capability" \
                ls -d "$PG_HOME/." >/dev/null 2>&1; then
                as+=("--inh-caps=+$capability" "--ambient-caps=+$capability")
                break
            fi
        done
    fi
    (cd / && exec setsid -w "${as[@]}" "$@" 8>&- 9>&-)
}

pg_init() {
    local home=$1/pg secret
    [[ ! -d $home/data ]] || return 0
    rm -rf "$home/data.new" "$home/secret"
    secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && printf '%s\n' "$secret" >"$home/password" && mkdir "$home/data.new" &&
        cp "$home/password" "$home/secret")
    ((EUID != 0)) || chown "$PG_USER:" "$home/data.new" "$home/secret"
    pg_as_user "$PG_BIN/initdb" -D "$home/data.new" -U postgres -E UTF8 --locale=C.UTF-8 \
        --lc-collate=C --auth=scram-sha-256 "--pwfile=$home/secret" >>"$home/server.log" 2>&1 || return 1
    rm -f "$home/secret"
    cat >>"$home/data.new/postgresql.conf" <<EOF

# deploy/local/servers.sh; the port comes on the command line
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
timezone = 'UTC'
log_timezone = 'UTC'
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
effective_cache_size = 2GB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = off
fsync = on
synchronous_commit = on
log_checkpoints = off
logging_collector = off
max_connections = 200
EOF
    mv "$home/data.new" "$home/data"
}

pg_sql() {
    local dir=$1 user=$2 database=$3 port
    shift 3
    read -r port <"$dir/pg/port"
    PGPASSWORD=$(<"$dir/pg/password") PGCONNECT_TIMEOUT=5 psql -X -q -A -t -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$port" -U "$user" -d "$database" "$@"
}

# The owner may make roles and its own database; nothing in the program needs a superuser.
pg_make_database() {
    local dir=$1
    [[ ! -e $dir/pg/made ]] || return 0
    pg_sql "$dir" postgres postgres -v "owner=$PG_OWNER" -v "database=$PG_DATABASE" \
        -v "secret=$(<"$dir/pg/password")" >>"$dir/pg/server.log" 2>&1 <<'SQL' || return 1
SELECT format('CREATE ROLE %I LOGIN CREATEROLE CREATEDB IN ROLE pg_monitor, pg_signal_backend', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
ALTER ROLE :"owner" PASSWORD :'secret';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
SQL
    touch "$dir/pg/made"
}

pg_launch() {
    local dir=$1 port=$2 home=$1/pg from setting words="-p $2"
    for setting in ${ORDERLOG_PG_SETTINGS:-}; do
        words+=" -c $setting"
    done
    from=$(wc -l <"$home/server.log")
    if pg_as_user "$PG_BIN/pg_ctl" start -w -s -t "$READY_SECONDS" -D "$home/data" \
        -o "$words" >>"$home/server.log" 2>&1 </dev/null; then
        printf '%s\n' "$port" >"$home/port"
        return 0
    fi
    tail -n "+$((from + 1))" "$home/server.log" >"$home/last"
    grep -q 'Address already in use' "$home/last" && return 2
    return 1
}

# What a killed postmaster left: its children stand in the data folder until they notice; then its
# pid file is stale, even while a zombie or a stranger has the pid.
pg_stragglers() { find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1/pg/data" 2>/dev/null || true; }

pg_clear_crash() {
    local dir=$1 waited path
    [[ -e $dir/pg/data/postmaster.pid ]] || return 0
    for ((waited = 0; waited < 100; waited++)); do
        path=$(pg_stragglers "$dir")
        [[ -n $path ]] || break
        if ((waited == 50)); then
            for path in $path; do
                path=${path#/proc/}
                kill -QUIT "${path%/cwd}" 2>/dev/null || true
            done
        fi
        sleep 0.1
    done
    [[ -n $(pg_stragglers "$dir") ]] || rm -f "$dir/pg/data/postmaster.pid"
}

pg_start() {
    local dir=$1 home=$1/pg port='' tries rc
    local PG_HOME=$home
    if ! pg_pid "$dir" >/dev/null; then
        mkdir -p "$home"
        touch "$home/server.log"
        if ! pg_init "$dir"; then
            complain "initdb failed; see $home/server.log"
            return 1
        fi
        pg_clear_crash "$dir"
        [[ ! -s $home/port ]] || read -r port <"$home/port"
        for ((tries = 0; tries < 10; tries++)); do
            if [[ -z $port ]] || port_inode "$port" >/dev/null; then
                port=$(free_port)
            fi
            rc=0
            pg_launch "$dir" "$port" || rc=$?
            ((rc == 2)) || break
            port=''
        done
        if ((rc != 0)); then
            [[ -e $dir/stopping ]] || complain "PostgreSQL did not start; see $home/server.log"
            return 1
        fi
    fi
    if ! pg_make_database "$dir"; then
        complain "the database could not be made; see $home/server.log"
        return 1
    fi
}

# ---- both --------------------------------------------------------------------------------

servers_dir() {
    mkdir -p "$1" && cd "$1" && pwd -P
}

# servers_pick NAME: the servers meant by an optional argument.
servers_pick() {
    case ${1:-all} in
        all) printf 'kafka\npg\n' ;;
        kafka | pg) printf '%s\n' "$1" ;;
        *)
            say "no server '$1': kafka or pg"
            return 2
            ;;
    esac
}

servers_start_locked() {
    local dir=$1 which kafka=0 failed=0
    which=$(servers_pick "${2:-all}") || return 2
    # A test that restarts a server does not own it; see ./test.  (This is a subshell.)
    unset ORDERLOG_TEST_DIR
    rm -f "$dir/stopping"
    if [[ $which == *kafka* ]]; then
        kafka_start "$dir" &
        kafka=$!
    fi
    if [[ $which == *pg* ]]; then
        pg_start "$dir" || failed=1
    fi
    if ((kafka)); then
        wait "$kafka" || failed=1
    fi
    return "$failed"
}

servers_start() {
    local dir
    dir=$(servers_dir "$1")
    with_lock "$dir/servers.lock" servers_start_locked "$dir" "${2:-all}"
}

servers_stop_now() {
    local dir=$1 which pid name seconds failed=0 waits=() wait
    which=$(servers_pick "${2:-all}") || return 2
    for name in $which; do
        pid=$("${name}_pid" "$dir") || continue
        case $name in
            kafka)
                # While it starts it heeds no TERM, and has nothing to lose.
                seconds=20
                [[ -e $dir/kafka/ready ]] || seconds=1
                proc_stop "$pid" "$(proc_start "$pid")" "$seconds" TERM &
                ;;
            pg) proc_stop "$pid" "$(proc_start "$pid")" 20 INT QUIT & ;;
        esac
        waits+=("$!")
    done
    for wait in "${waits[@]}"; do
        wait "$wait" || failed=1
    done
    ((!failed)) || complain "a server below $dir would not stop"
    return "$failed"
}

# A start that is under way sees the file, or its server gone, and ends; then what it left is
# stopped under its lock.
servers_stop() {
    local dir failed=0
    dir=$(servers_dir "$1")
    touch "$dir/stopping"
    servers_stop_now "$dir" "${2:-all}" &&
        with_lock "$dir/servers.lock" servers_stop_now "$dir" "${2:-all}" || failed=1
    rm -f "$dir/stopping"
    return "$failed"
}

servers_kill() {
    local dir pid
    dir=$(servers_dir "$1")
    case ${2:-} in
        kafka)
            pid=$(kafka_pid "$dir") || return 1
            proc_stop "$pid" "$(proc_start "$pid")" 10 KILL
            ;;
        pg)
            pid=$(pg_pid "$dir") || return 1
            proc_stop "$pid" "$(proc_start "$pid")" 10 QUIT
            ;;
        *)
            say "kill needs kafka or pg"
            return 2
            ;;
    esac
}

servers_restart() {
    [[ -n ${2:-} ]] || {
        say "restart needs kafka or pg"
        return 2
    }
    servers_stop "$1" "$2" && servers_start "$1" "$2"
}

servers_pid() {
    local dir name
    dir=$(servers_dir "$1")
    name=$(servers_pick "${2:-}") || return 2
    [[ $name != *$'\n'* ]] || {
        say "pid needs kafka or pg"
        return 2
    }
    "${name}_pid" "$dir"
}

servers_status() {
    local dir name pid port failed=0
    dir=$(servers_dir "$1")
    for name in kafka pg; do
        port=none
        [[ ! -s $dir/$name/port ]] || read -r port _ <"$dir/$name/port"
        if pid=$("${name}_pid" "$dir"); then
            printf '%-12s running  pid %-8s 127.0.0.1:%s\n' "$name" "$pid" "$port"
        else
            printf '%-12s stopped\n' "$name"
            failed=1
        fi
    done
    return "$failed"
}

servers_env() {
    local dir port
    dir=$(servers_dir "$1")
    if [[ -s $dir/kafka/port ]]; then
        read -r port _ <"$dir/kafka/port"
        printf "export ORDERLOG_KAFKA_BROKERS='127.0.0.1:%s'\n" "$port"
    fi
    if [[ -s $dir/pg/port ]]; then
        read -r port <"$dir/pg/port"
        printf "export ORDERLOG_PG_DSN='postgresql://%s:%s@127.0.0.1:%s/%s'\n" \
            "$PG_OWNER" "$(<"$dir/pg/password")" "$port" "$PG_DATABASE"
    fi
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    case ${1:-} in
        start | stop | restart | kill | status | env | pid)
            [[ -n ${2:-} ]] || die "servers.sh $1 needs a state folder"
            "servers_$1" "${@:2}"
            ;;
        *)
            sed -n '4,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
            exit 2
            ;;
    esac
fi
