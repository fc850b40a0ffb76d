#!/usr/bin/env bash
# duckdb-sum-parquet - a sum of whole cents is exact in DuckDB, and is not in the Parquet file it writes.
#
# What: sum(BIGINT) is a HUGEINT, which Parquet has no type for: COPY TO writes it as a DOUBLE, without a
#   word. From 2^53 on the odd cents are gone. A cast to DECIMAL(38, 0) keeps them.
# Where: duckdb 2.0.0, pyarrow 26.0.1 (Python).
# Why: an analyst's monthly file of exact rows would not add up to the ledger.
# So: cents are bigint row by row, and sums are cast before they are written: docs/traps.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin duckdb-sum-parquet 'what COPY writes is what SELECT shows: 9007199254740993'
venv duckdb==2.0.0 pyarrow==26.0.1

cat >"$TEMP/show.py" <<'PYTHON'
import sys
import duckdb
import pyarrow.parquet as parquet

db = duckdb.connect()
db.sql("CREATE TABLE sale AS SELECT unnest([9007199254740992, 1])::BIGINT AS cents")
print(db.sql("SELECT sum(cents) FROM sale").fetchall()[0][0])
for column in "sum(cents)", "sum(cents)::DECIMAL(38, 0)":
    db.sql(f"COPY (SELECT {column} AS total FROM sale) TO '{sys.argv[1]}' (FORMAT parquet)")
    total = parquet.read_table(sys.argv[1])["total"]
    print(total.type, f"{total[0].as_py():.0f}")
PYTHON
step "$PYTHON" "$TEMP/show.py" "$TEMP/sum.parquet" >"$TEMP/python" 2>"$TEMP/python.log"
mapfile -t lines <"$TEMP/python"
told="SELECT shows ${lines[0]}; in the file it is ${lines[1]}, with a cast ${lines[2]}"
[[ ${lines[0]} == 9007199254740993 && ${lines[1]} == 'double 9007199254740992' &&
    ${lines[2]} == 'decimal128(38, 0) 9007199254740993' ]] || changed "$told"
seen "$told"
