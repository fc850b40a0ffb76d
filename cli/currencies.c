#include <stdio.h>

#include "cli/cli.h"
#include "domain/currency.h"
#include "lib/program/ol_table.h"

static const struct ol_table_column columns[] = {
    {"code", OL_TABLE_TEXT}, {"digits", OL_TABLE_SMALL}, {"kind", OL_TABLE_TEXT},
    {"from", OL_TABLE_TEXT}, {"until", OL_TABLE_TEXT},
};

static void add(struct ol_table *table, const struct currency_row *row)
{
    ol_table_text(table, row->currency.code);
    if (row->digits == CURRENCY_NO_DIGITS)
        ol_table_null(table);
    else
        ol_table_int(table, row->digits);
    ol_table_text(table, currency_kind_name(row->kind));
    ol_table_time(table, row->from_us);
    ol_table_time(table, row->until_us);
}

enum ol_class currencies_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, columns, sizeof columns / sizeof *columns, options->json);
    if (options->argument_count) {
        const struct currency_row *row = currency_find(text_of(options->arguments[0]));
        if (!row)
            return ol_fail(reterr, OL_NOT_FOUND, "ISO 4217 has no currency '%s'",
                           options->arguments[0]);
        add(&table, row);
    } else {
        size_t count;
        const struct currency_row *rows = currency_rows(&count);
        for (size_t i = 0; i < count; i++)
            add(&table, &rows[i]);
    }
    return ol_table_print(&table, stdout, reterr);
}
