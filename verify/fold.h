/*
 * verify/fold.h - what the log of one context adds up to, entity by entity.
 *
 * init -> event, event, event -> find, each -> release
 *
 * The domain's own apply functions fold; a failed assertion of theirs is a finding here, not an end
 * (catch.h). Beside the state an entity has the cells of its rows (rows.h). What the codec and the
 * apply functions do not see is checked on the way: numbering, causes, receipts, outcomes,
 * partitions. Memory grows with the aggregates and commands, not with the events: lines are kept as
 * digests. One thread.
 */
#ifndef VERIFY_FOLD_H
#define VERIFY_FOLD_H

#include "domain/partition.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_index.h"
#include "verify/findings.h"
#include "verify/rows.h"

/* An entity: this, its state, its cells, its id and second id, in one piece. */
struct fold_entity {
    uint32_t id_bytes, second_bytes;
    int16_t partition;
    uint8_t kind; /* enum entity_kind */
    uint8_t met;  /* bit n: its row of the n-th table of this kind was met */
    bool broken;  /* an event did not fit; later ones are neither folded nor compared */
    int64_t state[];
};

/* Product and account with what the rows that name them add up to. */
struct fold_product {
    struct product product;
    int64_t moved, held; /* over product_commands; over held reservations */
};

struct fold_account {
    struct account account;
    int64_t balance_moved, held_moved, spent_moved; /* over account_commands and payments */
    int64_t left_held; /* over payments of orders that were left stuck */
};

/* The rows of a command, whichever its context: all three tables begin alike. */
struct fold_command {
    int64_t partition, duplicates, conflicts, body_digest, event_offset, recorded_at, outcome, code,
        message, kind, version, moved, subject;
};

/* A command that has an outcome: where it lies, and a digest of aggregate and command id. */
struct fold_cause {
    int64_t offset;
    uint64_t digest;
};

/* What an event names as its cause. */
struct fold_place {
    int64_t offset;
    int32_t place, index;
};

struct fold_partition {
    int64_t next_offset, last_offset, last_recorded_us;
    uint64_t last_digest;
    struct fold_place last_cause[CAUSE_STEPS + 1];
    bool has_receipt;
    struct receipt last, open; /* open: counts since the last */
    int64_t first_open[CAUSE_STEPS + 1], last_open[CAUSE_STEPS + 1]; /* causes since the last; -1 */
    int64_t totals[RECEIPT_COUNTS];                                  /* as the receipts say */
    struct fold_cause *causes;
    size_t cause_count, cause_capacity;
};

/* What left and entered each ledger account in one currency, modulo 2^64. */
struct fold_ledger {
    struct currency currency;
    uint64_t debit[LEDGER_ACCOUNT_COUNT], credit[LEDGER_ACCOUNT_COUNT];
};

struct fold {
    enum context context;
    int32_t partitions;
    const char *topic;
    struct findings *findings;
    struct ol_arena arena;
    struct fold_entity **entities; /* in the order in which the log names them */
    size_t entity_count, entity_capacity;
    struct ol_index index;       /* by kind and id: the place in entities */
    struct fold_ledger *ledgers; /* one for each currency that moved */
    size_t ledger_count;
    /* Units and events by kind, modulo 2^64. */
    uint64_t moved_units[INVENTORY_EVENT_KIND_COUNT], movements[INVENTORY_EVENT_KIND_COUNT];
    bool failed; /* no memory */
    struct fold_partition logs[PARTITIONS_MAX];
};

/* An event and where it lies. */
struct fold_input {
    struct fold *fold;
    const struct event_message *event;
    int32_t partition;
    int64_t offset;
    char where[192]; /* "orderlog.orders.events.v1[3]@17" */
};

/* topic: borrowed. */
void fold_init(struct fold *fold, enum context context, const char *topic, int32_t partitions,
               struct findings *findings);
void fold_release(struct fold *fold);

/* Folds one event; in a partition they come in the order of their offsets. False: no memory. */
bool fold_event(struct fold *fold, int32_t partition, int64_t offset, struct text key,
                uint64_t record_digest, const struct event_message *event);

/* NULL: the log knows no such entity. */
struct fold_entity *fold_find(const struct fold *fold, enum entity_kind kind, struct text id,
                              struct text second);

/* The currency's sums, made anew where there are none. NULL: no memory. */
struct fold_ledger *fold_ledger(struct fold *fold, struct currency currency);

/* Walks all entities: start with *cursor 0; NULL at the end. */
struct fold_entity *fold_each(const struct fold *fold, size_t *cursor);

/* What struct fold_cause holds of a command. */
uint64_t fold_command_digest(struct text aggregate, struct text command);

/* ---- inside an entity ---- */

struct fold_sizes {
    size_t state_cells, row_cells; /* in 64-bit numbers */
};
extern const struct fold_sizes fold_sizes[ENTITY_KIND_COUNT];

static inline void *fold_state(struct fold_entity *entity)
{
    return entity->state;
}

static inline int64_t *fold_cells(struct fold_entity *entity)
{
    return entity->state + fold_sizes[entity->kind].state_cells;
}

static inline struct text fold_id(const struct fold_entity *entity)
{
    const struct fold_sizes *sizes = &fold_sizes[entity->kind];
    return (struct text){(const char *)(entity->state + sizes->state_cells + sizes->row_cells),
                         entity->id_bytes};
}

static inline struct text fold_second(const struct fold_entity *entity)
{
    return (struct text){fold_id(entity).data + entity->id_bytes, entity->second_bytes};
}

/* Orders and products have rows in two tables: where the cells of a table begin, and the bit of
 * `met` that says that its row was met. */
static inline int64_t *fold_row(struct fold_entity *entity, enum table table)
{
    size_t first = table == TABLE_stock           ? sizeof(struct row_products)
                   : table == TABLE_order_baskets ? sizeof(struct row_orders)
                                                  : 0;
    return fold_cells(entity) + first / sizeof(int64_t);
}

static inline uint8_t fold_met_bit(enum table table)
{
    return table == TABLE_stock || table == TABLE_order_baskets ? 2 : 1;
}

/* A reservation's second id: its partition. `number` must outlive the text. */
static inline struct text fold_partition_key(const int16_t *number)
{
    return (struct text){(const char *)number, sizeof *number};
}

/* "o-17", "o-17 / cmd-1"; for reservations "o-17 [3]". */
void fold_name(const struct fold_entity *entity, char *buffer, size_t buffer_bytes);

/* ---- inside the fold (fold_orders.c and its like) ---- */

/* The entity, made where there is none; NULL: no memory. */
struct fold_entity *fold_get(struct fold *fold, enum entity_kind kind, int32_t partition,
                             struct text id, struct text second);

/* Runs `apply`; false when the domain asserted, with the reason as a finding of `check`, and the
 * entity broken. */
typedef void fold_apply(void *state, const void *event);
bool fold_guard(struct fold_input *input, struct fold_entity *entity, fold_apply *apply,
                const void *event);

/* A finding about this event. */
void fold_wrong(struct fold_input *input, enum check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* version = before + 1; else a finding, and the entity is broken. */
bool fold_check_version(struct fold_input *input, struct fold_entity *entity, int64_t before,
                        int64_t version);

/* The event lies on the partition that `key` belongs to. */
void fold_check_partition(struct fold_input *input, struct text key);

/* Adds the command's row, for the event that is its first outcome. */
struct fold_command *fold_add_outcome(struct fold_input *input, struct text aggregate);
bool fold_is_first_outcome(const struct fold_input *input);

/* The command that made an aggregate: no row of its own, and no other outcome. */
void fold_check_origin(struct fold_input *input, struct text aggregate);

bool fold_order_event(struct fold_input *input);
bool fold_inventory_event(struct fold_input *input);
bool fold_payment_event(struct fold_input *input);

#endif
