#!/usr/bin/env bash
# criterion-leak-passes - a leak is printed, and the run is green.
#
# What: a test under Criterion that leaks, built with AddressSanitizer: the leak is reported, the test
#   "passed" and the program ends with 0. The same code in a plain main() ends with 1.
# Where: Criterion 2.4.1, gcc 12 (Debian 12).
# Why: a continuous integration that looks at exit codes has no leak check, though it pays for one.
# So: ASAN_OPTIONS with abort_on_error, and a planted leak that must turn a run red:
#   deploy/local/test_planted, docs/testing.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin criterion-leak-passes 'a test program with a leak that LeakSanitizer reports does not end with 0'
debian libcriterion-dev 2.4.1-2
debian gcc-12 12.2.0-14+deb12u1

compile plain -fsanitize=address <<'C'
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *volatile lost = strdup("never freed");
    lost = NULL;
    return lost != NULL;
}
C
compile suite -fsanitize=address -lcriterion <<'C'
#include <criterion/criterion.h>
#include <string.h>

Test(findings, leaks)
{
    char *volatile lost = strdup("never freed");
    lost = NULL;
    cr_assert_null(lost);
}
C
plain=0 suite=0
step "$TEMP/plain" >"$TEMP/plain.log" 2>&1 || plain=$?
step "$TEMP/suite" >"$TEMP/suite.log" 2>&1 || suite=$?
reports=$(grep -c 'LeakSanitizer: detected memory leaks' "$TEMP/suite.log" || true)
told="main() ends with $plain; under Criterion the leak is reported $reports time(s) and the exit code is $suite"
[[ $plain == 1 && $(<"$TEMP/plain.log") == *LeakSanitizer* ]] || not_run "LeakSanitizer does not work here: $told"
[[ $reports -gt 0 && $suite == 0 ]] || changed "$told"
seen "$told"
