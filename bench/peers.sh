# shellcheck shell=bash
# bench/peers.sh - the arms of bench/run --peers: each peer of bench/peers, and what every arm has
# written to Kafka.
#
# jars, classes -> for each arm: two new JVMs (app, sink) -> warm-up on topics and a database of its own
# -> the same again, measured: stock and funds through to the rows, the app paused, all orders' commands,
# a checkpoint, the clock -> the rows against the sample.  Sourced by bench/run, whose words and folders it uses.

PEER_NAMES=(plain-projector streams-projector streams-debezium)
PEER_HEAP=(-Xms1g -Xmx2g -XX:+UseParallelGC)
PEER_WARM_PERCENT=30 # of the orders measured, through the same JVMs
PEER_READY_IN=180    # seconds for a JVM to start, or to do as it is asked

# peers_of WORD: the peers that a list with commas names; all if it is empty.
peers_of() {
    local name names=()
    IFS=, read -r -a names <<<"$1"
    ((${#names[@]})) || names=("${PEER_NAMES[@]}")
    for name in "${names[@]}"; do
        [[ " ${PEER_NAMES[*]} " == *" $name "* ]] ||
            refuse_usage "no peer '$name': ${PEER_NAMES[*]}"
    done
    printf '%s\n' "${names[@]}"
}

# ---- building ----------------------------------------------------------------------------

peers_build() {
    local jars key sources=("$HERE"/peers/src/*.java) classes=$PEER_BUILD/classes
    step 'peers'
    "$LOCAL/install.sh" peers || failed 'packages are not complete'
    "$LOCAL/cache.sh" peers >"$FOLDER/peer-jars" || failed 'not complete'
    read -r jars <"$FOLDER/peer-jars"
    PEER_CLASSPATH="$classes:$jars/*"
    key="$jars $(cat "$HERE/peers/peer.proto" "${sources[@]}" | sha256sum)"
    [[ ! -e $PEER_BUILD/key || $(<"$PEER_BUILD/key") != "$key" ]] || return 0
    rm -rf "$PEER_BUILD"
    mkdir -p "$PEER_BUILD/generated" "$classes"
    logged peers-protoc "$jars"/protoc-*.exe "-I$HERE/peers" \
        "--java_out=$PEER_BUILD/generated" peer.proto
    logged peers-generated javac -nowarn -proc:none -d "$classes" -cp "$jars/*" \
        "$PEER_BUILD"/generated/peers/pb/*.java
    logged peers-javac javac -Xlint:all,-path,-classfile,-try -Werror -proc:none -d "$classes" \
        -cp "$PEER_CLASSPATH" "${sources[@]}"
    printf '%s\n' "$key" >"$PEER_BUILD/key"
}

# ---- processes ---------------------------------------------------------------------------

# spawn_jvm ROLE CLASS ARGUMENT...: the class gets its port before the arguments.
spawn_jvm() {
    local role=$1 class=$2 port deadline=$((SECONDS + PEER_READY_IN))
    port=$(free_port)
    printf '%s\n' "$port" >"$ROLES/$role.port"
    printf -- '---- %s ----\n' "$class" >>"$LOG/$role.log"
    proc_spawn "$ROLES/$role.proc" "$LOG/$role.log" java "${PEER_HEAP[@]}" \
        "-Dlog4j2.configurationFile=$LOCAL/log4j2.properties" \
        -Dsun.net.httpserver.nodelay=true -cp "$PEER_CLASSPATH" \
        "peers.$class" "$port" "${@:3}" || failed "the $role could not be started"
    until http_get "$port" /readyz >/dev/null; do
        proc_of "$ROLES/$role.proc" '' >/dev/null || failed "the $role ended" "$LOG/$role.log"
        ((SECONDS < deadline)) || failed "the $role is not ready" "$LOG/$role.log"
        sleep 0.1
    done
}

# ask ROLE COMMAND [WORD...]: returns when it is done.  The words are not seen by ps.
ask() {
    local port
    read -r port <"$ROLES/$1.port"
    curl -fsS --max-time "$PEER_READY_IN" --data-binary @- "http://127.0.0.1:$port/$2" \
        <<<"${*:3}" >>"$LOG/ask.log" 2>&1 || failed "the $1 did not $2" "$LOG/$1.log"
}

load() { logged "load-$1" java -cp "$PEER_CLASSPATH" peers.Load "$@"; }

# ---- what is in Kafka ----------------------------------------------------------------------

# topics_of REGEX: "topic partitions" of each.
topics_of() {
    kcat -b "$ORDERLOG_KAFKA_BROKERS" -L -J 2>>"$LOG/kcat.log" | jq -r --arg names "$1" \
        '.topics[] | select(.topic | test($names)) | "\(.topic) \(.partitions | length)"'
}

# ends REGEX: the sum of the end offsets of all partitions of the topics.
ends() {
    local topic topics partitions partition words=()
    topics=$(topics_of "$1") && [[ -n $topics ]] || return 1
    while read -r topic partitions; do
        for ((partition = 0; partition < partitions; partition++)); do
            words+=(-t "$topic:$partition:-1")
        done
    done <<<"$topics"
    kcat -b "$ORDERLOG_KAFKA_BROKERS" -Q "${words[@]}" 2>>"$LOG/kcat.log" |
        awk '{ sum += $NF } END { printf "%.0f\n", sum }'
}

# visible REGEX: how many records a reader sees in the topics.
visible() {
    local topic topics count sum=0
    topics=$(topics_of "$1") && [[ -n $topics ]] || return 1
    while read -r topic _; do
        count=$(kcat -b "$ORDERLOG_KAFKA_BROKERS" -C -t "$topic" -o beginning -e -q -f '\n' \
            2>>"$LOG/kcat.log" </dev/null | wc -l) || return 1
        sum=$((sum + count))
    done <<<"$topics"
    printf '%s\n' "$sum"
}

# written PREFIX: "records, all offsets, offsets of the broker's own topics" so far.
written() {
    local pattern="^${1//./\\.}" records offsets internal
    records=$(visible "$pattern") && offsets=$(ends "$pattern") && internal=$(ends '^__') || return 1
    printf '%s %s %s\n' "$records" "$offsets" "$internal"
}

# written_since PREFIX BEFORE: as JSON. What takes an offset and is no record is a marker, or aborted.
written_since() {
    local all before now
    all=$(written "$1") || return 1
    read -r -a before <<<"$2"
    read -r -a now <<<"$all"
    printf '{"records":%d,"markers":%d,"internal":%d}\n' $((now[0] - before[0])) \
        $((now[1] - before[1] - now[0] + before[0])) $((now[2] - before[2]))
}

# ---- the arm -----------------------------------------------------------------------------

# The database as the sinks want it: JDBC_URL USER PASSWORD.
peer_database() {
    local login=${DSN_BASE#*://} user
    user=${login%%@*}
    printf 'jdbc:postgresql://%s/%s %s %s\n' "${login#*@}" "$DATABASE" "${user%%:*}" "${user#*:}"
}

# peer_prepare PREFIX ORDERS: stock and funds are in the rows, the orders' commands wait.
peer_prepare() {
    local products accounts counts deadline=$((SECONDS + 600))
    load topics "$1." "${TOPICS[@]}"
    load setup "$1." "$SAMPLE"
    ask app start "$1."
    ask sink start "$1." "$(peer_database)"
    products=$(csv_rows products) accounts=$(csv_rows accounts)
    until counts=$(sql "$DATABASE" 'SELECT (SELECT count(*) FROM stock),
                                           (SELECT count(*) FROM accounts)') &&
        [[ $counts == "$products $accounts" &&
            $(counter sink peer_taken) == "$(counter app peer_given)" ]]; do
        ((SECONDS < deadline)) || failed "stock and accounts do not come: $counts" "$LOG/sink.log"
        sleep 0.3
    done
    ask app pause
    WRITTEN=$(written "$1.") || failed 'the topics can not be read'
    load orders "$1." "$SAMPLE" "$2"
    pg_sql "$SERVERS" postgres "$DATABASE" -c ANALYZE -c CHECKPOINT || failed 'no checkpoint'
    gate 'commands before the clock' "$(counter app peer_commands)" 0
}

# peer_stage PREFIX ORDERS: its samples are in $SAMPLES/PREFIX.jsonl, what the broker was asked in ASKED, what
# statements took in TOOK.
peer_stage() {
    local faults watcher before
    DATABASE=bench_${1//-/_}
    sql postgres "CREATE DATABASE $DATABASE" || failed "the database $DATABASE can't be made"
    sql postgres "ALTER DATABASE $DATABASE SET synchronous_commit = $COMMIT_SYNC"
    logged "schema-$1" psql -X -q -v ON_ERROR_STOP=1 -d "$DSN_BASE/$DATABASE" \
        -f "$HERE/peers/schema.sql"
    peer_prepare "$1" "$2"
    before=$(requests) || unasked
    statements_begin
    "$WATCH" -o "$SAMPLES/$1.jsonl" -q "$QUIET_MS" -s $((MOVES_IN * 1000)) \
        -u "app:peer_closed_total>=$2" -u 'sink:peer_taken_total==app:peer_given_total' \
        "$(watched app)" "$(watched sink)" "$(watched broker)" "$(watched postgres)" \
        8>&- 2>"$LOG/watch.log" &
    watcher=$!
    CHILD=$watcher
    until [[ -s $SAMPLES/$1.jsonl ]]; do
        proc_start "$watcher" >/dev/null || failed 'nobody watches' "$LOG/watch.log"
        sleep 0.05
    done
    ask app resume
    wait "$watcher" || failed "$(tail -n1 "$LOG/watch.log")" "$LOG/app.log"
    # shellcheck disable=SC2034  # stop_child's
    CHILD=''
    ASKED=$(requests_since "$before") || unasked
    # shellcheck disable=SC2034  # one_run's
    TOOK=$(statements "$DATABASE")
    faults=$(env -C "$SAMPLE" psql -X -q -A -t -F ' ' -d "$DSN_BASE/$DATABASE" -v "orders=$2" \
        -f "$HERE/peers/check.sql" 2>"$LOG/check.log") ||
        failed 'can not be checked' "$LOG/check.log"
    gate 'rows and sample' "$faults" ''
    ask app stop
    ask sink stop
}

# peer NAME RUN
peer() {
    local name=p$2-$1 warm=$((ORDERS * PEER_WARM_PERCENT / 100)) confirmed written
    TOPICS=(orders inventory payments orders-events inventory-events payments-events)
    step "$1, run $2"
    case $1 in
        plain-projector) spawn_jvm app PlainApp ;;
        streams-projector) spawn_jvm app StreamsApp "$FOLDER/peer-state" events ;;
        streams-debezium)
            spawn_jvm app StreamsApp "$FOLDER/peer-state" rows
            TOPICS+=(rows-orders rows-order_lines rows-ledger_entries)
            ;;
    esac
    if [[ $1 == *-debezium ]]; then
        rm -f "$FOLDER/peer-offsets"
        spawn_jvm sink ConnectSink "$(free_port)" "$FOLDER/peer-offsets"
    else
        spawn_jvm sink Projector
    fi
    if ((warm)); then
        peer_stage "$name-warm" "$warm"
        peer_drop "$name-warm"
    fi
    peer_stage "$name" "$ORDERS"
    confirmed=$(sql "$DATABASE" 'SELECT count(*) FROM orders WHERE status = 2')
    gate "orders confirmed by $1 and by orderlog" "$confirmed" \
        "$(awk '$2 == "done" { sum += $4 } END { print sum + 0 }' <<<"$STATUSES")"
    written=$(written_since "$name." "$WRITTEN") || failed 'the topics can not be read'
    note "$1" samples "\"samples/$name.jsonl\"" orders "$ORDERS" requests "$ASKED" statements "$TOOK" \
        written "$written"
    peer_drop "$name"
    stop_roles || failed 'a process does not stop'
    rm -rf "$FOLDER/peer-state"
}

# Compaction, say, is not the next arm's to pay.
peer_drop() {
    load delete "$1."
    drop_database "bench_${1//-/_}"
}

# The arms from the first to the last, in every second run from the last to the first.
one_run_of_peers() {
    local arm arms=(orderlog "${PEERS[@]}")
    RUN=$1
    if ((RUN % 2 == 0)); then
        mapfile -t arms < <(printf '%s\n' "${arms[@]}" | tac)
    fi
    for arm in "${arms[@]}"; do
        if [[ $arm == orderlog ]]; then
            end_to_end "$RUN" "$ORDERS"
        else
            peer "$arm" "$RUN"
        fi
    done
}
