#include <inttypes.h>
#include <string.h>

#include "lib/base/ol_text.h"
#include "lib/program/ol_options_table.h"

#define MASK         "********"
#define HELP_COLUMNS 80
#define HELP_INDENT  30 /* column of the help texts */

static const void *field_of(const struct ol_options *options, const struct ol_option_row *row)
{
    return (const char *)options + row->offset;
}

static bool has_default(const struct ol_option_row *row)
{
    return *row->default_text && row->type != OL_OPTION_TYPE_BOOL &&
           !(row->traits & (OL_OPTION_REQUIRED | OL_OPTION_SECRET | OL_OPTION_FLAG_ONLY));
}

/* Writes words with a break before the one that would pass the last column. */
static void print_wrapped(FILE *out, const char *text)
{
    size_t column = HELP_INDENT;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > HELP_INDENT && column + 1 + word > HELP_COLUMNS) {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, word, out);
        column += word;
        text += word + strspn(text + word, " ");
    }
    fputc('\n', out);
}

static void print_help_line(FILE *out, const char *left, const char *help)
{
    int width = fprintf(out, "  %s", left);
    if (width > HELP_INDENT - 2) {
        fputc('\n', out);
        width = 0;
    }
    fprintf(out, "%*s", HELP_INDENT - width, "");
    print_wrapped(out, help);
}

void ol_options_print_help(FILE *out, unsigned groups)
{
    groups |= OL_FOR_ALL;
    for (size_t id = 0; id < OL_OPTION_COUNT; id++) {
        const struct ol_option_row *row = &ol_option_rows[id];
        if (!(row->groups & groups))
            continue;
        char left[128], help[512];
        snprintf(left, sizeof left, "--%s%s%s", row->flag, *row->value_name ? " " : "",
                 row->value_name);
        if (row->traits & OL_OPTION_REQUIRED)
            snprintf(help, sizeof help, "%s (required)", row->help);
        else if (has_default(row))
            snprintf(help, sizeof help, "%s (default %s)", row->help, row->default_text);
        else
            snprintf(help, sizeof help, "%s", row->help);
        print_help_line(out, left, help);
    }
    if (groups & OL_FOR_KAFKA)
        print_help_line(out, "-X NAME=VALUE",
                        "set a property of librdkafka, as it is; may be repeated");
    fputs("\nA setting --some-name is also ORDERLOG_SOME_NAME in the environment and\n"
          "some_name in the INI file. `orderlog config show` prints where each came from.\n",
          out);
}

/* A number as the same setting would take it: a duration needs its unit unless the name has it. */
static void add_number(struct ol_text *text, const struct ol_option_row *row, int64_t value)
{
    size_t flag_bytes = strlen(row->flag);
    bool named = flag_bytes > 3 && strcmp(row->flag + flag_bytes - 3, "-ms") == 0;
    ol_text_add_int(text, value);
    if (row->type == OL_OPTION_TYPE_DURATION && !named)
        ol_text_add(text, "ms");
}

/* The value as a person would write it; lists with commas. */
static void add_value(struct ol_text *text, const struct ol_options *options,
                      const struct ol_option_row *row)
{
    const void *field = field_of(options, row);
    const struct ol_option_list *list = field;
    switch (row->type) {
    case OL_OPTION_TYPE_TEXT:
    case OL_OPTION_TYPE_CHOICE: ol_text_add(text, *(const char *const *)field); break;
    case OL_OPTION_TYPE_INT:
    case OL_OPTION_TYPE_DURATION:
    case OL_OPTION_TYPE_BYTES: add_number(text, row, *(const int64_t *)field); break;
    case OL_OPTION_TYPE_BOOL: ol_text_add(text, *(const bool *)field ? "true" : "false"); break;
    case OL_OPTION_TYPE_LIST:
        for (size_t i = 0; i < list->count; i++)
            ol_text_addf(text, "%s%s", i ? "," : "", list->items[i]);
        break;
    }
}

/* The value in its own JSON type; integers as strings, as everywhere. */
static void add_json_value(struct ol_text *text, const struct ol_options *options,
                           const struct ol_option_row *row)
{
    const void *field = field_of(options, row);
    const struct ol_option_list *list = field;
    switch (row->type) {
    case OL_OPTION_TYPE_TEXT:
    case OL_OPTION_TYPE_CHOICE: ol_text_add_json(text, *(const char *const *)field); break;
    case OL_OPTION_TYPE_INT:
    case OL_OPTION_TYPE_DURATION:
    case OL_OPTION_TYPE_BYTES:
        ol_text_add_char(text, '"');
        add_number(text, row, *(const int64_t *)field);
        ol_text_add_char(text, '"');
        break;
    case OL_OPTION_TYPE_BOOL: ol_text_add(text, *(const bool *)field ? "true" : "false"); break;
    case OL_OPTION_TYPE_LIST:
        ol_text_add_char(text, '[');
        for (size_t i = 0; i < list->count; i++) {
            ol_text_add(text, i ? "," : "");
            ol_text_add_json(text, list->items[i]);
        }
        ol_text_add_char(text, ']');
        break;
    }
}

static void show_line(FILE *out, bool json, const char *name, const char *value, const char *origin)
{
    struct ol_text line = {0};
    if (json) {
        ol_text_add(&line, "{\"name\":");
        ol_text_add_json(&line, name);
        ol_text_addf(&line, ",\"value\":%s,\"origin\":", value);
        ol_text_add_json(&line, origin);
        ol_text_add(&line, "}");
    } else {
        ol_text_addf(&line, "%-24s  %-40s  %s", name, *value ? value : "-", origin);
    }
    if (!line.failed)
        fprintf(out, "%s\n", ol_text_string(&line));
    ol_text_release(&line);
}

static void show_option(FILE *out, const struct ol_options *options, size_t id)
{
    const struct ol_option_row *row = &ol_option_rows[id];
    const char *origin = options->origins[id];
    bool unset = (row->traits & OL_OPTION_REQUIRED) && strcmp(origin, "default") == 0;
    char name[OL_OPTION_NAME_BYTES];
    struct ol_text value = {0};
    ol_option_ini_name(row, name);
    if (unset)
        ol_text_add(&value, options->json ? "null" : "");
    else if (row->traits & OL_OPTION_SECRET)
        ol_text_add(&value, options->json ? "\"" MASK "\"" : MASK);
    else if (options->json)
        add_json_value(&value, options, row);
    else
        add_value(&value, options, row);
    if (!value.failed)
        show_line(out, options->json, name, ol_text_string(&value), unset ? "unset" : origin);
    ol_text_release(&value);
}

static void show_property(FILE *out, const struct ol_options *options,
                          const struct ol_option_property *property)
{
    bool secret = ol_options_property_is_secret(property->name);
    struct ol_text name = {0}, value = {0};
    ol_text_addf(&name, "kafka.%s", property->name);
    if (options->json)
        ol_text_add_json(&value, secret ? MASK : property->value);
    else
        ol_text_add(&value, secret ? MASK : property->value);
    if (!name.failed && !value.failed)
        show_line(out, options->json, ol_text_string(&name), ol_text_string(&value),
                  property->origin);
    ol_text_release(&name);
    ol_text_release(&value);
}

void ol_options_show(FILE *out, const struct ol_options *options)
{
    for (size_t id = 0; id < OL_OPTION_COUNT; id++)
        if (!(ol_option_rows[id].traits & OL_OPTION_FLAG_ONLY))
            show_option(out, options, id);
    for (size_t i = 0; i < options->kafka_property_count; i++)
        show_property(out, options, &options->kafka_properties[i]);
}

/* A table cell: a bar would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_bounds(FILE *out, const struct ol_option_row *row)
{
    static const char *const units[] = {
        [OL_OPTION_TYPE_DURATION] = " ms", [OL_OPTION_TYPE_BYTES] = " bytes",
        [OL_OPTION_TYPE_LIST] = " items",  [OL_OPTION_TYPE_TEXT] = " bytes long",
        [OL_OPTION_TYPE_INT] = "",
    };
    switch (row->type) {
    case OL_OPTION_TYPE_CHOICE: print_cell(out, row->value_name); break;
    case OL_OPTION_TYPE_BOOL: fputs("true\\|false", out); break;
    default:
        if (row->max == INT64_MAX)
            fprintf(out, "from %" PRId64 "%s", row->min, units[row->type]);
        else
            fprintf(out, "%" PRId64 " to %" PRId64 "%s", row->min, row->max, units[row->type]);
    }
}

static void print_markdown_row(FILE *out, const struct ol_option_row *row)
{
    char env_name[OL_OPTION_NAME_BYTES];
    ol_option_env_name(row, "", env_name);
    fprintf(out, "| `--%s` | ", row->flag);
    if (!(row->traits & OL_OPTION_FLAG_ONLY))
        fprintf(out, "`%s`", env_name);
    if (row->traits & OL_OPTION_SECRET)
        fprintf(out, ", `%s_FILE`", env_name);
    fputs(has_default(row) ? " | `" : " | ", out);
    if (has_default(row))
        fprintf(out, "%s`", row->default_text);
    fputs(" | ", out);
    print_bounds(out, row);
    fputs(" | ", out);
    print_cell(out, row->help);
    fputs(row->traits & OL_OPTION_REQUIRED ? "; required |\n" : " |\n", out);
}

static void print_markdown_table(FILE *out, const char *title, bool flag_only)
{
    fprintf(out,
            "\n## %s\n\n| flag | environment | default | bounds | meaning |\n"
            "| --- | --- | --- | --- | --- |\n",
            title);
    for (size_t id = 0; id < OL_OPTION_COUNT; id++)
        if (!(ol_option_rows[id].traits & OL_OPTION_FLAG_ONLY) == !flag_only)
            print_markdown_row(out, &ol_option_rows[id]);
}

void ol_options_print_markdown(FILE *out)
{
    fputs("# Configuration\n\n"
          "Printed from `lib/program/ol_options.def`; `orderlog COMMAND --help` names those that a "
          "command takes.\n\n"
          "A setting comes from its flag, else `ORDERLOG_NAME`, else (secrets) the file that "
          "`ORDERLOG_NAME_FILE` names,\nelse the INI file (`--config` or `ORDERLOG_CONFIG`), else "
          "the default. `orderlog config show` prints every value\nand its origin, secrets "
          "masked. An empty variable counts as unset.\n\n"
          "The INI file has `name = value`, the flag's name with `_` for `-`, at its top or under "
          "`[orderlog]`. What stands\nunder `[kafka]`, like `-X name=value`, goes to librdkafka "
          "as it is. Lines have at most 198 bytes; `#` and `;` begin\ncomments.\n\n"
          "Durations are a number and `ms`, `s`, `m`, `h` or `d`; without unit, milliseconds if "
          "the name ends in `-ms`, else\nseconds. Sizes are a number and `KiB`, `MiB`, `GiB`; "
          "without unit, bytes. Lists have commas.\n",
          out);
    print_markdown_table(out, "Settings", false);
    print_markdown_table(out, "What one call is asked for", true);
}
