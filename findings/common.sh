# shellcheck shell=bash
# findings/common.sh - how a finding is set up, told and cleaned up; what it shows is in its script.
#
#   begin NAME GUESS         a folder in $TEMP; GUESS is what one would expect
#   seen WHAT                the last line: it still surprises; leaves with 0
#   changed WHAT             the last line: it does not any more; leaves with 1
#   not_run WHY              the last line: nothing can be said here; leaves with 77
#
#   need PROGRAM...          they are there, or not_run
#   debian PACKAGE VERSION   the installed package has this version, or not_run
#   unpack PACKAGE VERSION   the Debian package's files below $TEMP/root, whatever is installed
#   venv NAME==VERSION...    a Python environment of its own: $PYTHON
#   step COMMAND...          in the foreground, for $STEP_SECONDS at most
#   stay LOG COMMAND...      in the background, until the script ends: $STAYED is its pid
#
#   kafka_start              a broker, with the lines of KAFKA_SETTINGS besides: $BROKER, $JARS
#   postgres_start DIR [ARGUMENT...]   a server that listens in DIR only; postgres_init DIR before
#   compile NAME [FLAG...]   the C source on stdin, as $TEMP/NAME; kafka_header writes what
#                            clients of librdkafka share, as $TEMP/setup.h
#   java_run FILE [ARGUMENT...]        one source file, with Kafka's jars
#
# With FINDINGS_ANY_VERSION=1 a version is not held against the pinned one: `debian` takes what is
# installed, `unpack` and `venv` the newest. That tells which findings outlive an upgrade.
# However a script ends, what it started is ended by pid and its folder is gone. Whatever fails on
# the way is "not run": only a comparison says seen or changed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../deploy/local/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../deploy/local/common.sh"

STEP_SECONDS=120 # a download's bound; what runs after it takes seconds
READY_SECONDS=60
NAME='' TEMP='' VERSIONS='' VERDICT=''
STOP_SIGNAL=TERM # to what stays, before KILL; a server's folder is thrown away, so it may be a hard one
STAYING=() # "pid start" of each
KAFKA_SETTINGS=()

begin() {
    NAME=$1
    TEMP=$(mktemp -d)
    chmod 711 "$TEMP" # PostgreSQL runs as its own user where we are root
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf 'expected  %s\n' "$2"
}

clean_up() {
    local code=$? one
    trap '' INT TERM HUP
    stop_child
    for one in "${STAYING[@]}"; do
        proc_stop "${one% *}" "${one#* }" 10 "$STOP_SIGNAL" || true
    done
    if [[ -z $VERDICT ]] && ((code >= 128)); then
        printf 'not run - %s: interrupted\n' "$NAME"
    elif [[ -z $VERDICT ]]; then
        code=77
        # What failed said why last.
        tail -n 3 "$(find "$TEMP" -maxdepth 1 -name '*.log' -size +0 -printf '%T@ %p\n' | sort -n |
            tail -n 1 | cut -d ' ' -f 2-)" 2>/dev/null || true
        printf 'not run - %s: a step failed\n' "$NAME"
    fi
    rm -rf "$TEMP"
    exit "$code"
}

seen() { verdict 0 seen "$1"; }
changed() { verdict 1 changed "$1"; }
not_run() { verdict 77 'not run' "$1"; }
verdict() {
    VERDICT=$2
    printf '%s - %s: %s%s\n' "$2" "$NAME" "$3" "${VERSIONS:+ [$VERSIONS]}"
    exit "$1"
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || not_run "$program is not installed"
    done
}

step() { run_child timeout --foreground -k 2 "$STEP_SECONDS" "$@"; }

stay() {
    local log=$1
    shift
    setpriv --pdeathsig KILL "$@" </dev/null >"$log" 2>&1 &
    STAYED=$!
    disown "$STAYED" # no word of the shell when it is killed
    STAYING+=("$STAYED $(proc_start "$STAYED")")
}

# ---- versions ----------------------------------------------------------------------------

any_version() { [[ ${FINDINGS_ANY_VERSION:-} == 1 ]]; }
version_used() { VERSIONS+="${VERSIONS:+, }$1 $2"; }

debian() {
    local found
    # shellcheck disable=SC2016  # dpkg's own variable
    found=$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || found=''
    [[ -n $found ]] || not_run "the Debian package $1 is not installed"
    [[ $found == "$2" ]] || any_version || not_run "$1 is $found here, the finding is pinned to $2"
    version_used "$1" "$found"
}

unpack() {
    local deb wanted=$1=$2
    ! any_version || wanted=$1
    mkdir -p "$TEMP/deb-$1"
    (cd "$TEMP/deb-$1" && timeout "$STEP_SECONDS" apt-get download -q -o APT::Sandbox::User=root "$wanted") \
        >"$TEMP/apt.log" 2>&1 || not_run "the Debian package $wanted could not be fetched"
    deb=$(echo "$TEMP/deb-$1"/*.deb)
    mkdir -p "$TEMP/root"
    dpkg-deb -x "$deb" "$TEMP/root"
    version_used "$1" "$(dpkg-deb -f "$deb" Version)"
}

venv() {
    local one
    PYTHON=$TEMP/venv/bin/python
    step python3 -m venv "$TEMP/venv" >"$TEMP/venv.log" 2>&1 || not_run "python3 -m venv failed"
    for one in "$@"; do
        ! any_version || one=${one%%==*}
        step "$PYTHON" -m pip install --disable-pip-version-check --no-input -q "$one" \
            >"$TEMP/pip.log" 2>&1 || not_run "the Python package $one could not be fetched"
        one=${one%%==*}
        version_used "$one" "$("$PYTHON" -c "import importlib.metadata as m; print(m.version('$one'))")"
    done
}

# ---- programs ----------------------------------------------------------------------------

compile() {
    local name=$1
    need gcc
    shift
    cat >"$TEMP/$name.c"
    step gcc -std=gnu17 -Wall -Wextra -Werror -I"$TEMP" -o "$TEMP/$name" "$TEMP/$name.c" "$@"
}

java_run() {
    step java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.apache.logging.log4j.level=OFF \
        -cp "$JARS/*" "$@"
}

# What the small clients have in common: handles from pairs of settings, a topic, a record.
kafka_header() {
    cat >"$TEMP/setup.h" <<'C'
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT(type, ...) client(type, (const char *const[]){__VA_ARGS__, NULL})
#define SURE(call) sure(call, #call)
#define WAIT_MS 20000

static inline void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(2);
}

static inline void sure(rd_kafka_error_t *error, const char *what)
{
    if (error)
        fail(what, rd_kafka_error_string(error));
}

static inline rd_kafka_t *client(rd_kafka_type_t type, const char *const *pairs)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (; *pairs; pairs += 2)
        if (rd_kafka_conf_set(conf, pairs[0], pairs[1], why, sizeof why) != RD_KAFKA_CONF_OK)
            fail(pairs[0], why);
    rd_kafka_t *handle = rd_kafka_new(type, conf, why, sizeof why);
    if (!handle)
        fail("rd_kafka_new", why);
    if (type == RD_KAFKA_CONSUMER)
        rd_kafka_poll_set_consumer(handle);
    return handle;
}

static inline void make_topic(rd_kafka_t *handle, const char *name, int partitions)
{
    char why[512];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    rd_kafka_CreateTopics(handle, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event || rd_kafka_event_error(event))
        fail("CreateTopics", event ? rd_kafka_event_error_string(event) : "no answer");
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
}

static inline void put(rd_kafka_t *producer, const char *topic, int partition, const char *value)
{
    rd_kafka_resp_err_t error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_VALUE((void *)value, strlen(value)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
    if (error)
        fail("produce", rd_kafka_err2str(error));
}

/* A transaction of so many records; the other outcome is an abort. */
static inline void transact(rd_kafka_t *producer, const char *topic, int count, int commit)
{
    SURE(rd_kafka_begin_transaction(producer));
    for (int i = 0; i < count; i++)
        put(producer, topic, 0, commit ? "committed" : "aborted");
    if (rd_kafka_flush(producer, WAIT_MS))
        fail("flush", "records are left");
    SURE(commit ? rd_kafka_commit_transaction(producer, WAIT_MS)
                : rd_kafka_abort_transaction(producer, WAIT_MS));
}

static inline void assign(rd_kafka_t *consumer, const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    if (error)
        fail("assign", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reads up to the end of the partition; the handle wants enable.partition.eof. */
static inline int read_to_end(rd_kafka_t *consumer, int64_t *ret_last, int64_t *ret_eof)
{
    int count = 0;
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
        if (!message)
            fail("read", "neither a record nor the end");
        rd_kafka_resp_err_t error = message->err;
        if (error && error != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            fail("read", rd_kafka_message_errstr(message));
        *(error ? ret_eof : ret_last) = message->offset;
        rd_kafka_message_destroy(message);
        if (error)
            return count;
        count++;
    }
}
C
}

# ---- servers -----------------------------------------------------------------------------

kafka_jars() {
    need java kcat jq
    JARS=$("$ROOT/deploy/local/cache.sh" kafka 2>"$TEMP/jars.log") || not_run "Kafka's jars could not be fetched"
    local found
    found=$(cd "$JARS" && echo kafka_2.13-*.jar)
    found=${found#kafka_2.13-}
    [[ ${found%.jar} == 4.2.2 ]] || any_version || not_run "Kafka is ${found%.jar}, the finding is pinned to 4.2.2"
    version_used kafka "${found%.jar}"
}

# Settings are Kafka's own but for what one broker on the loopback needs.
kafka_start() {
    local port controller tries home=$TEMP/kafka
    STOP_SIGNAL=KILL
    kafka_jars
    mkdir -p "$home"
    for ((tries = 0; tries < 5; tries++)); do
        port=$(free_port)
        controller=$(free_port)
        rm -rf "$home/data"
        printf '%s\n' process.roles=broker,controller node.id=1 \
            "controller.quorum.voters=1@127.0.0.1:$controller" \
            "listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller" \
            listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT \
            inter.broker.listener.name=BROKER controller.listener.names=CONTROLLER \
            "log.dirs=$home/data" auto.create.topics.enable=false \
            offsets.topic.replication.factor=1 offsets.topic.num.partitions=1 \
            transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1 \
            transaction.state.log.num.partitions=1 \
            share.coordinator.state.topic.replication.factor=1 share.coordinator.state.topic.min.isr=1 \
            share.coordinator.state.topic.num.partitions=1 \
            group.initial.rebalance.delay.ms=0 "${KAFKA_SETTINGS[@]}" >"$home/server.properties"
        java_run kafka.tools.StorageTool format --cluster-id findings--------------A \
            --config "$home/server.properties" >"$TEMP/format.log" 2>&1 || return 1
        stay "$TEMP/broker.log" java -Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
            "-Dlog4j2.configurationFile=$ROOT/deploy/local/log4j2.properties" \
            -cp "$JARS/*" kafka.Kafka "$home/server.properties"
        BROKER=127.0.0.1:$port
        kafka_wait "$port" && return
    done
    not_run 'the broker did not start'
}

kafka_wait() {
    local deadline=$((SECONDS + READY_SECONDS))
    while proc_start "$STAYED" >/dev/null && ((SECONDS < deadline)); do
        # It is there, and has registered itself.
        ! port_owned "$1" "$STAYED" ||
            ! timeout 5 kcat -b "$BROKER" -L -J -m 2 2>/dev/null </dev/null |
            jq -e '.brokers | length > 0' >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    return 1
}

POSTGRES_BIN=/usr/lib/postgresql/15/bin
as_postgres=()
((EUID != 0)) || as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

postgres_init() {
    STOP_SIGNAL=QUIT
    mkdir -m 700 "$1"
    ((EUID != 0)) || chown postgres: "$1"
    (cd / && step "${as_postgres[@]}" "$POSTGRES_BIN/initdb" -D "$1/data" -U postgres -E UTF8 --locale=C.UTF-8 \
        --auth=trust --no-sync) >"$TEMP/initdb.log" 2>&1
}

# Trust is enough: the folder of the socket is the server's user's alone, and there is no port.
postgres_start() {
    local dir=$1 deadline=$((SECONDS + READY_SECONDS))
    shift
    stay "$dir.log" "${as_postgres[@]}" "$POSTGRES_BIN/postgres" -D "$dir/data" -k "$dir" -h '' \
        -c fsync=off -c cluster_name=findings "$@"
    until "$POSTGRES_BIN/pg_isready" -q -h "$dir" -U postgres; do
        if ! proc_start "$STAYED" >/dev/null || ((SECONDS >= deadline)); then
            not_run 'PostgreSQL did not start'
        fi
        sleep 0.1
    done
}

sql() {
    local dir=$1
    shift
    PGCONNECT_TIMEOUT=5 step psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir" -U postgres "$@"
}
