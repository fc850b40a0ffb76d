#include "lib/program/ol_table.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_utf8.h"

#define GAP "  "

struct ol_table_cell {
    size_t at, bytes; /* in texts */
    bool is_null;
};

void ol_table_init(struct ol_table *table, const struct ol_table_column *columns,
                   size_t column_count, bool json)
{
    *table = (struct ol_table){.columns = columns, .column_count = column_count, .json = json};
}

void ol_table_clear(struct ol_table *table)
{
    ol_text_clear(&table->texts);
    table->cell_count = 0;
    table->failed = false;
}

void ol_table_release(struct ol_table *table)
{
    ol_text_release(&table->texts);
    free(table->cells);
    *table = (struct ol_table){0};
}

size_t ol_table_row_count(const struct ol_table *table)
{
    assert(table->cell_count % table->column_count == 0);
    return table->cell_count / table->column_count;
}

/* ---- cells ---- */

static struct ol_table_cell *cell_add(struct ol_table *table)
{
    if (!OL_GROW(table->cells, table->cell_capacity, table->cell_count + 1, 256)) {
        table->failed = true;
        return NULL;
    }
    struct ol_table_cell *cell = &table->cells[table->cell_count++];
    *cell = (struct ol_table_cell){.at = table->texts.size_bytes};
    return cell;
}

/* What stands after the cell's place in the texts is the cell's. */
static void cell_end(struct ol_table *table, struct ol_table_cell *cell)
{
    cell->bytes = table->texts.size_bytes - cell->at;
}

void ol_table_null(struct ol_table *table)
{
    struct ol_table_cell *cell = cell_add(table);
    if (cell)
        cell->is_null = true;
}

void ol_table_bytes(struct ol_table *table, const char *text, size_t bytes)
{
    struct ol_table_cell *cell = cell_add(table);
    if (!cell)
        return;
    if (bytes)
        ol_text_add_bytes(&table->texts, text, bytes);
    cell_end(table, cell);
}

void ol_table_text(struct ol_table *table, const char *text)
{
    if (!text)
        ol_table_null(table);
    else
        ol_table_bytes(table, text, strlen(text));
}

void ol_table_int(struct ol_table *table, int64_t value)
{
    struct ol_table_cell *cell = cell_add(table);
    if (!cell)
        return;
    ol_text_add_int(&table->texts, value);
    cell_end(table, cell);
}

void ol_table_addf(struct ol_table *table, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ol_table_text(table, text);
}

void ol_table_time(struct ol_table *table, int64_t at_us)
{
    char text[OL_CLOCK_TEXT_BYTES];
    ol_table_text(table, ol_clock_format(at_us, text) ? text : NULL);
}

void ol_table_rows(struct ol_table *table, const struct ol_pg_rows *rows)
{
    assert((size_t)ol_pg_column_count(rows) == table->column_count);
    for (int row = 0; row < rows->count; row++)
        for (int column = 0; column < (int)table->column_count; column++) {
            const char *value = ol_pg_string(rows, row, column);
            if (ol_pg_is_null(rows, row, column))
                ol_table_null(table);
            else if (table->columns[column].kind == OL_TABLE_BOOL)
                ol_table_text(table, value[0] == 't' ? "yes" : "no");
            else
                ol_table_text(table, value);
        }
}

/* ---- as JSON ---- */

static void add_json_cell(struct ol_text *line, const struct ol_table *table, size_t column,
                          const struct ol_table_cell *cell)
{
    const char *text = table->texts.bytes + cell->at;
    if (cell->is_null)
        ol_text_add(line, "null");
    else if (table->columns[column].kind == OL_TABLE_BOOL)
        ol_text_add(line, text[0] == 'y' ? "true" : "false");
    else if (table->columns[column].kind == OL_TABLE_SMALL)
        ol_text_add_bytes(line, text, cell->bytes);
    else
        ol_text_add_json_bytes(line, cell->bytes ? text : "", cell->bytes);
}

static void add_json_row(struct ol_text *line, const struct ol_table *table,
                         const struct ol_table_cell *cells)
{
    ol_text_add_char(line, '{');
    for (size_t i = 0; i < table->column_count; i++) {
        ol_text_addf(line, "%s\"%s\":", i ? "," : "", table->columns[i].name);
        add_json_cell(line, table, i, &cells[i]);
    }
    ol_text_add_char(line, '}');
}

void ol_table_add_json_row(const struct ol_table *table, size_t row, struct ol_text *text)
{
    text->failed |= table->failed || table->texts.failed;
    if (!text->failed)
        add_json_row(text, table, &table->cells[row * table->column_count]);
}

void ol_table_add_json(const struct ol_table *table, struct ol_text *text)
{
    text->failed |= table->failed;
    ol_text_add_char(text, '[');
    for (size_t i = 0; !text->failed && i < ol_table_row_count(table); i++) {
        ol_text_add(text, i ? "," : "");
        ol_table_add_json_row(table, i, text);
    }
    ol_text_add_char(text, ']');
}

/* ---- as text ---- */

/* Columns of a terminal, one for each character: near enough for ids and names. */
static size_t width_of(const char *text, size_t bytes)
{
    size_t width = 0;
    for (size_t at = 0; at < bytes; width++) {
        size_t length = ol_utf8_length(text + at, bytes - at);
        at += length ? length : 1;
    }
    return width;
}

/* A cell as it is shown: the table's own bytes, or "-". */
struct shown {
    const char *data;
    size_t bytes;
};

static struct shown shown_cell(const struct ol_table *table, const struct ol_table_cell *cell)
{
    if (cell->is_null)
        return (struct shown){"-", 1};
    if (cell->bytes == 0)
        return (struct shown){"", 0};
    return (struct shown){table->texts.bytes + cell->at, cell->bytes};
}

static bool is_right(const struct ol_table *table, size_t column)
{
    return table->columns[column].kind == OL_TABLE_NUMBER ||
           table->columns[column].kind == OL_TABLE_SMALL;
}

static void add_padding(struct ol_text *line, size_t width)
{
    while (width--)
        ol_text_add_char(line, ' ');
}

static void add_text_cell(struct ol_text *line, struct shown shown, size_t width, bool right,
                          bool last)
{
    size_t own = width_of(shown.data, shown.bytes);
    size_t padding = own < width ? width - own : 0;
    if (right)
        add_padding(line, padding);
    ol_text_add_shown(line, shown.data, shown.bytes);
    if (!right && !last)
        add_padding(line, padding);
}

static void add_heading(struct ol_text *line, const struct ol_table *table, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        char name[64];
        size_t bytes = 0;
        for (const char *c = table->columns[i].name; *c && bytes < sizeof name - 1; c++)
            name[bytes++] = *c == '_' ? ' ' : (char)toupper((unsigned char)*c);
        ol_text_add(line, i ? GAP : "");
        add_text_cell(line, (struct shown){name, bytes}, widths[i], is_right(table, i),
                      i + 1 == table->column_count);
    }
    ol_text_add_char(line, '\n');
}

static void add_text_row(struct ol_text *line, const struct ol_table *table,
                         const struct ol_table_cell *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        ol_text_add(line, i ? GAP : "");
        add_text_cell(line, shown_cell(table, &cells[i]), widths[i], is_right(table, i),
                      i + 1 == table->column_count);
    }
    ol_text_add_char(line, '\n');
}

static void measure(const struct ol_table *table, size_t *ret_widths)
{
    for (size_t i = 0; i < table->column_count; i++)
        ret_widths[i] = strlen(table->columns[i].name);
    for (size_t i = 0; i < table->cell_count; i++) {
        struct shown shown = shown_cell(table, &table->cells[i]);
        size_t width = width_of(shown.data, shown.bytes),
               *widest = &ret_widths[i % table->column_count];
        if (width > *widest)
            *widest = width;
    }
}

enum ol_class ol_table_print(const struct ol_table *table, FILE *out, struct ol_error *reterr)
{
    OL_AUTO(ol_text) struct ol_text lines = {0};
    size_t rows = table->failed ? 0 : ol_table_row_count(table);
    size_t *widths = calloc(table->column_count, sizeof *widths);
    bool failed = table->failed || table->texts.failed || !widths;
    if (!failed && rows && !table->json) {
        measure(table, widths);
        add_heading(&lines, table, widths);
    }
    for (size_t i = 0; i < rows && !failed; i++) {
        const struct ol_table_cell *cells = &table->cells[i * table->column_count];
        if (table->json) {
            add_json_row(&lines, table, cells);
            ol_text_add_char(&lines, '\n');
        } else {
            add_text_row(&lines, table, cells, widths);
        }
    }
    free(widths);
    if (failed || lines.failed)
        return ol_fail(reterr, OL_FATAL, "no memory for the rows to print");
    if (lines.size_bytes)
        fwrite(lines.bytes, 1, lines.size_bytes, out);
    return OL_OK;
}

enum ol_class ol_table_print_record(const struct ol_table *table, FILE *out,
                                    struct ol_error *reterr)
{
    OL_AUTO(ol_text) struct ol_text lines = {0};
    size_t widest = 0;
    bool failed = table->failed || table->texts.failed;
    for (size_t i = 0; i < table->column_count; i++)
        if (strlen(table->columns[i].name) > widest)
            widest = strlen(table->columns[i].name);
    for (size_t i = 0; i < table->column_count && !failed; i++) {
        struct shown value = shown_cell(table, &table->cells[i]);
        ol_text_addf(&lines, "%-*s" GAP, (int)widest, table->columns[i].name);
        ol_text_add_shown(&lines, value.data, value.bytes);
        ol_text_add_char(&lines, '\n');
    }
    if (failed || lines.failed)
        return ol_fail(reterr, OL_FATAL, "no memory for the rows to print");
    fwrite(lines.bytes, 1, lines.size_bytes, out);
    return OL_OK;
}
