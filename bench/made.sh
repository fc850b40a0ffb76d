# shellcheck shell=bash
# bench/made.sh - orders made of the sample's (baskets.py) through the pipeline, and what must come of them.
#
# room_for -> prepare_lists -> publish_made -> the roles -> gate_made.  For skew.sh, scale.sh, recovery.sh.

# What an order takes on disk, at most: messages of all topics and rows, with their indexes: twice what
# it takes now. More turns the run red, so that the room that was asked for is true.
MADE_BYTES=9000
MADE_SERVERS_BYTES=$((5 << 30)) # PostgreSQL's log (max_wal_size and what a checkpoint leaves), Kafka's own
MADE_SETTLED_IN=600             # seconds for the rows to be as they must

# take_sizes: SMALL and LARGE from --sizes, and how many orders the sample has.
take_sizes() {
    local sizes most=2000000000
    if [[ $ONLY == scale ]]; then
        SIZES=${SIZES:-100000,3000000}
        most=155518
    fi
    SIZES=${SIZES:-100000,10000000}
    IFS=, read -r -a sizes <<<"$SIZES"
    ((${#sizes[@]} == 2)) || refuse_usage "--sizes takes two numbers, SMALL,LARGE"
    SMALL=$(number sizes "${sizes[0]}" 1 "$most")
    LARGE=$(number sizes "${sizes[1]}" "$SMALL" 999999999)
    ORDERS=$SMALL
    # Gasoline is sold by the hundred: for so many orders of it, too.
    STOCK=$((STOCK * 1000)) FUNDS=$((FUNDS * 1000))
    if [[ $ONLY == recovery ]]; then
        # So few that their products and customers leave room for orders in the small log.
        ORDERS=$((SMALL / 25 < 155518 ? SMALL / 25 : 155518))
        ((ORDERS >= RECOVERY_WARM)) ||
            refuse_usage "--sizes are $((25 * RECOVERY_WARM)) events at least with --recovery"
    else
        ((LARGE % SMALL == 0)) || refuse_usage "--sizes: $LARGE is no multiple of $SMALL"
    fi
}

# made_at_once: how many orders lie on disk at the same time, at most.
made_at_once() {
    case $ONLY in
        scale) printf '%s\n' $((WARM_UP + LARGE)) ;;
        # An order makes more events than that; products and customers are fewer.
        recovery) printf '%s\n' $((RECOVERY_WARM + (SMALL + LARGE) / 8 + 2 * RUNS * KILL_ORDERS)) ;;
    esac
}

gib() { awk -v bytes="$1" 'BEGIN { printf "%.1f GiB", bytes / 1073741824 }'; }

# room_for ORDERS: the disk has room for so many at the same time, or nothing is begun.
room_for() {
    local needed=$(($1 * MADE_BYTES + MADE_SERVERS_BYTES)) free
    free=$(df --output=avail -B1 "$FOLDER" | tail -n1)
    say "disk: up to $(gib "$needed") for $(thousands "$1") orders, $(gib "$free") free in $FOLDER"
    ((free >= needed)) || die "bench/run: too little room: smaller --sizes, or --keep DIR on another disk"
}

# publish_made PREFIX ORDERS RULE [OPTION...]: what baskets.py makes is commands in the topic.
publish_made() {
    local prefix=$1
    # shellcheck disable=SC2016  # expanded by the inner shell
    run_child bash -o pipefail -c '"${@:3}" | "$1" import baskets - >>"$2" 2>&1' publish_made \
        "$BIN" "$LOG/import-made-$prefix.log" "$HERE/baskets.py" "$SAMPLE" "$3" --orders "$2" \
        "${@:4}" --sums "$FOLDER/sums.$prefix" ||
        failed 'the orders can not be published' "$LOG/import-made-$prefix.log"
}

# asked_made PREFIX: what all that was published must have become, in the words of made().
asked_made() {
    awk '{ for (i = 1; i <= 6; i++) sums[i] += $i }
        END { for (i = 1; i <= 6; i++) printf "%.0f ", sums[i]; print 0 }' "$FOLDER/sums.$1"
}

# made PREFIX DATABASE: orders, confirmed ones, units and minor units taken for them, orders with the hot
# SKU, its units taken, open orders.
made() {
    local hot
    hot=$(awk 'END { print $7 }' "$FOLDER/sums.$1")
    sql "$2" "SELECT count(*), count(*) FILTER (WHERE saga_state = 'done'),
            (SELECT sum($STOCK - on_hand + reserved) FROM orderlog.stock),
            (SELECT sum($FUNDS - balance_minor) FROM orderlog.accounts),
            CASE WHEN '$hot' <> '-' THEN (SELECT count(*) FROM orderlog.order_baskets
                WHERE '$hot' = ANY(skus)) ELSE 0 END,
            coalesce((SELECT $STOCK - on_hand + reserved FROM orderlog.stock WHERE sku = '$hot'), 0),
            count(*) FILTER (WHERE saga_state NOT IN ('done', 'undone'))
        FROM orderlog.orders"
}

gate_made() { gate 'orders, confirmed, units, minor units, hot orders, hot units, open' \
    "$(made "$1" "$2")" "$(asked_made "$1")"; }

# The same, where rows still come.
await_made() {
    local deadline=$((SECONDS + MADE_SETTLED_IN))
    until [[ $(made "$1" "$2") == "$(asked_made "$1")" ]]; do
        ((SECONDS < deadline)) || break
        sleep 0.3
    done
    gate_made "$1" "$2"
}

# through NAME ORDERS RULE [OPTION...]: made orders end to end, in topics and a database of their own, which
# stay. Its samples: $SAMPLES/NAME.jsonl, what it takes on disk: DISK.
through() {
    local name=$1 before
    rm -f "$FOLDER/sums.$name"
    prepare_lists "$name" "bench_$name"
    stop_lists
    before=$(taken_bytes "$name")
    publish_made "$@"
    settle_database "$DATABASE"
    run_whole "$name" "$2"
    gate_made "$name" "$DATABASE"
    DISK=$(($(taken_bytes "$name") - before))
    ((DISK <= $2 * MADE_BYTES + (64 << 20))) || failed "$2 orders took $DISK bytes: more than was said"
}

# taken_bytes PREFIX: on disk, of its topics and the present database.
taken_bytes() {
    local topics rows
    topics=$(du -c -B1 "$SERVERS"/kafka/data/"$1".* | tail -n1 | cut -f1)
    rows=$(sql "$DATABASE" "SELECT pg_database_size('$DATABASE')")
    printf '%s\n' $((topics + rows))
}

# forget NAME: topics and database of through(). What Kafka deletes is gone a minute later: where it is much,
# that is awaited, so that the next arm has its room and pays nothing for it.
forget() {
    local tools deadline=$((SECONDS + 180))
    drop_database "bench_$1"
    read -r tools <"$FOLDER/tools"
    logged "delete-$1" java -cp "$tools" org.apache.kafka.tools.TopicCommand \
        --bootstrap-server "$ORDERLOG_KAFKA_BROKERS" --delete --topic "$1\..*"
    ((DISK >= 1 << 30)) || return 0
    while compgen -G "$SERVERS/kafka/data/$1.*" >/dev/null; do
        ((SECONDS < deadline)) || failed "the topics of $1 stay on disk"
        sleep 1
    done
}
