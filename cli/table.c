#include "cli/table.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_utf8.h"

#define GAP "  "

struct table_cell {
    size_t at, bytes; /* in texts */
    bool is_null;
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count,
                bool json)
{
    *table = (struct table){.columns = columns, .column_count = column_count, .json = json};
}

void table_clear(struct table *table)
{
    ol_text_clear(&table->texts);
    table->cell_count = 0;
    table->failed = false;
}

void table_release(struct table *table)
{
    ol_text_release(&table->texts);
    free(table->cells);
    *table = (struct table){0};
}

size_t table_row_count(const struct table *table)
{
    assert(table->cell_count % table->column_count == 0);
    return table->cell_count / table->column_count;
}

/* ---- cells ---- */

static struct table_cell *cell_add(struct table *table)
{
    if (table->cell_count == table->cell_capacity) {
        size_t capacity = table->cell_capacity ? 2 * table->cell_capacity : 256;
        struct table_cell *cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->failed = true;
            return NULL;
        }
        table->cells = cells;
        table->cell_capacity = capacity;
    }
    struct table_cell *cell = &table->cells[table->cell_count++];
    *cell = (struct table_cell){.at = table->texts.size_bytes};
    return cell;
}

/* What stands behind the cell's place in the texts is the cell's. */
static void cell_end(struct table *table, struct table_cell *cell)
{
    cell->bytes = table->texts.size_bytes - cell->at;
}

void table_null(struct table *table)
{
    struct table_cell *cell = cell_add(table);
    if (cell)
        cell->is_null = true;
}

void table_bytes(struct table *table, struct text text)
{
    struct table_cell *cell = cell_add(table);
    if (!cell)
        return;
    if (text.bytes)
        ol_text_add_bytes(&table->texts, text.data, text.bytes);
    cell_end(table, cell);
}

void table_text(struct table *table, const char *text)
{
    if (!text)
        table_null(table);
    else
        table_bytes(table, text_of(text));
}

void table_int(struct table *table, int64_t value)
{
    struct table_cell *cell = cell_add(table);
    if (!cell)
        return;
    ol_text_add_int(&table->texts, value);
    cell_end(table, cell);
}

void table_bool(struct table *table, bool value)
{
    table_text(table, value ? "yes" : "no");
}

void table_addf(struct table *table, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    table_text(table, text);
}

void table_time(struct table *table, int64_t at_us)
{
    char text[OL_CLOCK_TEXT_BYTES];
    table_text(table, ol_clock_format(at_us, text) ? text : NULL);
}

void table_rows(struct table *table, const struct ol_pg_rows *rows)
{
    assert((size_t)ol_pg_column_count(rows) == table->column_count);
    for (int row = 0; row < rows->count; row++)
        for (int column = 0; column < (int)table->column_count; column++) {
            const char *value = ol_pg_string(rows, row, column);
            if (ol_pg_is_null(rows, row, column))
                table_null(table);
            else if (table->columns[column].kind == TABLE_BOOL)
                table_bool(table, value[0] == 't');
            else
                table_text(table, value);
        }
}

/* ---- as JSON ---- */

static void add_json_cell(struct ol_text *line, const struct table *table, size_t column,
                          const struct table_cell *cell)
{
    const char *text = table->texts.bytes + cell->at;
    if (cell->is_null)
        ol_text_add(line, "null");
    else if (table->columns[column].kind == TABLE_BOOL)
        ol_text_add(line, text[0] == 'y' ? "true" : "false");
    else if (table->columns[column].kind == TABLE_SMALL)
        ol_text_add_bytes(line, text, cell->bytes);
    else
        ol_text_add_json_bytes(line, cell->bytes ? text : "", cell->bytes);
}

static void add_json_row(struct ol_text *line, const struct table *table,
                         const struct table_cell *cells)
{
    ol_text_add_char(line, '{');
    for (size_t i = 0; i < table->column_count; i++) {
        ol_text_addf(line, "%s\"%s\":", i ? "," : "", table->columns[i].name);
        add_json_cell(line, table, i, &cells[i]);
    }
    ol_text_add_char(line, '}');
}

void table_add_json_row(const struct table *table, size_t row, struct ol_text *text)
{
    text->failed |= table->failed || table->texts.failed;
    if (!text->failed)
        add_json_row(text, table, &table->cells[row * table->column_count]);
}

void table_add_json(const struct table *table, struct ol_text *text)
{
    text->failed |= table->failed;
    ol_text_add_char(text, '[');
    for (size_t i = 0; !text->failed && i < table_row_count(table); i++) {
        ol_text_add(text, i ? "," : "");
        table_add_json_row(table, i, text);
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

static struct text shown_text(const struct table *table, const struct table_cell *cell)
{
    if (cell->is_null)
        return TEXT("-");
    if (cell->bytes == 0)
        return TEXT("");
    return (struct text){table->texts.bytes + cell->at, (uint32_t)cell->bytes};
}

static bool is_right(const struct table *table, size_t column)
{
    return table->columns[column].kind == TABLE_NUMBER ||
           table->columns[column].kind == TABLE_SMALL;
}

static void add_padding(struct ol_text *line, size_t width)
{
    while (width--)
        ol_text_add_char(line, ' ');
}

static void add_text_cell(struct ol_text *line, struct text text, size_t width, bool right,
                          bool last)
{
    size_t own = width_of(text.data, text.bytes);
    size_t padding = own < width ? width - own : 0;
    if (right)
        add_padding(line, padding);
    ol_text_add_shown(line, text.data, text.bytes);
    if (!right && !last)
        add_padding(line, padding);
}

static void add_heading(struct ol_text *line, const struct table *table, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        char name[64];
        size_t bytes = 0;
        for (const char *c = table->columns[i].name; *c && bytes < sizeof name - 1; c++)
            name[bytes++] = *c == '_' ? ' ' : (char)toupper((unsigned char)*c);
        ol_text_add(line, i ? GAP : "");
        add_text_cell(line, (struct text){name, (uint32_t)bytes}, widths[i], is_right(table, i),
                      i + 1 == table->column_count);
    }
    ol_text_add_char(line, '\n');
}

static void add_text_row(struct ol_text *line, const struct table *table,
                         const struct table_cell *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        ol_text_add(line, i ? GAP : "");
        add_text_cell(line, shown_text(table, &cells[i]), widths[i], is_right(table, i),
                      i + 1 == table->column_count);
    }
    ol_text_add_char(line, '\n');
}

static void measure(const struct table *table, size_t *ret_widths)
{
    for (size_t i = 0; i < table->column_count; i++)
        ret_widths[i] = strlen(table->columns[i].name);
    for (size_t i = 0; i < table->cell_count; i++) {
        struct text text = shown_text(table, &table->cells[i]);
        size_t width = width_of(text.data, text.bytes),
               *widest = &ret_widths[i % table->column_count];
        if (width > *widest)
            *widest = width;
    }
}

enum ol_class table_print(const struct table *table, FILE *out, struct ol_error *reterr)
{
    OL_AUTO(ol_text) struct ol_text lines = {0};
    size_t rows = table->failed ? 0 : table_row_count(table);
    size_t *widths = calloc(table->column_count, sizeof *widths);
    bool failed = table->failed || table->texts.failed || !widths;
    if (!failed && rows && !table->json) {
        measure(table, widths);
        add_heading(&lines, table, widths);
    }
    for (size_t i = 0; i < rows && !failed; i++) {
        const struct table_cell *cells = &table->cells[i * table->column_count];
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

enum ol_class table_print_record(const struct table *table, FILE *out, struct ol_error *reterr)
{
    OL_AUTO(ol_text) struct ol_text lines = {0};
    size_t widest = 0;
    bool failed = table->failed || table->texts.failed;
    for (size_t i = 0; i < table->column_count; i++)
        if (strlen(table->columns[i].name) > widest)
            widest = strlen(table->columns[i].name);
    for (size_t i = 0; i < table->column_count && !failed; i++) {
        struct text value = shown_text(table, &table->cells[i]);
        ol_text_addf(&lines, "%-*s" GAP, (int)widest, table->columns[i].name);
        ol_text_add_shown(&lines, value.data, value.bytes);
        ol_text_add_char(&lines, '\n');
    }
    if (failed || lines.failed)
        return ol_fail(reterr, OL_FATAL, "no memory for the rows to print");
    fwrite(lines.bytes, 1, lines.size_bytes, out);
    return OL_OK;
}
