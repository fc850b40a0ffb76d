#!/usr/bin/env bash
# deploy/local/under_meson.sh - meson's test wrapper: counts what one test program ran.
#
#   meson test --wrapper 'deploy/local/under_meson.sh DIR'     runs the program behind it
#
# Leaves DIR/NAME.<pid>.count with "passed failed skipped".  It says "0 1 0" from the start, so a
# program that is killed counts as failed.  Criterion programs write TAP beside it; any other
# program is one test: exit 0 passed, 77 skipped, else failed.
set -uo pipefail

out=$1
shift
base=$out/$(basename "$1").$$
printf '0 1 0\n' >"$base.count"

# Criterion 2.4.1 never frees what it reads this variable into: that leak, and no other, is its own.
# The inner quotes are for the path, which the sanitizers would split at a space.
printf 'leak:criterion_handle_args\n' >"$base.leaks"
export CRITERION_OUTPUTS=tap:$base.tap
LSAN_OPTIONS=${LSAN_OPTIONS:+$LSAN_OPTIONS:}suppressions="'$base.leaks'":print_suppressions=0 "$@"
rc=$?

if [[ -s $base.tap ]]; then
    awk -v rc="$rc" '
        /^not ok /                { failed++; print > "/dev/stderr"; next }
        /^ok / && /# SKIP/        { skipped++; next }
        /^ok /                    { passed++ }
        END {
            # A leak or a crash outside of a test shows in the exit only.
            if (rc && !failed) failed++
            if (!rc && !failed && !passed && !skipped) failed++
            print passed + 0, failed + 0, skipped + 0
        }' "$base.tap" >"$base.new"
else
    case $rc in
        0) printf '1 0 0\n' ;;
        77) printf '0 0 1\n' ;;
        *) printf '0 1 0\n' ;;
    esac >"$base.new"
fi
mv "$base.new" "$base.count"
rm -f "$base.leaks"
exit "$rc"
