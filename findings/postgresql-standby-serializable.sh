#!/usr/bin/env bash
# postgresql-standby-serializable - a database's default shuts its standby to every reader.
#
# What: ALTER DATABASE ... SET default_transaction_isolation = serializable is replicated with the rest.
#   On the hot standby each session of that database then fails at its first statement, SELECT 1 too:
#   0A000. A transaction that names its level reads.
# Where: PostgreSQL 15.18 (Debian 12).
# Why: an owner's careful setting on the primary takes the analysts' standby away.
# So: what reads several rows of one moment names its level, ol_pg_begin_snapshot() in lib/pg/ol_pg.h; for
#   the analysts the setting belongs to a role, not to the database.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin postgresql-standby-serializable \
    'a standby that can only read gives readers the strictest level it has, or says no when the default is set'
debian postgresql-15 15.18-0+deb12u1
postgres_init "$TEMP/primary"
postgres_start "$TEMP/primary"
mkdir -m 700 "$TEMP/standby"
((EUID != 0)) || chown postgres: "$TEMP/standby"
step "${as_postgres[@]}" "$POSTGRES_BIN/pg_basebackup" -h "$TEMP/primary" -U postgres -D "$TEMP/standby/data" \
    -R -X stream -c fast >"$TEMP/backup.log" 2>&1
postgres_start "$TEMP/standby"
on_standby() {
    local code=0
    sql "$TEMP/standby" -v VERBOSITY=sqlstate "$@" >"$TEMP/out.log" 2>&1 || code=$?
    if ((code == 0)); then
        printf 'reads\n'
    else
        sed -n 's/^ERROR: *//p' "$TEMP/out.log"
    fi
}
before=$(on_standby -c 'SELECT 1')
sql "$TEMP/primary" -c 'ALTER DATABASE postgres SET default_transaction_isolation = serializable'
sql "$TEMP/primary" -c 'SELECT pg_current_wal_insert_lsn()' >"$TEMP/lsn"
deadline=$((SECONDS + READY_SECONDS))
# In another database, which the setting does not touch.
until sql "$TEMP/standby" -d template1 -c "SELECT pg_last_wal_replay_lsn() >= '$(<"$TEMP/lsn")'" >"$TEMP/caught-up" &&
    [[ $(<"$TEMP/caught-up") == t ]]; do
    ((SECONDS < deadline)) || not_run 'the standby does not follow'
    sleep 0.1
done
after=$(on_standby -c 'SELECT 1')
named=$(on_standby -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT 1' -c COMMIT)
told="SELECT 1 on the standby: before $before, after $after; within BEGIN ISOLATION LEVEL REPEATABLE READ: $named"
[[ $before == reads && $after == 0A000 && $named == reads ]] || changed "$told"
seen "$told"
