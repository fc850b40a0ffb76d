/*
 * projections/reduce.h - events of one context -> the rows that they change, reduced by key.
 *
 *   init -> { start a partition -> apply, apply, ... -> seal } -> (writer) -> clear -> ...
 *                                                                          -> release
 *
 * A row batch holds what one batch of events does to the rows. It knows nothing of the rows that
 * are in the database: a row that the batch makes is an insert, and whatever the batch does to an
 * older row is a difference (sums, bits set), together with the version
 * that the row must have for it. So a batch can be cut anywhere, and the rows come out the same.
 * Checked on the way, and never skipped over: offsets rise, receipts chain, versions have no gap.
 * Pure but for memory: no clock, no I/O. One thread. Rules of the states: domain/.
 */
#ifndef PROJECTIONS_REDUCE_H
#define PROJECTIONS_REDUCE_H

#include "domain/entity.h"
#include "projections/load.h"
#include "projections/rowset.h"

/* A value of the changes below that stays what it is in the row: TIME_NONE, 0 for enums, codes and
 * versions, -1 for an amount, NULL data for a text. */

/* The command that made an aggregate, and how often it came again. */
struct row_origin {
    struct text command_id;
    uint64_t digest;
    int32_t duplicates, conflicts;
    int64_t recorded_us;
};

/* ---- orders ---- */

struct bought_lines {
    const struct order_line *lines;
    size_t count;
};

struct order_change {
    struct keyed_row row; /* order id */
    int32_t partition;
    int64_t version_before, version, event_offset;
    enum order_status status;
    enum saga_state saga_state;
    enum order_payment payment;
    uint64_t groups_reserved, groups_refused, groups_released; /* bits that were set */
    enum refusal_code reason;
    struct text reason_sku;
    int64_t deadline_us, settled_us;
    /* INSERT */
    struct row_origin origin;
    struct text customer_id;
    struct currency currency;
    int64_t total_minor, placed_us;
    enum payment_row payment_row;
    uint64_t groups_asked;
    struct bought_lines basket;
};

/* ---- inventory ---- */

struct product_change {
    struct keyed_row row; /* SKU */
    int32_t partition;
    int64_t version_before, version, event_offset;
    int64_t on_hand, reserved; /* differences */
    bool details_changed, listing_changed, listed;
    struct product_details details;
    uint64_t details_hash;
    struct row_origin origin; /* INSERT */
};

struct held_lines {
    const struct stock_line *lines; /* NULL: none are said */
    size_t count;
};

struct reservation_change {
    struct keyed_row row; /* order id, partition (reservation_key) */
    int32_t partition;
    int64_t event_offset, recorded_us, released_us;
    enum reservation_status status;
    enum refusal_code reason;
    struct text reason_sku;
    struct held_lines held;     /* INSERT */
    struct held_lines released; /* with the versions after the release */
};

/* ---- payments ---- */

struct account_change {
    struct keyed_row row; /* customer id */
    int32_t partition;
    int64_t version_before, version, event_offset;
    int64_t balance_minor, held_minor, spent_minor; /* differences */
    struct currency currency;                       /* INSERT */
    struct row_origin origin;                       /* INSERT */
};

struct payment_change {
    struct keyed_row row; /* payment id */
    int32_t partition;
    struct text customer_id;
    int64_t event_offset, recorded_us;
    enum payment_status status;
    enum refusal_code reason;
    int64_t amount_minor;   /* -1: unchanged */
    int64_t refunded_minor; /* difference; in full, the status becomes REFUNDED */
    int64_t authorised_version, captured_version, captured_us, voided_version, voided_us;
    int64_t charged_version, reversed_version, reversed_us;
};

/* ---- commands of all contexts ---- */

/* A new row of the context's table of commands. */
struct command_change {
    struct keyed_row row; /* aggregate id, command id */
    int32_t partition;
    int64_t event_offset;
    enum refusal_code code; /* ACCEPTED: no code */
    struct text message;
    struct row_origin origin; /* its command id is the row's */
    const char *kind;         /* "CANCEL" and so on; NULL: refused */
    int64_t version;
    int64_t moved;       /* units or minor units; -1: nothing */
    struct text subject; /* a movement's reason, or the payment that is refunded */
};

/* Repeats of a command whose row the batch did not make. */
struct command_count {
    struct keyed_row row; /* aggregate id, command id */
    int32_t duplicates, conflicts;
};

/* ---- the batch ---- */

struct row_batch_partition {
    bool started, touched;
    struct load_progress before, now; /* now.last_digest is the shell's to set */
    int64_t totals[RECEIPT_COUNTS];   /* over the batch's receipts */
};

struct row_batch {
    enum context context;
    struct ol_arena arena;
    struct row_batch_partition partitions[PARTITIONS_MAX];
    size_t event_count;
    size_t second_rows;       /* of new orders and products: the basket, the stock */
    struct rowset aggregates; /* order_change, product_change, account_change */
    struct rowset claims;     /* -, reservation_change, payment_change */
    struct rowset commands;   /* command_change */
    struct rowset counts;     /* command_count */
};

void row_batch_init(struct row_batch *batch, enum context context);
void row_batch_release(struct row_batch *batch);

/* Empties the batch; its memory is kept. No partition is started then. */
void row_batch_clear(struct row_batch *batch);

/* Says where a partition stands before this batch. Once per batch, before its first event. */
void row_batch_start(struct row_batch *batch, int32_t partition,
                     const struct load_progress *before);

/*
 * Adds one event; what it needs is copied.
 *     OL_POISON  the event can't follow what came before; the text says why, the batch is unchanged
 *     OL_FATAL   no memory; the batch can only be cleared
 */
enum ol_class row_batch_apply(struct row_batch *batch, const struct event_message *event,
                              int32_t partition, int64_t offset, struct ol_error *reterr);

/* Sorts the rows; after it, nothing may be applied until clear. */
void row_batch_seal(struct row_batch *batch);

/* The partitions of the batch that somebody else has projected meanwhile: all but those that the
 * compare and set of their progress has moved (`moved`, as bits). The batch must not be written
 * then. */
uint64_t row_batch_lost(const struct row_batch *batch, uint64_t moved);

/* How many rows the sealed or open batch writes, progress included. */
size_t row_batch_row_count(const struct row_batch *batch);

/* The second key of a reservation's row: its partition, so that keys sort as (text, smallint). */
struct text reservation_key(int32_t partition);

#endif
