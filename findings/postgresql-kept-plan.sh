#!/usr/bin/env bash
# postgresql-kept-plan - a prepared statement keeps the plan that was good for an empty table.
#
# What: a statement joins the keys it is given with a table. After five executions on the empty table its
#   generic plan is kept; 200,000 rows later it still reads the whole table for ten keys. A fresh
#   statement looks the ten keys up, and so does one that is kept and has each key in a LATERAL.
# Where: PostgreSQL 15.18 (Debian 12), without an ANALYZE in between.
# Why: a worker that starts with an empty database is slow until autovacuum comes by: 10 to 28 CPU
#   seconds of a year's run.
# So: loads look each key up in a LATERAL with a LIMIT: projections/load_statements.c; the projector plans each batch.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin postgresql-kept-plan \
    'a prepared statement for ten keys looks ten keys up, whenever it was prepared'
debian postgresql-15 15.18-0+deb12u1
postgres_init "$TEMP/pg"
postgres_start "$TEMP/pg" -c autovacuum=off
cat >"$TEMP/show.sql" <<'SQL'
CREATE TABLE stock (sku text PRIMARY KEY, units bigint NOT NULL);
\set join 'AS SELECT s.sku, s.units FROM unnest($1) AS key JOIN stock s ON s.sku = key'
\set keys 'ARRAY[''1'',''2'',''3'',''4'',''5'',''6'',''7'',''8'',''9'',''10'']'
\set explain 'EXPLAIN (ANALYZE, COSTS off, TIMING off) EXECUTE'
PREPARE kept (text[]) :join;
PREPARE lateral_limit (text[]) AS
    SELECT s.* FROM unnest($1) AS key, LATERAL (SELECT * FROM stock WHERE sku = key LIMIT 1) s;
SELECT format('EXECUTE %s (%s)', name, :'keys') FROM pg_prepared_statements, generate_series(1, 6) \gexec
INSERT INTO stock SELECT i, i FROM generate_series(1, 200000) i;
PREPARE fresh (text[]) :join;
:explain kept (:keys);
:explain lateral_limit (:keys);
:explain fresh (:keys);
SQL
sql "$TEMP/pg" -f "$TEMP/show.sql" >"$TEMP/plans" 2>"$TEMP/psql.log"
# How each of the three reads the table: "Seq Scan 200000x1" is rows by rounds.
mapfile -t reads < <(
    sed -nE 's/^[ >-]*(.*Scan).* on stock.*rows=([0-9]+) loops=([0-9]+).*/\1 \2x\3/p' "$TEMP/plans"
)
told="kept: ${reads[0]}, kept with LATERAL and LIMIT: ${reads[1]}, fresh: ${reads[2]}"
[[ ${reads[0]} == *200000x1 && ${reads[1]} == *1x10 && ${reads[2]} == *1x10 ]] || changed "$told"
seen "$told"
