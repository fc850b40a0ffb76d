# shellcheck shell=bash
# bench/scale.sh - bench/run --scale: CPU an order and memory, at many orders beside few.
#
# the sample is as many orders as the small arm has; the large one has them again and again, under new ids
# (baskets.py) -> warm-up -> for each run: small | large, end to end; topics and database are deleted before
# the next arm -> table.  Sourced by bench/run.

one_run_of_scale() {
    local arm arms=(small large) orders
    RUN=$1
    ((RUN % 2)) || arms=(large small)
    for arm in "${arms[@]}"; do
        orders=$SMALL
        [[ $arm == small ]] || orders=$LARGE
        step "$arm: $(thousands "$orders") orders, run $RUN"
        through "$arm$RUN" "$orders" repeat
        note "$arm" samples "\"samples/$arm$RUN.jsonl\"" orders "$orders" disk "$DISK"
        forget "$arm$RUN"
    done
}

scale() { in_runs one_run_of_scale; }
