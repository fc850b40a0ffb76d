# shellcheck shell=bash
# client_pipeline.sh - sourced: an empty pipeline with one worker, for the client tests.
#
# Takes the environment that ./test gives to scripts. pipeline_start makes tables and topics and
# starts a worker, which ends with the script; pipeline_stock gives it a product and a wallet.

ok() { printf 'ok - %s\n' "$1"; }
not_ok() {
    printf 'not ok - %s\n' "$1"
    RC=1
}
# shellcheck disable=SC2034  # the script's exit code
RC=0

pipeline_stop() {
    [[ -z ${WORKER_PID:-} ]] || { kill -TERM "$WORKER_PID" && wait "$WORKER_PID"; } || true
}

pipeline_start() {
    : "${ORDERLOG:?}" "${ORDERLOG_KAFKA_BROKERS:?}" "${ORDERLOG_PG_DSN:?}" "${ORDERLOG_TEST_DIR:?}"
    export ORDERLOG_TOPIC_PREFIX=${ORDERLOG_TOPIC_PREFIX:-orderlog}
    mkdir -p "$ORDERLOG_TEST_DIR"
    "$ORDERLOG" migrate up >&2
    "$ORDERLOG" topics apply --execute >&2
    "$ORDERLOG" worker --slot 0 2>"$ORDERLOG_TEST_DIR/worker.log" &
    WORKER_PID=$!
    trap pipeline_stop EXIT
}

# 5 units of the product s1 at 100 each, and 250 in the wallet of c1; BRL.
pipeline_stock() {
    "$ORDERLOG" submit --wait - >&2 <<'JSON'
{"metadata":{"commandId":"product/s1"},"addProduct":{"sku":"s1","details":{"name":"A","currency":"BRL","priceMinor":"100"}}}
{"metadata":{"commandId":"stock/s1"},"increaseStock":{"sku":"s1","quantity":"5"}}
{"metadata":{"commandId":"account/c1"},"openAccount":{"customerId":"c1","currency":"BRL"}}
{"metadata":{"commandId":"funds/c1"},"depositFunds":{"customerId":"c1","currency":"BRL","amountMinor":"250"}}
JSON
}

# same WHAT GOT EXPECTED
same() {
    if [[ $2 == "$3" ]]; then
        ok "$1"
    else
        not_ok "$1"
        printf '  got      %q\n  expected %q\n' "$2" "$3" >&2
    fi
}

# client_sentence FILE: what a client said beside the outcomes: of an id, the rule's beginning.
client_sentence() {
    sed -nE 's/^([a-z_]+: )?(the .* must be [0-9]+ to [0-9]+ bytes).*/\2; /p
        s/^.*(it is acknowledged, and no worker may .*|no worker has read it .*)/\1; /p' "$1" | tr -d '\n'
}

# client_cases PLACE: runs every row of client_cases.tsv. PLACE ORDER CUSTOMER LINE... prints what the
# client said, as the rows have it; it waits CLIENT_WAIT_MS for it. Needs PYTHON with Kafka's client.
client_cases() {
    local what where order customer lines expected line got key
    local -A place
    while IFS=$'\t' read -r what where order customer lines expected; do
        [[ $what != '#'* && -n $what ]] || continue
        line=()
        read -ra line <<<"$lines"
        printf -v order %b "$order"
        printf -v customer %b "$customer"
        place=([brokers]=$ORDERLOG_KAFKA_BROKERS)
        export CLIENT_WAIT_MS=30000
        client_"$where" "$order" <&3
        got=$("$1" "$order" "$customer" "${line[@]}" <&3)
        for key in "${!place[@]}"; do expected=${expected//"{$key}"/${place[$key]}}; done
        same "$what" "$got" "$expected"
        client_leaves "$where"
    done 3</dev/null <"$ROOT/tests/system/client_cases.tsv"
}

client_worker() { :; }
client_nobody() {
    pipeline_stop
    WORKER_PID='' CLIENT_WAIT_MS=3000
}
# The helpers of tests/system/lib end with their input.
client_helper() {
    coproc HELPER { exec "$PYTHON" "$ROOT/tests/system/lib/$1" "$ORDERLOG_TOPIC_PREFIX" "${@:2}"; }
    AT_HELPER=$HELPER_PID FROM_HELPER=${HELPER[0]} TO_HELPER=${HELPER[1]} # bash forgets them when it ends
}
client_behind() {
    client_helper holds_open.py "$1"
    read -r -t 60 -u "$FROM_HELPER" 'place[topic]' 'place[partition]' 'place[offset]' || true
    CLIENT_WAIT_MS=5000
}
# Takes the worker's place for good.
client_aside() {
    local ready=''
    client_nobody
    client_helper puts_aside.py
    read -r -t 60 -u "$FROM_HELPER" ready || true
    same "a worker that puts commands aside has started" "$ready" ready
    CLIENT_WAIT_MS=30000
}
client_leaves() { # WHERE
    local rc=0
    [[ $1 == behind || $1 == aside ]] || return 0
    eval "exec $TO_HELPER>&-"
    wait "$AT_HELPER" || rc=$?
    same "and who made it so has ended well" "$rc" 0
}
