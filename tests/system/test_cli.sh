#!/usr/bin/env bash
# test_cli.sh - the commands of operators and analysts, against real servers and a real pipeline.
#
# Takes ORDERLOG_KAFKA_BROKERS, ORDERLOG_PG_DSN (an empty database), ORDERLOG_BIN or ORDERLOG (the
# binary); ORDERLOG_TOPIC_PREFIX and ORDERLOG_TEST_DIR if given. Needs jq, psql and kcat.
# Prints `ok - name` or `not ok - name: why`. Waits are for conditions and bounded.
# shellcheck disable=SC2154,SC2317  # PID_x is set by role(); functions are called by name
set -uo pipefail
BIN=${ORDERLOG_BIN:-${ORDERLOG:-}}
DIR=${ORDERLOG_TEST_DIR:-$(mktemp -d)}
PATIENCE=${ORDERLOG_TEST_PATIENCE:-240} # seconds: only what hangs takes so long
export ORDERLOG_TOPIC_PREFIX=${ORDERLOG_TOPIC_PREFIX:-cli-$$} NO_COLOR=1
export ORDERLOG_MIGRATIONS=${ORDERLOG_MIGRATIONS:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/migrations}
if [[ -z $BIN || -z ${ORDERLOG_KAFKA_BROKERS:-} || -z ${ORDERLOG_PG_DSN:-} ]]; then
    echo 'skip - test_cli: needs ORDERLOG_BIN, ORDERLOG_KAFKA_BROKERS, ORDERLOG_PG_DSN'
    exit 77
fi
for tool in jq psql kcat; do
    command -v "$tool" >/dev/null || {
        echo "skip - test_cli: no $tool"
        exit 77
    }
done
mkdir -p "$DIR"
P=$ORDERLOG_TOPIC_PREFIX
FAILED=0
PIDS=()

# ---- results -----------------------------------------------------------------------------

ok() { printf 'ok - %s\n' "$1"; }
not_ok() {
    printf 'not ok - %s: %s\n' "$1" "$(tr '\n' ' ' <<<"${2:-}" | cut -c1-600)"
    FAILED=1
}
# same NAME GOT EXPECTED
same() { if [[ $2 == "$3" ]]; then ok "$1"; else not_ok "$1" "got '$2', expected '$3'"; fi; }
# has NAME TEXT PART: a part of the text
has() { if [[ $2 == *"$3"* ]]; then ok "$1"; else not_ok "$1" "'$3' is not in: $2"; fi; }

# call WORD...: OUT, ERR and RC of a command.
call() {
    "$BIN" "$@" >"$DIR/out" 2>"$DIR/err" </dev/null
    RC=$?
    OUT=$(<"$DIR/out") ERR=$(<"$DIR/err")
}
# exits NAME CODE WORD...: the command ends with this code, and says why in one sentence.
exits() {
    local name=$1 code=$2
    shift 2
    call "$@"
    if [[ $RC != "$code" ]]; then
        not_ok "$name" "exit $RC: $OUT $ERR"
    elif ((code != 0 && code != 2 && $(wc -l <"$DIR/err") != 1)); then
        not_ok "$name" "not one sentence: $ERR"
    else
        ok "$name"
    fi
}
# silent NAME TEXT WORD...: nothing on stdout, the text on stderr, exit 0
silent() {
    local name=$1 text=$2
    shift 2
    call "$@"
    if ((RC == 0)) && [[ -z $OUT && $ERR == *"$text"* ]]; then
        ok "$name"
    else
        not_ok "$name" "exit $RC: $OUT / $ERR"
    fi
}
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$ORDERLOG_PG_DSN" -c "$1"; }
# wait_for NAME COMMAND...: until the command succeeds
wait_for() {
    local name=$1 until=$((SECONDS + PATIENCE))
    shift
    until "$@" >"$DIR/waited" 2>&1; do
        if ((SECONDS > until)); then
            not_ok "$name" "waited in vain: $(tail -n 3 "$DIR/waited")"
            return 1
        fi
        sleep 0.3
    done
    ok "$name"
}

# ---- processes ---------------------------------------------------------------------------

role() {
    local name=$1
    shift
    "$BIN" "$@" >"$DIR/$name.log" 2>&1 </dev/null &
    PIDS+=("$!")
    printf -v "PID_${name//-/_}" '%s' "$!"
}
end_roles() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null; done
    PIDS=()
}
trap end_roles EXIT
trap 'exit 143' TERM INT HUP

# submit JSON...: one command a line
submit() { printf '%s\n' "$@" | "$BIN" submit - >"$DIR/submitted" 2>&1; }

# ---- words that are off ------------------------------------------------------------------

exits 'an unknown option is a usage error' 2 topics plan --no-such-option
exits 'an unknown verb is a usage error' 2 topics destroy
exits 'a missing id is a usage error' 2 command show
exits 'one id too many is a usage error' 2 order show a b
for words in 'command show' 'order show' 'saga show'; do
    # shellcheck disable=SC2086  # words
    exits "$words of what can't be an id is a usage error" 2 $words $'o\xff'
done
exits 'a time that is none is a usage error' 2 events export --since yesterday
exits 'a topic that is none is a usage error' 2 events tail --topic nowhere
exits 'a type that is none is a usage error' 2 events tail --type OrderConfirmed,orderPlaced
has 'which is named' "$ERR" "'orderPlaced'"
exits 'an argument that nobody takes is a usage error' 2 verify now
exits 'partitions out of bounds are a usage error' 2 topics plan --partitions 65

printf '[kafka]\nlinger.ms = 5\nno.such = 1\n' >"$DIR/settings.ini"
exits 'a Kafka setting that is none is a usage error' 2 lag --config "$DIR/settings.ini"
has 'with its place in the INI file' "$ERR" "settings.ini:3: -X: Kafka setting no.such"

# ---- servers that are away ---------------------------------------------------------------

for words in 'topics plan' 'lag' 'verify' 'dlq list' 'dlq show' 'events tail' 'events export' 'order show x'; do
    # shellcheck disable=SC2086  # words
    ORDERLOG_KAFKA_BROKERS=127.0.0.1:1 exits "$words without Kafka" 5 $words
done
for words in 'migrate up' 'migrate status' 'lag' 'verify' 'command show x' 'order show x' 'saga list' 'saga show x'; do
    # shellcheck disable=SC2086
    ORDERLOG_PG_DSN='host=127.0.0.1 port=1' exits "$words without PostgreSQL" 5 $words
done

# ---- schema and topics -------------------------------------------------------------------

exits 'no schema yet: not found' 3 saga list
has 'and the way out is named' "$ERR" 'migrate up'
exits 'topics are not made without a schema' 3 topics apply --execute
has 'which is named too' "$ERR" 'migrate up'
exits 'the schema is made' 0 migrate up
has 'what was applied is told' "$OUT" now
silent 'a second time there is nothing to do' 'up to date' migrate up
call migrate status --json
same 'all of it is applied' "$(jq -s 'map(.state) | unique | join(",")' <<<"$OUT")" '"applied"'
cp -r "$ORDERLOG_MIGRATIONS" "$DIR/edited"
for file in "$DIR"/edited/*_roles.sql; do sed -i '/^-- migrate:up/a -- edited' "$file"; done
call migrate status --json --migrations "$DIR/edited"
same 'a file that was edited since is told' "$(jq -r 'select(.state == "changed").file' <<<"$OUT" | wc -l)" 1
has 'and not called up to date' "$ERR" '1 applied before, and changed since'
sql "INSERT INTO orderlog.schema_migrations VALUES ('99990101000000')"
call worker --slot 0 --log-level warn
same 'a role on a newer schema goes on to what else it lacks' "$RC" 3
has 'and warns of what is there' "$ERR" '99990101000000'
call migrate status
has 'so does the status' "$ERR" 'a newer orderlog may have migrated this database'
sql "DELETE FROM orderlog.schema_migrations WHERE version IN ('99990101000000', '20261122000002')"
exits 'on a schema that is not complete too' 3 projector --slot 0 --log-level error
has 'with what is missing, and the way out' "$ERR" "20261122000002 is missing; run 'orderlog migrate up'"
sql "INSERT INTO orderlog.schema_migrations VALUES ('20261122000002')"
exits 'no topics yet: not found' 3 lag
has 'and that way out is named' "$ERR" 'topics apply'

call topics plan --json
same 'the plan has 12 topics to make' "$(jq -s '[length, (map(select(.state == "missing")) | length)] | join(" ")' <<<"$OUT")" '"12 12"'
exits 'applying without --execute' 0 topics apply
call topics plan --json
same 'makes nothing' "$(jq -s 'map(select(.state == "missing")) | length' <<<"$OUT")" 12
exits 'a factor of replicas that nobody can give' 2 topics apply --execute --replication-factor 9
exits 'the topics are made' 0 topics apply --execute
exits 'a second time too' 0 topics apply --execute --json
same 'and are all there then' "$(jq -s 'map(select(.state == "there")) | length' <<<"$OUT")" 12
exits 'another number of partitions is refused' 4 topics apply --execute --partitions 7
exits 'in the plan as well' 4 topics plan --partitions 7
has 'with the numbers' "$ERR" 'partitions is 4, wanted 7'
exits 'another retention is refused' 4 topics apply --execute --steps-retention-ms 60000
ORDERLOG_TOPIC_PREFIX=$P-other exits 'another prefix on this database is refused' 4 topics apply --execute
same 'the installation is recorded once' "$(sql "SELECT partitions, topic_prefix FROM orderlog.installation")" "4|$P"
same 'times are the broker'\''s' "$(kcat -b "$ORDERLOG_KAFKA_BROKERS" -L -J 2>/dev/null | jq --arg p "$P." '[.topics[].topic | select(startswith($p))] | length')" 12

# ---- what needs no pipeline --------------------------------------------------------------

call limits --json
same 'the limits: a message' "$(jq -r 'select(.limit == "message").value' <<<"$OUT")" 262144
same 'the limits: lines' "$(jq -r 'select(.limit == "order_lines").value' <<<"$OUT")" 256
same 'the limits: ids' "$(jq -r 'select(.limit == "id_max").value' <<<"$OUT")" 128
same 'the limits: what nobody sees in ids' "$(jq -r 'select(.limit == "id_unseen").value' <<<"$OUT")" 0
call currencies
has 'the currencies' "$OUT" 'JPY        0  money'
call currencies KWD --json
same 'one of them' "$(jq -c '[.code, .digits, .kind, .until]' <<<"$OUT")" '["KWD",3,"money",null]'
exits 'a currency that is none' 3 currencies ABC
call limits --json
same 'the limits: partitions' "$(jq -r 'select(.limit == "partitions").value' <<<"$OUT")" 64
call config show
has 'a secret is masked' "$OUT" '********'
silent 'no sagas' 'no open sagas' saga list
silent 'no stuck ones' 'no stuck sagas' saga list --stuck --json
silent 'no dead letters' 'no dead letters' dlq list
silent 'nor one by one' 'no dead letters' dlq show --json
silent 'no events' 'no events' events tail
silent 'none to export' 'no events' events export
exits 'a command that nobody saw' 3 command show nobody
exits 'an id that begins with a dash' 2 command show -1
has 'it says where such a word stands' "$ERR" 'stands behind --: orderlog command show -- -1'
exits 'and there it is an id' 3 command show -- -1
exits 'an order that nobody placed' 3 order show nobody
exits 'its saga' 3 saga show nobody
call lag --json
same 'an empty installation is drained' "$(jq -s '[length, (map(.lag_records | tonumber) | add)] | join(" ")' <<<"$OUT")" '"36 0"'
exits 'an empty installation is as it should be' 0 verify

# ---- a pipeline --------------------------------------------------------------------------

role projector-0 projector --slot 0
role worker-0 worker --slot 0 --context orders,inventory
role worker-1 worker --slot 1 --context payments

with_id() { printf '{"metadata":{"commandId":"%s"},%s}' "$1" "$2"; }
order_lines() { printf '"placeOrder":{"orderId":"%s","customerId":"%s","currency":"USD","lines":[%s]}' "$1" "$2" "$3"; }
submit \
    "$(with_id p1 '"addProduct":{"sku":"A","details":{"name":"Apple","category":"Fruit","brand":"","priceMinor":"10","currency":"USD"}}')" \
    "$(with_id s1 '"increaseStock":{"sku":"A","quantity":"100"}')" \
    "$(with_id a1 '"openAccount":{"customerId":"c1","currency":"USD"}')" \
    "$(with_id d1 '"depositFunds":{"customerId":"c1","amountMinor":"1000","currency":"USD"}')"
wait_for 'it settles' "$BIN" verify --wait-settled 5
submit \
    "$(with_id o1 "$(order_lines o1 c1 '{"sku":"A","quantity":"3","amountMinor":"30"}')")" \
    "$(with_id twice "$(order_lines o2 c1 '{"sku":"A","quantity":"1","amountMinor":"1"},{"sku":"A","quantity":"1","amountMinor":"1"}')")" \
    "$(with_id empty "$(order_lines o3 c1 '')")" \
    "$(with_id none "$(order_lines o4 c1 '{"sku":"A","quantity":"0","amountMinor":"1"}')")" \
    "$(with_id below "$(order_lines o5 c1 '{"sku":"A","quantity":"1","amountMinor":"-1"}')")" \
    "$(with_id money '"placeOrder":{"orderId":"o6","customerId":"c1","currency":"usd","lines":[{"sku":"A","quantity":"1"}]}')" \
    "$(with_id unknown '"cancelOrder":{"orderId":"o7"}')" \
    "$(with_id listed '"addProduct":{"sku":"A","details":{"name":"Again","priceMinor":"1","currency":"USD"}}')" \
    "$(with_id stocked '"deleteProduct":{"sku":"A"}')" \
    "$(with_id much '"withdrawFunds":{"customerId":"c1","amountMinor":"5000","currency":"USD"}')" \
    "$(with_id nothing '"depositFunds":{"customerId":"c1","amountMinor":"0","currency":"USD"}')" \
    "$(with_id wallet '"openAccount":{"customerId":"c1","currency":"USD"}')" \
    "$(with_id refund '"refundPayment":{"customerId":"c1","paymentId":"no","amountMinor":"1"}')"
# The last place of int64 is reached once; the sum after it is not.
submit "$(with_id full "$(order_lines o8 c1 '{"sku":"A","quantity":"1","amountMinor":"9223372036854775807"},{"sku":"B","quantity":"1","amountMinor":"1"}')")"
# The same again, and the same id with another body.
submit "$(with_id d1 '"depositFunds":{"customerId":"c1","amountMinor":"1000","currency":"USD"}')"
submit "$(with_id d1 '"depositFunds":{"customerId":"c1","amountMinor":"1","currency":"USD"}')"
# What sells more than there is, and what nobody lists.
submit "$(with_id o9 "$(order_lines o9 c1 '{"sku":"A","quantity":"1000","amountMinor":"1"}')")" \
    "$(with_id o10 "$(order_lines o10 c1 '{"sku":"Z","quantity":"1","amountMinor":"1"}')")" \
    "$(with_id o11 "$(order_lines o11 c1 '{"sku":"A","quantity":"1","amountMinor":"999999"}')")" \
    "$(with_id o12 "$(order_lines o12 c2 '{"sku":"A","quantity":"1","amountMinor":"1"}')")"
wait_for 'it settles again' "$BIN" verify --wait-settled 5

while read -r id code; do
    call command show "$id" --json
    same "command $id was refused with $code" "$(jq -r '.outcome + " " + .code' <<<"$OUT")" "REJECTED $code"
    has "with a sentence ($id)" "$(jq -r .message <<<"$OUT")" ' '
done <<'CODES'
twice SKU_TWICE
empty ORDER_EMPTY_BASKET
none QUANTITY_NOT_POSITIVE
below AMOUNT_NEGATIVE
money CURRENCY_INVALID
unknown ORDER_UNKNOWN
listed PRODUCT_EXISTS
stocked PRODUCT_HAS_STOCK
much FUNDS_SHORT
nothing AMOUNT_NOT_POSITIVE
wallet ACCOUNT_EXISTS
refund PAYMENT_UNKNOWN
full AMOUNT_OVERFLOW
CODES
while read -r id status reason; do
    call command show "$id" --json
    same "order $id: $status $reason" "$(jq -r '.order_status + " " + (.order_reason // "-")' <<<"$OUT")" "$status $reason"
done <<'ORDERS'
o1 CONFIRMED -
o9 REJECTED STOCK_SHORT
o10 REJECTED PRODUCT_UNKNOWN
o11 REJECTED FUNDS_SHORT
o12 REJECTED ACCOUNT_UNKNOWN
ORDERS
call command show d1 --json
same 'a repeat and a conflict are counted' "$(jq -r '[.outcome, .duplicates, .conflicts, .conflict_code] | join(" ")' <<<"$OUT")" 'ACCEPTED 1 1 COMMAND_ID_REUSED'
call command show d1
has 'the conflict is named in the text' "$OUT" COMMAND_ID_REUSED
exits 'a refused order is no order' 3 order show o2
has 'and it is said why' "$ERR" SKU_TWICE

# What others wrote does not reach the terminal as it is.
submit "$(with_id odd "$(order_lines odd 'c\u001b[31m\nd' '{"sku":"A","quantity":"1","amountMinor":"1"}')")"
wait_for 'an odd one is refused' "$BIN" command show odd
exits 'no order either' 3 order show odd
same 'and its sentence is one line without escapes' "$(tr -dc '\033\n' <"$DIR/err" | wc -c)" 1

# ---- one order ---------------------------------------------------------------------------

call order show o1 --json
same 'an order: its state' "$(jq -r '.order | [.status, .saga_state, .total_minor] | join(" ")' <<<"$OUT")" 'CONFIRMED done 30'
same 'its lines' "$(jq -c '.lines | map([.sku, .quantity, .name])' <<<"$OUT")" '[["A","3","Apple"]]'
same 'its stock' "$(jq -r '.reservations | map(.status + .units) | join(" ")' <<<"$OUT")" HELD3
same 'its total, as people read it' "$(jq -r '.order.total + " " + .lines[0].amount + " " + .payment.amount' <<<"$OUT")" '0.30 0.30 0.30'
has 'and in its history' "$(jq -r '.history[0].detail' <<<"$OUT")" '1 lines, 0.30 USD, customer c1'
same 'its payment' "$(jq -r '.payment | .status + " " + .amount_minor' <<<"$OUT")" 'CHARGED 30'
same 'its history, across contexts, in order' "$(jq -r '.history | map(.event) | join(" ")' <<<"$OUT")" \
    'OrderPlaced StockReserved OrderStockReserved PaymentCharged OrderConfirmed'
call order show o1
has 'the same as text' "$OUT" PaymentCharged
exits 'an order without its topics: not found' 3 order show o1 --topic-prefix "$P-nowhere"
has 'which are named' "$ERR" "there is no topic $P-nowhere.orders.commands.v1"
call order show o12 --json
same 'a reason without a SKU ends where it ends' "$(jq -r '.history | map(select(.event == "OrderRejected"))[0].detail' <<<"$OUT")" \
    'REJECTED, undoing; ACCOUNT_UNKNOWN'
call saga show o9 --json
same 'a saga that is over' "$(jq -r '[.saga_state, .last_error, .waits_for // "-"] | join(" ")' <<<"$OUT")" 'undone STOCK_SHORT -'

# ---- events ------------------------------------------------------------------------------

call events export --key o1 --topic orders
same 'one order'\''s events' "$(jq -sr 'map(.type) | join(" ")' <<<"$OUT")" 'OrderPlaced OrderStockReserved OrderConfirmed'
same 'in kcat'\''s envelope' "$(jq -sc '.[0] | [(.topic | endswith("orders.events.v1")), (.partition | type), (.offset | type), .tstype, (.ts | type), (.headers | type), .key, (.payload | type), .decoded.orderPlaced.orderId]' <<<"$OUT")" \
    '[true,"number","number","logappend","number","array","o1","string","o1"]'
call events export --type OrderConfirmed,OrderRejected
same 'by type' "$(jq -sr 'map(.type) | unique | join(" ")' <<<"$OUT")" 'OrderConfirmed OrderRejected'
silent 'none in the past' 'no events' events export --until 2001-01-01T00:00:00Z
silent 'none in the future' 'no events' events export --since 2999-01-01T00:00:00Z
call events export
total=$(wc -l <"$DIR/out")
call events export --since 2001-01-01T00:00:00Z --until 2999-01-01T00:00:00Z
same 'all of them between' "$(wc -l <"$DIR/out")" "$total"
call events tail --limit 3 --json
same 'the latest three' "$(wc -l <"$DIR/out")" 3
call events export --topic "$P.orders.commands.v1" --key o1
same 'commands too' "$(jq -r '.type + " " + .decoded.placeOrder.orderId' <<<"$OUT")" 'PlaceOrder o1'
call events export --topic "$P.orders.steps.v1" --key o1
same 'and steps, with the cause that their bytes leave away' \
    "$(jq -sr 'map(select(.type == "PaymentChargedReply"))[0].decoded.metadata | .commandId + " " + .causationId' <<<"$OUT")" \
    'o1/2/1/r o1/2/1'
timeout 5 "$BIN" events export --follow --type OrderConfirmed >"$DIR/followed" 2>/dev/null &
follower=$!

# ---- what can't be read, and what is on the wrong partition --------------------------------

printf 'no protobuf' | kcat -P -b "$ORDERLOG_KAFKA_BROKERS" -t "$P.orders.commands.v1" -p 0 -k "some key" -H "mine=1" 2>>"$DIR/kcat.log"
submit "$(with_id o20 "$(order_lines o20 c1 '{"sku":"A","quantity":"1","amountMinor":"10"}')")"
call events export --topic "$P.orders.commands.v1" --key o20
place=$(jq -r .partition <<<"$OUT")
jq -r .payload <<<"$OUT" | base64 -d >"$DIR/o20"
kcat -P -b "$ORDERLOG_KAFKA_BROKERS" -t "$P.orders.commands.v1" -p $(((place + 1) % 4)) -k o20 "$DIR/o20" 2>>"$DIR/kcat.log"
wait_for 'it settles once more' "$BIN" verify --wait-settled 5
call dlq list --json
same 'the dead letter has a cause' "$(jq -sr 'map(.cause + " " + .letters) | join(" ")' <<<"$OUT")" 'UNREADABLE 1'
call dlq show --json
same 'and its bytes' "$(jq -r '.payload' <<<"$OUT" | base64 -d)" 'no protobuf'
same 'its key' "$(jq -r .key <<<"$OUT")" 'some key'
same 'its own header' "$(jq -r '.headers as $h | $h[($h | index("mine")) + 1]' <<<"$OUT")" 1
call dlq show --topic orders
has 'shown as text' "$OUT" UNREADABLE
silent 'not where it is not' 'no dead letters' dlq show --topic payments
exits 'a dead letter topic that is none is a usage error' 2 dlq list --topic orders,nowhere
has 'and it is named' "$ERR" "'nowhere'"
call command show o20 --json
same 'the one on the wrong partition was passed on and counted' "$(jq -r '.outcome + " " + .duplicates' <<<"$OUT")" 'ACCEPTED 1'
call verify --json
same 'every check was made, and nothing differs' \
    "$(jq -sr 'map(select(.result)) | map(.result) | unique | join(" ")' <<<"$OUT")" ok
same 'of both sets' "$(jq -sr 'map(.set) | unique | join(" ")' <<<"$OUT")" 'always settled'
wait "$follower"
has 'a follower saw the new one' "$(<"$DIR/followed")" '"key":"o20"'

# ---- lag ---------------------------------------------------------------------------------

call lag --json
same 'drained is 0, whatever markers lie at the end' "$(jq -s 'map(.lag_records | tonumber) | add' <<<"$OUT")" 0
same 'there are markers at the end' "$(jq -s 'any(.[]; (.end | tonumber) > (.position // "0" | tonumber))' <<<"$OUT")" true
same 'every partition has an owner' "$(jq -s 'map(select(.owner == null)) | length' <<<"$OUT")" 0
# In the foreground: else it sends the signal twice, and the second means "at once".
timeout --foreground --preserve-status -s INT 3 "$BIN" lag --watch --json >"$DIR/watched" 2>&1
same 'watching ends politely' $? 0
"$BIN" lag --watch 2>"$DIR/unread" | head -n 1 >"$DIR/out"
same 'a reader who has seen enough gets no complaint' "$(grep -v '^drained$' "$DIR/unread")" ''
same 'and shows it again and again' "$(($(wc -l <"$DIR/watched") >= 72))" 1

# ---- rows that are not the log's -----------------------------------------------------------

tamper() {
    sql "$2" >/dev/null || not_ok "$1" 'the row could not be changed'
    call verify --json
    if ((RC == 6)) && jq -se --arg c "$3" 'any(.[]; .check == $c and .what != null)' "$DIR/out" >/dev/null; then
        ok "$1"
    else
        not_ok "$1" "exit $RC: $(jq -c 'select(.what)' "$DIR/out")"
    fi
    sql "$4" >/dev/null || not_ok "$1" 'the row could not be put back'
}
tamper 'a changed total is found' "UPDATE orderlog.orders SET total_minor = 31 WHERE order_id = 'o1'" rows_orders \
    "UPDATE orderlog.orders SET total_minor = 30 WHERE order_id = 'o1'"
tamper 'so is a wallet in another currency than its orders' "UPDATE orderlog.accounts SET currency = 'JPY' WHERE customer_id = 'c1'" rows_accounts \
    "UPDATE orderlog.accounts SET currency = 'USD' WHERE customer_id = 'c1'"
has 'its ledger is of that currency' "$(jq -r 'select(.check == "views" and .what).what' "$DIR/out")" 'the log says 0 and 0'
tamper 'so is an order in another currency than its payment' "UPDATE orderlog.orders SET currency = 'JPY' WHERE order_id = 'o1'" captured \
    "UPDATE orderlog.orders SET currency = 'USD' WHERE order_id = 'o1'"
has 'it is named' "$(jq -r 'select(.check == "captured" and .what).what' "$DIR/out")" 'confirmed for 30 JPY, paid 30 USD'
tamper 'so is a changed line' "UPDATE orderlog.order_baskets SET quantities = '{4}' WHERE order_id = 'o1'" rows_order_baskets \
    "UPDATE orderlog.order_baskets SET quantities = '{3}' WHERE order_id = 'o1'"
tamper 'so is stock' "UPDATE orderlog.stock SET on_hand = on_hand + 1 WHERE sku = 'A'" rows_stock \
    "UPDATE orderlog.stock SET on_hand = on_hand - 1 WHERE sku = 'A'"
tamper 'so is money' "UPDATE orderlog.accounts SET balance_minor = balance_minor + 1 WHERE customer_id = 'c1'" rows_accounts \
    "UPDATE orderlog.accounts SET balance_minor = balance_minor - 1 WHERE customer_id = 'c1'"
tamper 'so is an outcome' "UPDATE orderlog.order_commands SET code = 'SKU_OTHER' WHERE command_id = 'twice'" rows_order_commands \
    "UPDATE orderlog.order_commands SET code = 'SKU_TWICE' WHERE command_id = 'twice'"
tamper 'so is progress' "UPDATE orderlog.projection_progress SET refused = refused + 1 WHERE topic LIKE '%orders%' AND partition = 0" progress \
    "UPDATE orderlog.projection_progress SET refused = refused - 1 WHERE topic LIKE '%orders%' AND partition = 0"
tamper 'so is a row too many' "INSERT INTO orderlog.stock VALUES ('ghost', 0, 0, 0, 1, 0)" rows_stock \
    "DELETE FROM orderlog.stock WHERE sku = 'ghost'"
tamper 'so is a column that is not compared' "ALTER TABLE orderlog.orders ADD COLUMN note text" columns \
    "ALTER TABLE orderlog.orders DROP COLUMN note"
has 'it is named' "$(jq -r 'select(.check == "columns" and .what).what' "$DIR/out")" 'orders.note is a column'
tamper 'and a whole table' "CREATE TABLE orderlog.notes (note text)" columns "DROP TABLE orderlog.notes"
exits 'put back, all is well' 0 verify

# ---- what waits --------------------------------------------------------------------------

kill "$PID_worker_1"
wait "$PID_worker_1"
same 'a worker ends politely' $? 0
submit "$(with_id o30 "$(order_lines o30 c1 '{"sku":"A","quantity":"2","amountMinor":"20"}')")"
waits() { "$BIN" saga list --json | jq -se 'any(.waits_for == "payment charged")'; } # jq 1.6 -e is content with no input at all
wait_for 'an order waits for its payment' waits
call saga list --json
same 'the list says where it stands' "$(jq -r '[.order_id, .saga_state, .status, .step] | join(" ")' <<<"$OUT")" 'o30 running RESERVED payment'
call saga show o30 --json
same 'and so does its saga' "$(jq -r '.waits_for' <<<"$OUT")" 'payment charged'
has 'with its next attempt' "$(jq -r '.next_attempt' <<<"$OUT")" 'T'
exits 'it does not settle' 1 verify --wait-settled 1
has 'and what is open is said' "$ERR" '1 sagas running'
call verify
same 'what always holds holds' "$RC" 0
has 'only that was checked' "$OUT" 'not checked'
behind() { "$BIN" lag --json | jq -se 'map(select(.lag_records != "0") | .topic) == ["'"$P"'.payments.steps.v1"]'; }
wait_for 'the lag is where the worker is missing' behind
call lag --json
same 'and how many steps its record holds' \
    "$(jq -rs 'map(select(.lag_records != "0") | .lag_steps) | join(" ")' <<<"$OUT")" 1
same 'only steps come in bundles' \
    "$(jq -rs 'map(select(.lag_steps != null) | .topic | split(".")[-2]) | unique | join(" ")' <<<"$OUT")" steps
role worker-2 worker --slot 2 --context payments
wait_for 'with a worker it settles' "$BIN" verify --wait-settled 5
silent 'no saga waits any more' 'no open sagas' saga list

end_roles
exit "$FAILED"
