# shellcheck shell=bash
# bench/latency.sh - bench/run --latency: how long an order takes under open load.
#
# all orders' commands in topics of their own -> for each run: an installation of orderlog, a burst through
# it: the maximum -> for each share of that, in turns: the roles, or a chain of relays with topics and a
# database of its own (chain.c); a short warm-up, the load (latency.c) -> table.  Sourced by bench/run.

LATENCY_SHARES=(10 30 60) # % of the maximum; together not above 100, by which orders are counted out
LATENCY_SECONDS=10        # of each load, if there are orders enough
LATENCY_SOURCE=source

latency_source() {
    step 'the orders, to be sent again'
    use "$LATENCY_SOURCE" "bench_$LATENCY_SOURCE"
    make_database "$DATABASE"
    logged topics-source "$BIN" topics apply --execute
    logged import-source "$BIN" import baskets "$SAMPLE/baskets.csv"
}

# delay KIND SKIP COUNT RATE: its figures are in $FOLDER/delay.json.
delay() {
    run_child "$BUILD/bench/bench_latency" "$LATENCY_SOURCE" "$2" "$3" "$4" "$1" \
        >"$FOLDER/delay.json" 2>"$LOG/latency.log" || failed "no figures of $1" "$LOG/latency.log"
}

latency_roles() {
    local deadline=$((SECONDS + READY_IN)) from
    if [[ $1 == orderlog ]]; then
        spawn worker
        spawn projector
        await_ready worker
        await_ready projector
        return
    fi
    from=$(wc -l 2>/dev/null <"$LOG/chain.log") || from=0
    proc_spawn "$ROLES/chain.proc" "$LOG/chain.log" "$BUILD/bench/bench_chain" ||
        failed 'the chain could not be started'
    until tail -n "+$((from + 1))" "$LOG/chain.log" | grep -q '^ready'; do
        proc_of "$ROLES/chain.proc" '' >/dev/null || failed 'the chain ended' "$LOG/chain.log"
        ((SECONDS < deadline)) || failed 'the chain is not ready' "$LOG/chain.log"
        sleep 0.1
    done
}

# latency_arm KIND SHARE SKIP COUNT RATE
latency_arm() {
    step "$1 at $2 % ($5 orders/s), run $RUN"
    if [[ $1 == orderlog ]]; then
        use "lo$RUN" "bench_lo$RUN"
    else
        use "lc$RUN-$2" "bench_lc${RUN}_$2"
        make_database "$DATABASE"
        logged "topics-lc$RUN-$2" "$BIN" topics apply --execute
    fi
    latency_roles "$1"
    delay "$1" "$3" "$LATENCY_WARM" "$5"
    settle_database "$DATABASE"
    delay "$1" $(($3 + LATENCY_WARM)) "$4" "$5"
    stop_roles || failed 'a role does not stop'
    [[ $1 == orderlog ]] || drop_database "$DATABASE"
    jq -c --argjson run "$RUN" --argjson share "$2" '. + {run: $run, share: $share}' \
        "$FOLDER/delay.json" >>"$FOLDER/delays.jsonl"
}

# orderlog's installation, and how many orders a second go through when all are there at once.
latency_install() {
    local burst=$((ORDERS / 8))
    step "an installation, run $RUN"
    prepare_lists "lo$RUN" "bench_lo$RUN"
    settle_database "$DATABASE"
    step "the maximum, run $RUN"
    delay orderlog 0 "$burst" 1000000
    stop_roles || failed 'a role does not stop'
    SKIP=$burst
    LATENCY_MAX=$(jq --argjson orders "$burst" '$orders * 1000000 / .ended_row_us.max | floor' \
        "$FOLDER/delay.json")
}

one_run_of_latency() {
    local share rate seconds kind kinds=(orderlog chain)
    RUN=$1 LATENCY_WARM=$((ORDERS / 100))
    latency_install
    seconds=$(((ORDERS - SKIP - ${#LATENCY_SHARES[@]} * LATENCY_WARM) / LATENCY_MAX))
    ((seconds <= LATENCY_SECONDS)) || seconds=$LATENCY_SECONDS
    ((seconds > 0)) || failed "$ORDERS orders are too few at $LATENCY_MAX a second; --all has more"
    ((RUN % 2)) || kinds=(chain orderlog)
    for share in "${LATENCY_SHARES[@]}"; do
        rate=$((LATENCY_MAX * share / 100))
        for kind in "${kinds[@]}"; do
            latency_arm "$kind" "$share" "$SKIP" $((rate * seconds)) "$rate"
        done
        SKIP=$((SKIP + LATENCY_WARM + rate * seconds))
    done
    drop_database "bench_lo$RUN"
}

latency() {
    rm -f "$FOLDER/delays.jsonl"
    latency_source
    for ((run = 1; run <= RUNS; run++)); do
        one_run_of_latency "$run"
    done
    step 'done'
    "$HERE/delays.py" "$FOLDER"
}
