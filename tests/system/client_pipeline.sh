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

# client_sentence FILE: the beginning of what a client said when it sent nothing.
client_sentence() { sed -nE 's/^([a-z_]+: )?(the .* must be [0-9]+ to [0-9]+ bytes).*/\2; /p' "$1" | tr -d '\n'; }

# client_cases PLACE: runs every row of client_cases.tsv. PLACE ORDER CUSTOMER LINE... prints what the
# client said, as the rows have it.
client_cases() {
    local what order customer lines expected line
    while IFS=$'\t' read -r what order customer lines expected; do
        [[ $what != '#'* && -n $what ]] || continue
        line=()
        read -ra line <<<"$lines"
        printf -v order %b "$order"
        printf -v customer %b "$customer"
        same "$what" "$("$1" "$order" "$customer" "${line[@]}")" "$expected"
    done <"$ROOT/tests/system/client_cases.tsv"
}

# client_put_aside PLACE: the same client where a worker takes the command and answers nothing. Takes
# the worker's place for good; needs PYTHON with Kafka's client.
client_put_aside() {
    local ready='' pid rc=0
    pipeline_stop
    WORKER_PID=
    exec 8< <(exec "$PYTHON" "$ROOT/tests/system/lib/puts_aside.py" "$ORDERLOG_TOPIC_PREFIX")
    pid=$!
    read -r -t 60 ready <&8 || true
    same "a worker that puts commands aside has started" "$ready" ready
    same "a command that was put aside is said to be" "$("$1" o-aside c1 s1:1:1)" 'PUT_ASIDE; exit 1'
    wait "$pid" || rc=$?
    exec 8<&-
    same "and that worker has written its receipt" "$rc" 0
}
