/*
 * verify/verify_internal.h - what the files behind verify.h share; nobody else includes it.
 *
 *   snapshot (progress rows) -> per context: { read the events up to there, fold -> compare rows }
 *   -> once settled: across the contexts, and the commands topics -> findings
 *
 * One repeatable-read transaction from the first statement to the last, so all rows are of one
 * moment, and the fold ends exactly where the rows do. Nothing is written anywhere. One context's
 * fold at a time is held. Prefix verify_, in order of use: verify.c, verify_open.c, verify_log.c,
 * verify_columns.c, verify_left.c, verify_rows.c, verify_sums.c, verify_commands.c.
 */
#ifndef VERIFY_INTERNAL_H
#define VERIFY_INTERNAL_H

#include "verify/fold.h"
#include "verify/session.h"

/* A row of projection_progress. */
struct verify_progress {
    bool there, has_receipt;
    int64_t next_offset, last_offset, last_digest, last_recorded_us;
    struct receipt last;
    int64_t totals[RECEIPT_COUNTS];
};

/* The same sum over orders and over payments, whatever their order. */
struct verify_total {
    uint64_t digest, amount_minor;
    int64_t count;
};

struct verify {
    struct session *session;
    struct findings findings;
    int32_t partitions;
    bool settled;
    struct topic_name topics[CONTEXT_COUNT][STREAM_COUNT];
    struct verify_progress progress[CONTEXT_COUNT][PARTITIONS_MAX];
    struct fold fold;    /* of the context that is looked at */
    struct fold demands; /* products: `held` is what confirmed orders have of each */
    struct fold left;    /* orders of which steps were lost; once settled */
    struct verify_total confirmed, paid; /* of more than 0 */
};

/* The progress rows, in the transaction that is open, if any. */
enum ol_class verify_read_progress(struct verify *verify, struct ol_error *reterr);

/* What is still open, as a list in words; "" when settled: no records to read in commands, steps
 * and events after the progress rows, no open transactions, no open sagas but what was left
 * stuck. */
enum ol_class verify_open(struct verify *verify, char *buffer, size_t buffer_bytes,
                          struct ol_error *reterr);

/* The columns that verify_read_progress() reads, and that are compared. Ends with {0}. */
extern const struct ol_pg_column verify_progress_columns[];

/* Are there columns that nobody compares? As the server's catalogue has them. */
enum ol_class verify_columns(struct verify *verify, struct ol_error *reterr);

/* Names the orders that stay as they are since steps of theirs were lost, and remembers them, so
 * that they are nothing else's finding (once settled). */
enum ol_class verify_left(struct verify *verify, struct ol_error *reterr);

/* Such an order: confirmed and not captured, or ended and not undone; else ORDER_IS_NOTHING. */
enum order_status verify_left_as(const struct verify *verify, struct text order_id);

/* Folds the context's events up to the progress rows, and compares these. */
enum ol_class verify_log(struct verify *verify, enum context context, struct ol_error *reterr);

/* Compares the context's tables with its fold. */
enum ol_class verify_rows(struct verify *verify, enum context context, struct ol_error *reterr);

/* Adds a compared row to the sums. */
void verify_sum_row(struct verify *verify, enum table table, const struct ol_pg_rows *rows,
                    int row);

/* Conservation within the context, its views, and, once settled, what orders have to do with it. */
enum ol_class verify_sums(struct verify *verify, enum context context, struct ol_error *reterr);

/* Every command of the context has one outcome (once settled). */
enum ol_class verify_commands(struct verify *verify, enum context context, struct ol_error *reterr);

#endif
