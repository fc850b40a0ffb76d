#include "verify/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/program/ol_table.h"

static const struct check_row {
    const char *name;
    bool settled;
    const char *help;
} rows[CHECK_COUNT] = {
#define CHECK(check, settled, help) {#check, settled, help},
#include "verify/findings.def"
#undef CHECK
};

static const struct ol_table_column finding_columns[] = {
    {"check", OL_TABLE_TEXT},
    {"where", OL_TABLE_TEXT},
    {"what", OL_TABLE_TEXT},
};

static const struct ol_table_column check_columns[] = {
    {"check", OL_TABLE_TEXT},       {"set", OL_TABLE_TEXT},     {"result", OL_TABLE_TEXT},
    {"looked_at", OL_TABLE_NUMBER}, {"wrong", OL_TABLE_NUMBER}, {"means", OL_TABLE_TEXT},
};

void findings_release(struct findings *findings)
{
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        struct check_state *state = &findings->checks[i];
        for (int64_t j = 0; j < state->kept_count; j++) {
            free(state->kept[j].where);
            free(state->kept[j].what);
        }
        free(state->kept);
    }
    *findings = (struct findings){0};
}

/* Room for one more; NULL: it is only counted. */
static struct finding *keep(struct check_state *state, bool all)
{
    struct finding *kept = NULL;
    if (all || state->kept_count < FINDINGS_KEPT)
        kept = realloc(state->kept, (size_t)(state->kept_count + 1) * sizeof *kept);
    if (!kept)
        return NULL;
    state->kept = kept;
    return &kept[state->kept_count++];
}

void findings_add(struct findings *findings, enum check check, const char *where,
                  const char *format, ...)
{
    struct check_state *state = &findings->checks[check];
    struct finding *finding = keep(state, check == CHECK_LEFT_STUCK);
    if (finding) {
        va_list arguments;
        va_start(arguments, format);
        finding->where = strdup(where);
        if (vasprintf(&finding->what, format, arguments) < 0)
            finding->what = NULL;
        va_end(arguments);
    }
    state->wrong++;
}

int64_t findings_wrong(const struct findings *findings)
{
    int64_t wrong = 0;
    for (size_t i = 0; i < CHECK_COUNT; i++)
        wrong += findings->checks[i].wrong;
    return wrong;
}

/* "ROWS_orders" is "rows_orders". */
static void add_name(struct ol_table *table, enum check check)
{
    char name[32];
    size_t bytes = 0;
    for (const char *c = rows[check].name; *c && bytes < sizeof name - 1; c++)
        name[bytes++] = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    name[bytes] = '\0';
    ol_table_text(table, name);
}

static enum ol_class print_findings(const struct findings *findings, bool json,
                                    struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, finding_columns, sizeof finding_columns / sizeof *finding_columns, json);
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        const struct check_state *state = &findings->checks[i];
        for (int64_t j = 0; j < state->kept_count; j++) {
            add_name(&table, (enum check)i);
            ol_table_text(&table, state->kept[j].where);
            ol_table_text(&table, state->kept[j].what);
        }
        if (state->wrong > state->kept_count) {
            add_name(&table, (enum check)i);
            ol_table_null(&table);
            ol_table_addf(&table, "and %lld more", (long long)(state->wrong - state->kept_count));
        }
    }
    enum ol_class class = ol_table_print(&table, stdout, reterr);
    if (!class && !json && ol_table_row_count(&table))
        putchar('\n');
    return class;
}

static const char *result_of(const struct findings *findings, enum check check)
{
    if (findings->checks[check].wrong)
        return "WRONG";
    return rows[check].settled && !findings->settled ? "not checked" : "ok";
}

enum ol_class findings_print(const struct findings *findings, bool json, struct ol_error *reterr)
{
    enum ol_class class = print_findings(findings, json, reterr);
    if (class)
        return class;
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, check_columns, sizeof check_columns / sizeof *check_columns, json);
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        add_name(&table, (enum check)i);
        ol_table_text(&table, rows[i].settled ? "settled" : "always");
        ol_table_text(&table, result_of(findings, (enum check)i));
        ol_table_int(&table, findings->checks[i].looked_at);
        ol_table_int(&table, findings->checks[i].wrong);
        ol_table_text(&table, rows[i].help);
    }
    return ol_table_print(&table, stdout, reterr);
}
