#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/history.h"
#include "domain/currency.h"
#include "lib/program/ol_table.h"

#define ISO         "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'"
#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', " ISO ")"
#define RANGES_MAX  (2 + PARTITIONS_MAX)

/* Minor units with the digits of the order's currency; null where nobody knows them. $2: digits. */
#define DECIMAL(column) "round(" column " * (ARRAY[1, .1, .01, .001, .0001])[$2 + 1], $2)"
_Static_assert(CURRENCY_DIGITS_MAX == 4 && CURRENCY_NO_DIGITS + 1 == 0, "as above");

/* A column of the page, and what is selected for it; sql NULL: the column of that name. */
struct field {
    const char *name;
    enum ol_table_kind kind;
    const char *sql;
};

/* A section of the page: a query by order id. */
struct section {
    const char *name, *from;
    bool is_one; /* at most one row: an object in JSON */
    const struct field *fields;
    size_t field_count;
};

#define FIELDS_MAX 24

#define SECTION(name_, is_one_, from_)                                                             \
    {                                                                                              \
        .name = #name_, .from = from_, .is_one = is_one_, .fields = name_##_fields,                \
        .field_count = sizeof name_##_fields / sizeof *name_##_fields                              \
    }

/* clang-format off */
static const struct field order_fields[] = {
    {"order_id", OL_TABLE_TEXT, NULL},
    {"customer_id", OL_TABLE_TEXT, NULL},
    {"status", OL_TABLE_TEXT, NULL},
    {"reason", OL_TABLE_TEXT, NULL},
    {"reason_sku", OL_TABLE_TEXT, NULL},
    {"saga_state", OL_TABLE_TEXT, NULL},
    {"currency", OL_TABLE_TEXT, NULL},
    {"total_minor", OL_TABLE_NUMBER, NULL},
    {"total", OL_TABLE_NUMBER, DECIMAL("total_minor")},
    {"placed_at", OL_TABLE_TEXT, UTC("placed_at")},
    {"recorded_at", OL_TABLE_TEXT, UTC("recorded_at")},
    {"settled_at", OL_TABLE_TEXT, UTC("settled_at")},
    {"deadline", OL_TABLE_TEXT, UTC("deadline")},
    {"version", OL_TABLE_NUMBER, NULL},
    {"partition", OL_TABLE_SMALL, NULL},
    {"event_offset", OL_TABLE_NUMBER, NULL},
    {"command_id", OL_TABLE_TEXT, NULL},
    {"duplicates", OL_TABLE_NUMBER, NULL},
    {"conflicts", OL_TABLE_NUMBER, NULL},
};

static const struct field lines_fields[] = {
    {"line_no", OL_TABLE_SMALL, "l.line_no"},
    {"sku", OL_TABLE_TEXT, "l.sku"},
    {"quantity", OL_TABLE_NUMBER, "l.quantity"},
    {"amount_minor", OL_TABLE_NUMBER, "l.amount_minor"},
    {"amount", OL_TABLE_NUMBER, DECIMAL("l.amount_minor")},
    {"name", OL_TABLE_TEXT, "p.name"},
};

static const struct field reservations_fields[] = {
    {"partition", OL_TABLE_SMALL, NULL},
    {"status", OL_TABLE_TEXT, NULL},
    {"lines", OL_TABLE_SMALL, "cardinality(skus)"},
    {"units", OL_TABLE_NUMBER, "(SELECT sum(q) FROM unnest(quantities) q)"},
    {"reason", OL_TABLE_TEXT, NULL},
    {"reason_sku", OL_TABLE_TEXT, NULL},
    {"recorded_at", OL_TABLE_TEXT, UTC("recorded_at")},
    {"released_at", OL_TABLE_TEXT, UTC("released_at")},
    {"event_offset", OL_TABLE_NUMBER, NULL},
};

static const struct field payment_fields[] = {
    {"payment_id", OL_TABLE_TEXT, NULL},
    {"customer_id", OL_TABLE_TEXT, NULL},
    {"status", OL_TABLE_TEXT, NULL},
    {"reason", OL_TABLE_TEXT, NULL},
    {"amount_minor", OL_TABLE_NUMBER, NULL},
    {"amount", OL_TABLE_NUMBER, DECIMAL("amount_minor")},
    {"refunded_minor", OL_TABLE_NUMBER, NULL},
    {"refunded", OL_TABLE_NUMBER, DECIMAL("refunded_minor")},
    {"recorded_at", OL_TABLE_TEXT, UTC("recorded_at")},
    {"captured_at", OL_TABLE_TEXT, UTC("captured_at")},
    {"voided_at", OL_TABLE_TEXT, UTC("voided_at")},
    {"reversed_at", OL_TABLE_TEXT, UTC("reversed_at")},
    {"partition", OL_TABLE_SMALL, NULL},
    {"event_offset", OL_TABLE_NUMBER, NULL},
};
/* clang-format on */

enum { SECTION_ORDER, SECTION_LINES, SECTION_RESERVATIONS, SECTION_PAYMENT, SECTION_COUNT };

static const struct section sections[SECTION_COUNT] = {
    [SECTION_ORDER] =
        SECTION(order, true, "FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\""),
    [SECTION_LINES] =
        SECTION(lines, false,
                "FROM orderlog.order_lines l LEFT JOIN orderlog.products p ON p.sku = l.sku "
                "WHERE l.order_id = $1 COLLATE \"C\" ORDER BY l.line_no"),
    [SECTION_RESERVATIONS] = SECTION(reservations, false,
                                     "FROM orderlog.reservations WHERE order_id = $1 COLLATE \"C\" "
                                     "ORDER BY partition"),
    [SECTION_PAYMENT] =
        SECTION(payment, true, "FROM orderlog.payments WHERE payment_id = $1 COLLATE \"C\""),
};

/* Where events about the order may lie, and up to which offset. Contexts as numbers. */
static const struct ol_pg_statement ranges_statement = {
    .name = "order/ranges",
    .sql = "SELECT 0::int2 AS context, partition, "
           "greatest(event_offset, (SELECT max(event_offset) FROM orderlog.order_commands "
           "WHERE order_id = $1 COLLATE \"C\")) AS event_offset, recorded_at "
           "FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\" "
           "UNION ALL SELECT 1::int2, partition, event_offset, recorded_at "
           "FROM orderlog.reservations WHERE order_id = $1 COLLATE \"C\" "
           "UNION ALL SELECT 2::int2, partition, event_offset, recorded_at "
           "FROM orderlog.payments WHERE payment_id = $1 COLLATE \"C\" ORDER BY 1, 2",
    .columns = (const struct ol_pg_column[]){{"context", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"partition", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"event_offset", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"recorded_at", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},
                                             {0}},
};
_Static_assert(CONTEXT_ORDERS == 0 && CONTEXT_INVENTORY == 1 && CONTEXT_PAYMENTS == 2, "as above");

static const char currency_sql[] =
    "SELECT currency FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\"";

/* Why there is no order, where commands name one. */
static const char refused_sql[] =
    "SELECT command_id, code, message FROM orderlog.order_commands "
    "WHERE order_id = $1 COLLATE \"C\" ORDER BY event_offset DESC LIMIT 1";

struct page {
    struct session *session;
    const char *id;
    struct currency currency; /* the order's */
    struct ol_table_column columns[SECTION_COUNT][FIELDS_MAX];
    struct ol_table tables[SECTION_COUNT];
    struct history history;
    struct history_range ranges[RANGES_MAX];
    size_t range_count;
    int64_t recorded_at_us;
};

/* ---- reading ---- */

static void init_table(struct page *page, int number)
{
    const struct section *section = &sections[number];
    assert(section->field_count <= FIELDS_MAX);
    for (size_t i = 0; i < section->field_count; i++)
        page->columns[number][i] =
            (struct ol_table_column){section->fields[i].name, section->fields[i].kind};
    ol_table_init(&page->tables[number], page->columns[number], section->field_count, false);
}

static enum ol_class read_section(struct page *page, int number, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    OL_AUTO(ol_text) struct ol_text sql = {0};
    const struct section *section = &sections[number];
    struct ol_pg_params params = {0};
    for (size_t i = 0; i < section->field_count; i++) {
        const struct field *field = &section->fields[i];
        ol_text_addf(&sql, "%s%s", i ? ", " : "SELECT ", field->sql ? field->sql : field->name);
    }
    ol_text_addf(&sql, " %s", section->from);
    if (sql.failed)
        return ol_fail(reterr, OL_FATAL, "no memory for the page");
    ol_pg_param_text(&params, page->id, strlen(page->id));
    ol_pg_param_int32(&params, currency_digits((struct text){page->currency.code, 3}));
    enum ol_class class = ol_pg_select(page->session->db, section->name, ol_text_string(&sql),
                                       &params, &rows, reterr);
    if (!class)
        ol_table_rows(&page->tables[number], &rows);
    return class;
}

/* None where there is no such order: then nothing else is found either. */
static enum ol_class read_currency(struct page *page, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, page->id, strlen(page->id));
    enum ol_class class =
        ol_pg_select(page->session->db, "order/currency", currency_sql, &params, &rows, reterr);
    if (!class && rows.count)
        page->currency = currency_of(text_of(ol_pg_string(&rows, 0, 0)));
    return class;
}

static enum ol_class read_ranges(struct page *page, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, page->id, strlen(page->id));
    enum ol_class class = ol_pg_exec(page->session->db, &ranges_statement, &params, &rows, reterr);
    for (int row = 0; row < rows.count && !class && page->range_count < RANGES_MAX; row++) {
        if (row == 0)
            page->recorded_at_us = ol_pg_us(&rows, row, 3);
        page->ranges[page->range_count++] =
            (struct history_range){.context = (enum context)ol_pg_int16(&rows, row, 0),
                                   .partition = ol_pg_int16(&rows, row, 1),
                                   .until = ol_pg_int64(&rows, row, 2) + 1};
    }
    return class;
}

static enum ol_class not_found(struct page *page, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, page->id, strlen(page->id));
    enum ol_class class =
        ol_pg_select(page->session->db, "order/refused", refused_sql, &params, &rows, reterr);
    if (class)
        return class;
    if (rows.count == 0)
        return ol_fail(reterr, OL_NOT_FOUND, "there is no order with the id '%s'", page->id);
    /* The sentence quotes what a publisher sent: its line ends are not ours. */
    OL_AUTO(ol_text) struct ol_text why = {0};
    const char *message = ol_pg_string(&rows, 0, 2);
    ol_text_add_shown(&why, message, strlen(message));
    return ol_fail(reterr, OL_NOT_FOUND,
                   "there is no order with the id '%s'; command %s was refused: %s, %s", page->id,
                   ol_pg_string(&rows, 0, 0), ol_pg_string(&rows, 0, 1),
                   why.failed ? "" : ol_text_string(&why));
}

static enum ol_class read_once(struct page *page, struct ol_error *reterr)
{
    for (int i = 0; i < SECTION_COUNT; i++)
        ol_table_clear(&page->tables[i]);
    page->range_count = 0;
    enum ol_class class = ol_pg_begin_snapshot(page->session->db, reterr);
    if (!class)
        class = read_currency(page, reterr);
    for (int i = 0; i < SECTION_COUNT && !class; i++)
        class = read_section(page, i, reterr);
    if (!class && ol_table_row_count(&page->tables[SECTION_ORDER]) == 0)
        return not_found(page, reterr);
    if (!class)
        class = read_ranges(page, reterr);
    return class ? class : ol_pg_rollback(page->session->db, reterr);
}

static enum ol_class read_rows(struct page *page, struct ol_error *reterr)
{
    int tries = 0;
    enum ol_class class;
    do {
        class = read_once(page, reterr);
    } while (session_read_again(page->session, class, &tries));
    return class;
}

/* ---- printing ---- */

static const struct ol_table_column history_columns[] = {
    {"at", OL_TABLE_TEXT},        {"context", OL_TABLE_TEXT},    {"event", OL_TABLE_TEXT},
    {"version", OL_TABLE_NUMBER}, {"partition", OL_TABLE_SMALL}, {"offset", OL_TABLE_NUMBER},
    {"detail", OL_TABLE_TEXT},
};

static void add_event(struct ol_table *table, const struct history_event *event)
{
    ol_table_time(table, event->at_ms * 1000);
    ol_table_text(table, context_name(event->context));
    ol_table_text(table, event->type);
    if (event->version)
        ol_table_int(table, event->version);
    else
        ol_table_null(table);
    ol_table_int(table, event->partition);
    ol_table_int(table, event->offset);
    ol_table_text(table, event->detail);
}

/* Each event of the history with its decoded message, one array. */
static void add_json_history(struct ol_text *text, const struct history *history)
{
    ol_text_add_char(text, '[');
    for (size_t i = 0; i < history->count; i++) {
        OL_AUTO(ol_table) struct ol_table table;
        OL_AUTO(ol_text) struct ol_text row = {0};
        ol_table_init(&table, history_columns, sizeof history_columns / sizeof *history_columns,
                      true);
        add_event(&table, &history->events[i]);
        ol_table_add_json_row(&table, 0, &row);
        if (row.failed) {
            text->failed = true;
            return;
        }
        ol_text_add(text, i ? "," : "");
        ol_text_add_bytes(text, row.bytes, row.size_bytes - 1); /* one member more */
        ol_text_add(text, ",\"decoded\":");
        ol_text_add(text, history->events[i].decoded);
        ol_text_add_char(text, '}');
    }
    ol_text_add_char(text, ']');
}

static enum ol_class print_json(const struct page *page, struct ol_error *reterr)
{
    OL_AUTO(ol_text) struct ol_text text = {0};
    for (int i = 0; i < SECTION_COUNT; i++) {
        ol_text_addf(&text, "%s\"%s\":", i ? "," : "{", sections[i].name);
        if (!sections[i].is_one)
            ol_table_add_json(&page->tables[i], &text);
        else if (ol_table_row_count(&page->tables[i]))
            ol_table_add_json_row(&page->tables[i], 0, &text);
        else
            ol_text_add(&text, "null");
    }
    ol_text_add(&text, ",\"history\":");
    add_json_history(&text, &page->history);
    ol_text_add(&text, "}\n");
    if (text.failed)
        return ol_fail(reterr, OL_FATAL, "no memory for the page");
    fwrite(text.bytes, 1, text.size_bytes, stdout);
    return OL_OK;
}

static enum ol_class print_text(const struct page *page, struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table history;
    enum ol_class class = ol_table_print_record(&page->tables[SECTION_ORDER], stdout, reterr);
    for (int i = SECTION_LINES; i < SECTION_COUNT && !class; i++) {
        printf("\n%s\n", sections[i].name);
        if (ol_table_row_count(&page->tables[i]) == 0)
            printf("none\n");
        class = ol_table_print(&page->tables[i], stdout, reterr);
    }
    ol_table_init(&history, history_columns, sizeof history_columns / sizeof *history_columns,
                  false);
    for (size_t i = 0; i < page->history.count; i++)
        add_event(&history, &page->history.events[i]);
    printf("\nhistory\n");
    return class ? class : ol_table_print(&history, stdout, reterr);
}

enum ol_class order_show_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class =
        session_init(&session, options, SESSION_ID | SESSION_KAFKA | SESSION_PG, reterr);
    if (class)
        return class;
    struct page *page = calloc(1, sizeof *page);
    if (!page)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    page->session = &session;
    page->id = options->arguments[0];
    for (int i = 0; i < SECTION_COUNT; i++)
        init_table(page, i);
    class = read_rows(page, reterr);
    if (!class)
        class = history_read(&session, text_of(page->id), page->currency, page->recorded_at_us,
                             page->ranges, page->range_count, &page->history, reterr);
    if (!class)
        class = options->json ? print_json(page, reterr) : print_text(page, reterr);
    for (int i = 0; i < SECTION_COUNT; i++)
        ol_table_release(&page->tables[i]);
    history_release(&page->history);
    free(page);
    return class;
}
