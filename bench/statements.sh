# shellcheck shell=bash
# bench/statements.sh - what each statement took in PostgreSQL, by pg_stat_statements. For bench/run.
#
# statements_open -> (the server starts) -> statements_begin -> statements DATABASE.

# A setting of the server's start.
statements_open() {
    export ORDERLOG_PG_SETTINGS='shared_preload_libraries=pg_stat_statements pg_stat_statements.max=1000'
}

# Counts from here, of all databases.
statements_begin() {
    PGOPTIONS='-c client_min_messages=warning' pg_sql "$SERVERS" postgres postgres \
        -c 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements' \
        -c "SELECT pg_stat_statements_reset()" >/dev/null || untold
}

# statements DATABASE: [{"statement": "COPY orderlog.orders", "calls": 4, "ms": 12.5, "rows": 5,
# "wal": bytes, "blocks": read or hit}, ...], the longest first. A statement is known by its first
# words and its table.
statements() {
    pg_sql "$SERVERS" postgres postgres -c "
        SELECT coalesce(jsonb_agg(t ORDER BY ms DESC), '[]') FROM (
            SELECT coalesce(
                       (regexp_match(query, '^(COPY|UPDATE|INSERT INTO) ([a-z_.]+)'))[1] || ' ' ||
                       (regexp_match(query, '^(COPY|UPDATE|INSERT INTO) ([a-z_.]+)'))[2],
                       (regexp_match(query, '^SELECT.* FROM ([a-z_.]+)'))[1],
                       split_part(query, ' ', 1)) AS statement,
                   sum(calls)::bigint AS calls, round(sum(total_exec_time + total_plan_time)::numeric, 1) AS ms,
                   sum(rows)::bigint AS rows, sum(wal_bytes)::bigint AS wal,
                   sum(shared_blks_hit + shared_blks_read)::bigint AS blocks
              FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
             WHERE d.datname = '$1' GROUP BY 1) t" || untold
}

untold() { failed 'PostgreSQL does not tell what its statements took'; }
