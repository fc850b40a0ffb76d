# shellcheck shell=bash
# bench/skew.sh - bench/run --skew: 80 % of the orders on one product, in turns with uniform ones.
#
# warm-up -> for each run: uniform | skewed (baskets.py), each end to end in topics and a database of its
# own -> table.  Sourced by bench/run.

one_run_of_skew() {
    local arm arms=(uniform skewed)
    RUN=$1
    ((RUN % 2)) || arms=(skewed uniform)
    for arm in "${arms[@]}"; do
        step "$arm, run $RUN"
        through "$arm$RUN" "$ORDERS" "$arm"
        note "$arm" samples "\"samples/$arm$RUN.jsonl\"" orders "$ORDERS"
        drop_database "$DATABASE"
    done
    gate 'orders, confirmed, units and minor units of the arms' \
        "$(cut -d' ' -f1-4 "$FOLDER/sums.skewed$RUN")" "$(cut -d' ' -f1-4 "$FOLDER/sums.uniform$RUN")"
}

skew() { in_runs one_run_of_skew; }
