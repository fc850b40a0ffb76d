#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/topics.h"
#include "domain/orders.h"
#include "domain/partition.h"
#include "lib/program/ol_table.h"
#include "proto/codec.h"

/* What happens at a limit stands in its row: refuse (with the code), or wait. */
struct limit {
    const char *name;
    int64_t value;
    const char *unit, *answer;
};

static const struct ol_table_column columns[] = {
    {"limit", OL_TABLE_TEXT},
    {"value", OL_TABLE_NUMBER},
    {"unit", OL_TABLE_TEXT},
    {"when_full", OL_TABLE_TEXT},
};

static void add(struct ol_table *table, const struct limit *limit)
{
    ol_table_text(table, limit->name);
    ol_table_int(table, limit->value);
    ol_table_text(table, limit->unit);
    ol_table_text(table, limit->answer);
}

enum ol_class limits_run(const struct ol_options *options, struct ol_error *reterr)
{
    const struct limit limits[] = {
        {"message", MESSAGE_BYTES_MAX, "bytes", "refused: MESSAGE_TOO_LARGE"},
        {"record_batch", atoll(TOPICS_MESSAGE_BYTES_MAX), "bytes", "the broker refuses it"},
        {"order_lines", ORDER_LINES_MAX, "lines", "refused: ORDER_TOO_MANY_LINES"},
        {"sku_in_order", 1, "line", "refused: SKU_TWICE"},
        {"id_min", 1, "bytes", "refused: ID_INVALID; command and aggregate id: dead letter"},
        {"id_max", ID_BYTES_MAX, "bytes",
         "refused: ID_INVALID; command and aggregate id: dead letter"},
        {"id_unseen", 0, "characters",
         "refused as the other ids: controls, hidden characters, blanks but the plain space, and "
         "that at either end"},
        {"detail", DETAIL_BYTES_MAX, "bytes", "refused: TEXT_TOO_LONG"},
        {"reason", REASON_BYTES_MAX, "bytes", "refused: TEXT_TOO_LONG"},
        {"time_margin", 2, "days",
         "refused: TIME_INVALID; so far from the ends of the years 1 and 9999"},
        {"quantity_min", 1, "units", "refused: QUANTITY_NOT_POSITIVE"},
        {"amount_min", 0, "minor units", "refused: AMOUNT_NEGATIVE"},
        {"amount_max", INT64_MAX, "minor units", "refused: AMOUNT_OVERFLOW (after every sum)"},
        {"partitions", PARTITIONS_MAX, "partitions", "refused by the option"},
        {"batch_inputs", options->batch_inputs, "inputs", "the next transaction takes the rest"},
        {"batch_output", options->batch_output_bytes, "bytes",
         "the next transaction takes the rest"},
        {"transaction", options->transaction_timeout_ms, "ms",
         "the broker aborts; taken over anew"},
        {"order_deadline", options->order_deadline_ms, "ms", "cancelled: DEADLINE_PASSED"},
        {"overlay_bytes", options->overlay_bytes, "bytes", "the worker slows down"},
        {"overlay_bytes_max", options->overlay_bytes_max, "bytes", "the worker waits"},
        {"projector_batch", options->projector_batch_events, "events",
         "the next transaction takes the rest"},
        {"timeout", options->timeout_ms, "ms", "fails; a role tries again"},
        {"drain", options->drain_ms, "ms", "exits without waiting"},
    };
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, columns, sizeof columns / sizeof *columns, options->json);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        add(&table, &limits[i]);
    return ol_table_print(&table, stdout, reterr);
}

enum ol_class config_show_run(const struct ol_options *options, struct ol_error *reterr)
{
    (void)reterr;
    ol_options_show(stdout, options);
    return OL_OK;
}
