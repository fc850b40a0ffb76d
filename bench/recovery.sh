# shellcheck shell=bash
# bench/recovery.sh - bench/run --recovery: SIGKILL of the worker to its next commit, with a large log beside
# a small one.
#
# warm-up, which tells how many events an order makes -> two installations on the same servers, one with as
# many events in its log as SMALL, one with LARGE, made by the pipeline from the sample's orders, again and
# again under new ids -> for each run, in turns: the projector, the worker, a few orders that come one by one;
# once it has committed the first of them, SIGKILL and a new worker (kill.py) -> all rows as they must be -> table.
# Sourced by bench/run.

RECOVERY_WARM=500
KILL_ORDERS=250      # of each kill: few beside the small log
KILL_RATE=200        # a second
KILL_ROUND=100000000 # above all rounds of the logs: new ids

# orders_for EVENTS: how many make the log so long.
orders_for() {
    local orders=$((($1 - LIST_EVENTS) * RECOVERY_WARM / WARM_EVENTS))
    ((orders > 0)) || failed "products and accounts alone are $LIST_EVENTS events: larger --sizes"
    printf '%s\n' "$orders"
}

recovery_log() {
    local orders share
    step "a log of $(thousands "$2") events"
    orders=$(orders_for "$2")
    through "$1" "$orders" repeat
    LOG_EVENTS[$1]=$EVENTS # run_whole's
    share=$((EVENTS * 100 / $2))
    ((share >= 95 && share <= 105)) || failed "the log has $EVENTS events, not $2"
}

# The worker under a name of its own, on a port that is known before.
spawn_worker() {
    ORDERLOG_METRICS_PORT=$2 proc_spawn "$ROLES/$1.proc" "$LOG/worker.log" "$BIN" worker --slot 0 ||
        failed 'the worker could not be started'
}

# kill_one SAMPLES NAME: the worker of the present installation; the moments are in kill.json.  Orders come
# from when it is ready, before and after the kill and meanwhile.
kill_one() {
    local file=$1 old new watcher publisher
    rm -f "$ROLES"/{victim,worker}.proc "$LOG/kill.log"
    old=$(free_port) new=$(free_port)
    printf '%s\n' "$old" >"$ROLES/victim.port"
    printf '%s\n' "$new" >"$ROLES/worker.port"
    "$WATCH" -o "$file" "$(watched worker)" "projector=$(proc_of "$ROLES/projector.proc" "$BIN")" \
        "$(watched broker)" "$(watched postgres)" -- "$HERE/kill.py" "$ROLES/victim.proc" "$old" "$new" \
        8>&- >"$FOLDER/kill.json" 2>"$LOG/kill.log" &
    watcher=$!
    CHILD=$watcher
    until grep -qs ready "$LOG/kill.log"; do
        proc_start "$watcher" >/dev/null || failed 'nobody kills' "$LOG/kill.log"
        sleep 0.02
    done
    spawn_worker victim "$old"
    await_ready victim
    publish_made "$2" "$KILL_ORDERS" repeat --round $((KILL_ROUND + RUN)) --rate "$KILL_RATE" &
    publisher=$!
    while proc_of "$ROLES/victim.proc" '' >/dev/null; do
        proc_start "$watcher" >/dev/null || failed 'nobody kills' "$LOG/kill.log"
        sleep 0.005
    done
    spawn_worker worker "$new"
    wait "$watcher" || failed 'no commit after the kill' "$LOG/kill.log"
    # shellcheck disable=SC2034  # stop_child's
    CHILD=''
    wait "$publisher" || failed 'not all orders came'
}

# recovery_kill NAME
recovery_kill() {
    local name=$1
    step "a kill with the $name log, run $RUN"
    use "$name" "bench_$name"
    settle_database "$DATABASE"
    spawn projector
    await_ready projector
    kill_one "$SAMPLES/$name$RUN.jsonl" "$name"
    await_made "$name" "$DATABASE"
    check_worker
    stop_roles || failed 'a role does not stop'
    note "$name" samples "\"samples/$name$RUN.jsonl\"" kill "$(<"$FOLDER/kill.json")" \
        events $((LOG_EVENTS[$name] + (RUN - 1) * KILL_ORDERS * WARM_EVENTS / RECOVERY_WARM)) \
        orders "$KILL_ORDERS"
}

recovery() {
    local name names
    declare -gA LOG_EVENTS=()
    step 'warm-up'
    through warm "$RECOVERY_WARM" repeat
    LIST_EVENTS=$EVENTS_BEFORE
    WARM_EVENTS=$((EVENTS - EVENTS_BEFORE))
    drop_database "$DATABASE"
    recovery_log small "$SMALL"
    recovery_log large "$LARGE"
    for ((RUN = 1; RUN <= RUNS; RUN++)); do
        names=(small large)
        ((RUN % 2)) || names=(large small)
        for name in "${names[@]}"; do
            recovery_kill "$name"
        done
    done
}
