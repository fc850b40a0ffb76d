# shellcheck shell=bash
# deploy/local/common.sh - what the local scripts share: places, messages, locks, processes, ports.
#
# Sourced, never run.  Nothing here starts or stops anything by name: a process is known by
# the pid, the start time and the argument vector that it was started with.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Shared by ./run, ./test and CI: what is downloaded once.  Outlives every build.
CACHE=${ORDERLOG_CACHE:-$ROOT/.orderlog/cache}
export ROOT CACHE

# Messages go to stderr; stdout is for data.
if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
    C_BOLD=$'\e[1m' C_DIM=$'\e[2m' C_RED=$'\e[31m' C_GREEN=$'\e[32m' C_OFF=$'\e[0m'
else
    C_BOLD='' C_DIM='' C_RED='' C_GREEN='' C_OFF=''
fi
export C_BOLD C_DIM C_RED C_GREEN C_OFF

say() { printf '%s\n' "$*" >&2; }
complain() { printf '%s%s%s\n' "$C_RED" "$*" "$C_OFF" >&2; }
die() {
    complain "$@"
    exit 1
}

# 1234567 -> 1,234,567
thousands() {
    local number=$1 text=''
    while ((${#number} > 3)); do
        text=,${number: -3}$text
        number=${number:0:-3}
    done
    printf '%s' "$number$text"
}

# Milliseconds of a clock that no one sets back.
now_ms() {
    local up rest
    read -r up rest </proc/uptime
    printf '%s\n' "$((10#${up%.*} * 1000 + 10#${up#*.} * 10))"
}

# with_lock FILE COMMAND...: one at a time on this machine.  Descriptors 8 (the caller's own) and
# 9 carry locks: what outlives the command is started without them.
with_lock() {
    local file=$1
    shift
    mkdir -p "$(dirname "$file")"
    (
        exec 9>>"$file"
        if ! flock -w 3 9; then
            say "waiting for another process that holds $file"
            flock 9
        fi
        "$@"
    )
}

# ---- processes ---------------------------------------------------------------------------

# Start time of a process in clock ticks since boot; fails when there is none or only a zombie is left.
proc_start() {
    local stat='' fields
    # Not $(<file): where the file is gone, that ends a shell with set -e whatever stands behind.
    { IFS= read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null || [[ -n $stat ]] || return 1
    read -r -a fields <<<"${stat##*) }"
    # Where only its first thread has ended, the others still hold what it had open.
    [[ ${fields[0]} != [ZX] ]] || ((fields[17] > 1)) || return 1
    printf '%s\n' "${fields[19]}"
}

# proc_has_arg PID ARG: ARG is one of the process's arguments, whole.
proc_has_arg() {
    local arg some='' tries
    # One that is about to become another program has none for a moment.
    for ((tries = 0; tries < 100; tries++)); do
        [[ -r /proc/$1/cmdline ]] || return 1
        while IFS= read -r -d '' arg; do
            some=1
            [[ $arg != "$2" ]] || return 0
        done 2>/dev/null <"/proc/$1/cmdline"
        [[ -z $some ]] || return 1
        sleep 0.01
    done
    return 1
}

# proc_of FILE ARG: prints the pid in FILE ("pid start") if that very process still runs and, ARG
# not empty, has it as argument.
proc_of() {
    local pid start now
    { read -r pid start <"$1"; } 2>/dev/null || return 1
    [[ $pid =~ ^[0-9]+$ && -n $start ]] || return 1
    now=$(proc_start "$pid") || return 1
    [[ $now == "$start" ]] || return 1
    [[ -z $2 ]] || proc_has_arg "$pid" "$2" || return 1
    printf '%s\n' "$pid"
}

# proc_spawn FILE LOG COMMAND...: starts a daemon in its own session (Ctrl-C does not reach it)
# with the usual signals, and writes "pid start" to FILE before the command itself begins.  A
# signal to the caller does not come between: either nothing was started or FILE names it.
proc_spawn() {
    local file=$1 log=$2
    shift 2
    rm -f "$file"
    (
        trap : INT TERM HUP
        # shellcheck disable=SC2016  # expanded by the inner shell
        setsid bash -c '
            stat=$(<"/proc/$$/stat"); read -r -a f <<<"${stat##*) }"
            printf "%s %s\n" "$$" "${f[19]}" >"$1.new" && mv "$1.new" "$1" && shift &&
                exec env --default-signal "$@"
        ' proc_spawn "$file" "$@" </dev/null >>"$log" 2>&1 8>&- 9>&- &
        for ((waited = 0; waited < 500; waited++)); do
            [[ ! -s $file ]] || exit 0
            sleep 0.01
        done
        exit 1
    )
}

# Every process below PID, children first.
proc_children() {
    local stat pid fields
    for stat in /proc/[0-9]*/stat; do
        pid=${stat//[!0-9]/}
        { read -r stat <"$stat"; } 2>/dev/null || continue
        read -r -a fields <<<"${stat##*) }"
        if [[ ${fields[1]} == "$1" ]]; then
            proc_children "$pid"
            printf '%s\n' "$pid"
        fi
    done
}

# proc_end_tree PID: TERM for a child of ours and all below it.
proc_end_tree() {
    local pid
    for pid in $(proc_children "$1") "$1"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
}

# proc_stop PID START SECONDS SIGNAL...: sends each signal in turn, waiting that long after each;
# the last is KILL, for the process and what it started.  A pid that was recycled is left alone.
proc_stop() {
    local pid=$1 start=$2 seconds=$3 signal child waited children=()
    shift 3
    for signal in "$@" KILL; do
        [[ $(proc_start "$pid") == "$start" ]] || break
        if [[ $signal == KILL ]]; then
            for child in $(proc_children "$pid"); do
                children+=("$child $(proc_start "$child")")
            done
            seconds=10
        fi
        kill "-$signal" "$pid" 2>/dev/null || true
        for ((waited = 0; waited < seconds * 50; waited++)); do
            [[ $(proc_start "$pid") == "$start" ]] || break
            sleep 0.02
        done
    done
    for child in "${children[@]}"; do
        [[ $(proc_start "${child% *}") != "${child#* }" ]] || kill -KILL "${child% *}" 2>/dev/null || true
    done
    [[ $(proc_start "$pid") != "$start" ]]
}

# run_child COMMAND...: in the background, so that a signal is served at once and not when the
# command ends; stop_child ends what it began.
CHILD=''
run_child() {
    local rc=0
    env --default-signal=INT,QUIT "$@" <&0 8>&- 9>&- &
    CHILD=$!
    wait "$CHILD" || rc=$?
    CHILD=''
    return "$rc"
}
stop_child() {
    local start
    [[ -n $CHILD ]] && start=$(proc_start "$CHILD") || return 0
    proc_stop "$CHILD" "$start" 10 TERM || true
}

# ---- ports -------------------------------------------------------------------------------

# A port on the loopback that nobody listens on now, below the range the kernel hands out by
# itself.  Another process may still take it first: whoever binds it must be ready to ask again.
free_port() {
    local low=20000 high ephemeral port tries
    read -r ephemeral _ </proc/sys/net/ipv4/ip_local_port_range
    high=$((ephemeral > 22000 && ephemeral < 65000 ? ephemeral : 32768))
    for ((tries = 0; tries < 200; tries++)); do
        port=$((low + (RANDOM * 32768 + RANDOM) % (high - low)))
        if ! port_inode "$port" >/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    return 1
}

# The socket inode that listens on a TCP port, from the kernel's own table.
port_inode() {
    local hex
    printf -v hex ':%04X' "$1"
    awk -v port="$hex" '
        FNR > 1 && $4 == "0A" && substr($2, length($2) - 4) == port { print $10; found = 1; exit }
        END { exit !found }
    ' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# port_owned PORT PID: the listener is that process, not a neighbour who was quicker.
port_owned() {
    local inode fd
    inode=$(port_inode "$1") || return 1
    for fd in "/proc/$2/fd"/*; do
        [[ $(readlink "$fd" 2>/dev/null) != "socket:[$inode]" ]] || return 0
    done
    return 1
}

# http_get PORT PATH: prints the body, whatever the answer; fails unless the answer is 200.
http_get() {
    local status line
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
        IFS= read -r -t 5 -u 3 status || exit 1
        while IFS= read -r -t 5 -u 3 line && [[ -n ${line%$'\r'} ]]; do :; done
        timeout 5 cat <&3
        [[ $status == HTTP/1.*' 200'* ]]
    ) 2>/dev/null
}

# ---- building ----------------------------------------------------------------------------

# build FOLDER LOG TARGETS OPTION...: sets up the folder when it is not whole, then compiles.
# TARGETS is one word list; empty means everything.
build() {
    local folder=$1 log=$2 targets=$3
    shift 3
    {
        if [[ ! -e $folder/build.ninja || ! -e $folder/meson-private/coredata.dat ]]; then
            rm -rf "$folder" && run_child meson setup "$folder" "$ROOT" "$@" || return 1
        fi
        # shellcheck disable=SC2086  # a word list
        run_child ninja -C "$folder" $targets
    } >"$log" 2>&1
}
