/*
 * verify/findings.h - what verify checks, and what it found to differ.
 *
 * Each check is a row of findings.def; it counts what it looked at and what was wrong, and keeps
 * the first few in words. One thread.
 */
#ifndef VERIFY_FINDINGS_H
#define VERIFY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/text.h"
#include "lib/base/ol_error.h"
#include "lib/base/ol_text.h"

#define FINDINGS_KEPT 10 /* of one check; all are counted. Of LEFT_STUCK all are kept */

enum check {
#define CHECK(check, settled, help) CHECK_##check,
#include "verify/findings.def"
#undef CHECK
    CHECK_COUNT
};

struct finding {
    char *where, *what;
};

struct check_state {
    int64_t looked_at, wrong, kept_count;
    struct finding *kept;
};

struct findings {
    struct check_state checks[CHECK_COUNT];
    bool settled;   /* the checks that need a settled installation were made */
    char note[256]; /* from where it can speak; "" for from the beginning */
};

void findings_release(struct findings *findings);

static inline void findings_look(struct findings *findings, enum check check)
{
    findings->checks[check].looked_at++;
}

/* Something is wrong. `where` names it ("orders/o-17", "orderlog.orders.events.v1[3]@17"). */
void findings_add(struct findings *findings, enum check check, const char *where,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

int64_t findings_wrong(const struct findings *findings);

/* What differs, then a row a check. */
enum ol_class findings_print(const struct findings *findings, bool json, struct ol_error *reterr);

#endif
