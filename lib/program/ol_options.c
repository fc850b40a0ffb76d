#include "lib/program/ol_options.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_int.h"
#include "lib/program/ol_options_table.h"

const struct ol_option_row ol_option_rows[OL_OPTION_COUNT] = {
#define OL_OPTION(type_, field_, flag_, default_, min_, max_, groups_, traits_, value_, help_)     \
    [OL_OPTION_ID_##field_] = {.type = OL_OPTION_TYPE_##type_,                                     \
                               .offset = offsetof(struct ol_options, field_),                      \
                               .flag = (flag_),                                                    \
                               .default_text = (default_),                                         \
                               .min = (min_),                                                      \
                               .max = (max_),                                                      \
                               .groups = (groups_),                                                \
                               .traits = (traits_),                                                \
                               .value_name = (value_),                                             \
                               .help = (help_)},
#include "lib/program/ol_options.def"
#undef OL_OPTION
};

/* The longest flag must leave room for "ORDERLOG_" and "_FILE". */
#define OL_OPTION(type, field, flag, ...)                                                          \
    _Static_assert(sizeof("ORDERLOG_" flag "_FILE") <= OL_OPTION_NAME_BYTES, flag);
#include "lib/base/ol_nearest.h"
#include "lib/program/ol_options.def"
#undef OL_OPTION

/* Pairs of which the first may not be above the second. */
static const enum ol_option_id ascending[][2] = {
    {OL_OPTION_ID_min_insync, OL_OPTION_ID_replication_factor},
    {OL_OPTION_ID_overlay_bytes, OL_OPTION_ID_overlay_bytes_max},
};

/* One call of ol_options_init(). A source is asked only for what those before it left open:
 * `texts` holds what was found, options->origins where. */
struct reading {
    struct ol_options *options;
    struct ol_option_property *properties; /* options->kafka_properties, to be written */
    const char *texts[OL_OPTION_COUNT];
    const char *command;
    unsigned groups;
    struct ol_error *reterr;
};

struct ini_reading {
    struct reading *reading;
    FILE *file;
    const char *path;
    int line;
    bool in_file[OL_OPTION_COUNT];
    enum ol_class class;
};

static enum ol_class read_flags(struct reading *reading, int argc, char *const argv[]);
static enum ol_class read_environment(struct reading *reading);
static enum ol_class read_ini(struct reading *reading);
static enum ol_class read_values(struct reading *reading);
static enum ol_class check_required(const struct reading *reading);
static enum ol_class check_ascending(const struct reading *reading);

enum ol_class ol_options_init(struct ol_options *ret_options, const char *command, unsigned groups,
                              int argc, char *const argv[], struct ol_error *reterr)
{
    *ret_options = (struct ol_options){0};
    ol_arena_init(&ret_options->arena, 8192, 0);
    struct reading reading = {.options = ret_options,
                              .command = command,
                              .groups = groups | OL_FOR_ALL,
                              .reterr = reterr};
    size_t property_bytes = OL_OPTION_PROPERTIES_MAX * sizeof(struct ol_option_property);
    reading.properties = ol_arena_alloc(&ret_options->arena, property_bytes);
    ret_options->kafka_properties = reading.properties;

    enum ol_class class = reading.properties ? OL_OK : ol_fail(reterr, OL_FATAL, "out of memory");
    if (!class)
        class = read_flags(&reading, argc, argv);
    if (!class)
        class = read_environment(&reading);
    if (!class)
        class = read_ini(&reading);
    if (!class)
        class = read_values(&reading);
    if (!class && !ret_options->help)
        class = check_required(&reading);
    if (!class)
        class = check_ascending(&reading);
    if (class)
        ol_options_release(ret_options);
    return class;
}

void ol_options_release(struct ol_options *options)
{
    ol_arena_release(&options->arena);
    *options = (struct ol_options){0};
}

static const struct ol_option_property *find_property(const struct ol_options *options,
                                                      const char *name)
{
    for (size_t i = 0; i < options->kafka_property_count; i++)
        if (strcmp(options->kafka_properties[i].name, name) == 0)
            return &options->kafka_properties[i];
    return NULL;
}

bool ol_options_property_is_secret(const char *name)
{
    static const char *const marks[] = {"password", "secret", "token",
                                        "key.pem",  "jaas",   "oauthbearer.config"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strcasestr(name, marks[i]))
            return true;
    return false;
}

void ol_option_ini_name(const struct ol_option_row *row, char ret_name[OL_OPTION_NAME_BYTES])
{
    size_t at = 0;
    for (; row->flag[at]; at++)
        ret_name[at] = row->flag[at] == '-' ? '_' : row->flag[at];
    ret_name[at] = '\0';
}

void ol_option_env_name(const struct ol_option_row *row, const char *suffix,
                        char ret_name[OL_OPTION_NAME_BYTES])
{
    char name[OL_OPTION_NAME_BYTES];
    ol_option_ini_name(row, name);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    stpcpy(stpcpy(stpcpy(ret_name, "ORDERLOG_"), name), suffix);
}

/* ---- did you mean ...? ---- */

/* NULL when nothing is near enough to be what was meant. */
static const struct ol_option_row *nearest_row(const char *flag, unsigned groups)
{
    const struct ol_option_row *meant = NULL;
    struct ol_nearest nearest = ol_nearest_to(flag);
    for (size_t i = 0; i < OL_OPTION_COUNT; i++)
        if (ol_option_rows[i].groups & groups && ol_nearest_is(&nearest, ol_option_rows[i].flag))
            meant = &ol_option_rows[i];
    return meant;
}

/* Compares in the flag's spelling: INI names are the same with _ for -. */
static const struct ol_option_row *find_row(const char *name, size_t size_bytes)
{
    for (size_t i = 0; i < OL_OPTION_COUNT; i++)
        if (strlen(ol_option_rows[i].flag) == size_bytes &&
            memcmp(ol_option_rows[i].flag, name, size_bytes) == 0)
            return &ol_option_rows[i];
    return NULL;
}

static enum ol_class out_of_memory(const struct reading *reading)
{
    return ol_fail(reading->reterr, OL_FATAL, "out of memory");
}

/* Keeps a copy of the text as what this row was given. */
static enum ol_class keep(struct reading *reading, const struct ol_option_row *row,
                          const char *text, const char *origin)
{
    struct ol_arena *arena = &reading->options->arena;
    ptrdiff_t id = row - ol_option_rows;
    reading->texts[id] = ol_arena_copy(arena, text, strlen(text));
    reading->options->origins[id] = ol_arena_copy(arena, origin, strlen(origin));
    if (!reading->texts[id] || !reading->options->origins[id])
        return out_of_memory(reading);
    return OL_OK;
}

/* ---- librdkafka's properties ---- */

static enum ol_class set_property(struct reading *reading, const char *name, size_t name_bytes,
                                  const char *value, const char *origin)
{
    struct ol_options *options = reading->options;
    char *name_copy = ol_arena_copy(&options->arena, name, name_bytes);
    char *value_copy = ol_arena_copy(&options->arena, value, strlen(value));
    char *origin_copy = ol_arena_copy(&options->arena, origin, strlen(origin));
    if (!name_copy || !value_copy || !origin_copy)
        return out_of_memory(reading);

    size_t at = 0;
    while (at < options->kafka_property_count &&
           strcmp(reading->properties[at].name, name_copy) != 0)
        at++;
    if (at == OL_OPTION_PROPERTIES_MAX)
        return ol_fail(reading->reterr, OL_USAGE, "more than %d librdkafka properties",
                       OL_OPTION_PROPERTIES_MAX);
    reading->properties[at] = (struct ol_option_property){name_copy, value_copy, origin_copy};
    if (at == options->kafka_property_count)
        options->kafka_property_count++;
    return OL_OK;
}

static enum ol_class read_property_flag(struct reading *reading, const char *text)
{
    const char *equals = text ? strchr(text, '=') : NULL;
    if (!(reading->groups & OL_FOR_KAFKA))
        return ol_fail(reading->reterr, OL_USAGE, "orderlog %s takes no -X", reading->command);
    if (!equals || equals == text)
        return ol_fail(reading->reterr, OL_USAGE, "-X needs name=value");
    return set_property(reading, text, (size_t)(equals - text), equals + 1, "flag");
}

/* ---- flags ---- */

/* What begins with a dash may be an id or a file. */
static enum ol_class unknown_word(const struct reading *reading, const char *dashes,
                                  const char *word)
{
    if (!(reading->groups & OL_TAKES_ARGUMENTS) || reading->groups == OL_FOR_EVERYTHING)
        return ol_fail(reading->reterr, OL_USAGE, "orderlog %s has no option %s%.60s",
                       reading->command, dashes, word);
    return ol_fail(reading->reterr, OL_USAGE,
                   "orderlog %s has no option %s%.60s; what begins with a dash and is none stands "
                   "behind --: orderlog %s -- %s%.60s",
                   reading->command, dashes, word, reading->command, dashes, word);
}

static enum ol_class unknown_flag(const struct reading *reading, const char *flag)
{
    const struct ol_option_row *near = nearest_row(flag, reading->groups);
    if (near)
        return ol_fail(reading->reterr, OL_USAGE,
                       "orderlog %s has no option --%s; did you mean --%s?", reading->command, flag,
                       near->flag);
    return unknown_word(reading, "--", flag);
}

/* `word` is argv's, after "--"; `next` the word after it, NULL at the end. *ret_used_next says
 * whether that was this flag's value. */
static enum ol_class read_flag(struct reading *reading, const char *word, const char *next,
                               bool *ret_used_next)
{
    size_t size_bytes = strcspn(word, "=");
    const char *value = word[size_bytes] == '=' ? word + size_bytes + 1 : NULL;
    const struct ol_option_row *row = find_row(word, size_bytes);
    bool negated = false;
    if (!row && size_bytes > 3 && strncmp(word, "no-", 3) == 0) {
        row = find_row(word + 3, size_bytes - 3);
        negated = true;
    }
    if (!row || (negated && row->type != OL_OPTION_TYPE_BOOL)) {
        char name[OL_OPTION_NAME_BYTES];
        snprintf(name, sizeof name, "%.*s", (int)(size_bytes > 60 ? 60 : size_bytes), word);
        return unknown_flag(reading, name);
    }
    if (!(row->groups & reading->groups))
        return ol_fail(reading->reterr, OL_USAGE, "orderlog %s takes no --%s", reading->command,
                       row->flag);
    if (negated && value)
        return ol_fail(reading->reterr, OL_USAGE, "--no-%s takes no value", row->flag);
    if (row->type == OL_OPTION_TYPE_BOOL)
        return keep(reading, row, value ? value : negated ? "false" : "true", "flag");

    if (!value && (!next || strncmp(next, "--", 2) == 0))
        return ol_fail(reading->reterr, OL_USAGE, "--%s needs a value: %s", row->flag,
                       row->value_name);
    *ret_used_next = !value;
    return keep(reading, row, value ? value : next, "flag");
}

static enum ol_class read_flags(struct reading *reading, int argc, char *const argv[])
{
    struct ol_options *options = reading->options;
    const char **arguments =
        ol_arena_zalloc(&options->arena, ((size_t)argc + 1) * sizeof(const char *));
    if (!arguments)
        return out_of_memory(reading);
    options->arguments = arguments;

    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool used_next = false;
        enum ol_class class = OL_OK;
        if (only_arguments || word[0] != '-' || word[1] == '\0') {
            char *copy = ol_arena_copy(&options->arena, word, strlen(word));
            class = copy ? OL_OK : out_of_memory(reading);
            arguments[options->argument_count++] = copy;
        } else if (strcmp(word, "--") == 0) {
            only_arguments = true;
        } else if (word[1] == 'X') {
            used_next = word[2] == '\0';
            class = read_property_flag(reading, used_next ? next : word + 2);
        } else if (strcmp(word, "-h") == 0) {
            class = read_flag(reading, "help", NULL, &used_next);
        } else if (word[1] == '-') {
            class = read_flag(reading, word + 2, next, &used_next);
        } else {
            class = unknown_word(reading, "", word);
        }
        if (class)
            return class;
        i += used_next;
    }
    return OL_OK;
}

/* ---- environment ---- */

static enum ol_class read_secret_file(struct reading *reading, const struct ol_option_row *row,
                                      const char *env_name, const char *path)
{
    char secret[OL_OPTION_SECRET_BYTES + 2];
    FILE *file = fopen(path, "re");
    if (!file)
        return ol_fail(reading->reterr, OL_USAGE, "%s: %s: %s", env_name, path, strerror(errno));
    size_t size = fread(secret, 1, sizeof secret - 1, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed)
        return ol_fail(reading->reterr, OL_USAGE, "%s: %s: cannot be read", env_name, path);
    if (size > OL_OPTION_SECRET_BYTES)
        return ol_fail(reading->reterr, OL_USAGE, "%s: %s: more than %d bytes", env_name, path,
                       OL_OPTION_SECRET_BYTES);
    while (size && (secret[size - 1] == '\n' || secret[size - 1] == '\r'))
        size--;
    secret[size] = '\0';
    return keep(reading, row, secret, env_name);
}

static enum ol_class read_environment(struct reading *reading)
{
    for (size_t id = 0; id < OL_OPTION_COUNT; id++) {
        const struct ol_option_row *row = &ol_option_rows[id];
        char name[OL_OPTION_NAME_BYTES];
        if (reading->texts[id] || (row->traits & OL_OPTION_FLAG_ONLY))
            continue;
        enum ol_class class = OL_OK;
        ol_option_env_name(row, "", name);
        const char *value = getenv(name);
        if (value && *value) {
            class = keep(reading, row, value, name);
        } else if (row->traits & OL_OPTION_SECRET) {
            ol_option_env_name(row, "_FILE", name);
            const char *path = getenv(name);
            if (path && *path)
                class = read_secret_file(reading, row, name, path);
        }
        if (class)
            return class;
    }
    return OL_OK;
}

/* ---- INI file ---- */

static enum ol_class ini_fail(struct ini_reading *ini, const char *what, const char *name)
{
    return ini->class = ol_fail(ini->reading->reterr, OL_USAGE, "%s:%d: %s%s", ini->path, ini->line,
                                what, name);
}

/* fgets that counts lines and refuses those that would be cut. libinih asks on after a fault,
 * so the end is reported from then on. */
static char *ini_read_line(char *line, int size, void *stream)
{
    struct ini_reading *ini = stream;
    if (ini->class || !fgets(line, size, ini->file))
        return NULL;
    ini->line++;
    if (!strchr(line, '\n') && strlen(line) == (size_t)size - 1) {
        char bound[32];
        snprintf(bound, sizeof bound, "%d bytes", size - 2);
        ini_fail(ini, "longer than ", bound);
        return NULL;
    }
    return line;
}

static enum ol_class ini_unknown(struct ini_reading *ini, const char *flag)
{
    const struct ol_option_row *near = nearest_row(flag, ~0u);
    char name[OL_OPTION_NAME_BYTES], what[OL_OPTION_NAME_BYTES + 64];
    if (!near || (near->traits & OL_OPTION_FLAG_ONLY))
        return ini_fail(ini, "there is no setting ", flag);
    ol_option_ini_name(near, name);
    snprintf(what, sizeof what, "there is no setting %.60s; did you mean ", flag);
    return ini_fail(ini, what, name);
}

static enum ol_class ini_setting(struct ini_reading *ini, const char *name, const char *value,
                                 const char *origin)
{
    char flag[OL_OPTION_NAME_BYTES];
    snprintf(flag, sizeof flag, "%s", name);
    for (char *c = flag; *c; c++)
        if (*c == '_')
            *c = '-';
    const struct ol_option_row *row = find_row(flag, strlen(flag));
    if (!row)
        return ini_unknown(ini, flag);
    ptrdiff_t id = row - ol_option_rows;
    if ((row->traits & OL_OPTION_FLAG_ONLY) || id == OL_OPTION_ID_config)
        return ini_fail(ini, "this can only be given as a flag: --", row->flag);
    if (ini->in_file[id])
        return ini_fail(ini, "for the second time: ", name);
    ini->in_file[id] = true;
    if (ini->reading->texts[id])
        return OL_OK;
    return ini->class = keep(ini->reading, row, value, origin);
}

/* A flag beats the file. */
static enum ol_class ini_property(struct ini_reading *ini, const char *name, const char *value,
                                  const char *origin)
{
    const struct ol_option_property *known = find_property(ini->reading->options, name);
    if (!known)
        return ini->class = set_property(ini->reading, name, strlen(name), value, origin);
    if (strcmp(known->origin, "flag") != 0)
        return ini_fail(ini, "for the second time: ", name);
    return OL_OK;
}

/* libinih's handler; 0 marks a fault. */
static int ini_take(void *user, const char *section, const char *name, const char *value)
{
    struct ini_reading *ini = user;
    char origin[256];
    snprintf(origin, sizeof origin, "%s:%d", ini->path, ini->line);
    if (ini->class)
        return 0;
    if (!*name) {
        ini_fail(ini, "no name before the value", "");
    } else if (strcmp(section, "kafka") == 0) {
        ini_property(ini, name, value, origin);
    } else if (*section && strcmp(section, "orderlog") != 0) {
        ini_fail(ini, "there is no section ", section);
    } else {
        ini_setting(ini, name, value, origin);
    }
    return ini->class == OL_OK;
}

static enum ol_class read_ini(struct reading *reading)
{
    const char *path = reading->texts[OL_OPTION_ID_config];
    if (!path || !*path)
        return OL_OK;
    struct ini_reading ini = {.reading = reading, .path = path, .file = fopen(path, "re")};
    if (!ini.file)
        return ol_fail(reading->reterr, OL_USAGE, "--config: %s: %s", path, strerror(errno));
    int bad_line = ini_parse_stream(ini_read_line, &ini, ini_take, &ini);
    bool failed = ferror(ini.file);
    fclose(ini.file);
    if (ini.class)
        return ini.class;
    if (failed)
        return ol_fail(reading->reterr, OL_USAGE, "--config: %s: cannot be read", path);
    if (bad_line)
        return ol_fail(reading->reterr, OL_USAGE, "%s:%d: neither [section] nor name = value", path,
                       bad_line);
    return OL_OK;
}

/* ---- from texts to values ---- */

/* How an error names where a text came from: "--slot", "ORDERLOG_SLOT", "file.ini:3: slot". */
static enum ol_class bad_value(const struct reading *reading, size_t id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum ol_class bad_value(const struct reading *reading, size_t id, const char *format, ...)
{
    const struct ol_option_row *row = &ol_option_rows[id];
    const char *origin = reading->options->origins[id];
    char why[256], name[OL_OPTION_NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);

    if (strcmp(origin, "flag") == 0)
        return ol_fail(reading->reterr, OL_USAGE, "--%s: %s", row->flag, why);
    if (strncmp(origin, "ORDERLOG_", 9) == 0)
        return ol_fail(reading->reterr, OL_USAGE, "%s: %s", origin, why);
    ol_option_ini_name(row, name);
    return ol_fail(reading->reterr, OL_USAGE, "%s: %s: %s", origin, name, why);
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit byte_units[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
                                         {"k", 1 << 10},   {"K", 1 << 10},   {"M", 1 << 20},
                                         {"G", 1 << 30},   {NULL, 0}};

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text), end_size = strlen(end);
    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

/* Moves *size_bytes before the unit; 0 if there is no such unit. */
static int64_t read_unit(const struct ol_option_row *row, const char *text, size_t *size_bytes)
{
    size_t digits = strspn(text, "-0123456789");
    bool in_seconds = row->type == OL_OPTION_TYPE_DURATION && !ends_with(row->flag, "-ms");
    if (text[digits] == '\0')
        return in_seconds ? 1000 : 1;
    if (row->type == OL_OPTION_TYPE_INT)
        return 0;
    const struct unit *unit = row->type == OL_OPTION_TYPE_BYTES ? byte_units : duration_units;
    while (unit->name && strcmp(unit->name, text + digits) != 0)
        unit++;
    *size_bytes = digits;
    return unit->factor;
}

static enum ol_class read_number(const struct reading *reading, size_t id, int64_t *ret_value)
{
    static const char *const what[] = {
        [OL_OPTION_TYPE_INT] = "a whole number",
        [OL_OPTION_TYPE_DURATION] = "a duration such as 500ms, 30s, 15m, 2h, 7d",
        [OL_OPTION_TYPE_BYTES] = "a size such as 4096, 64KiB, 1MiB",
    };
    const struct ol_option_row *row = &ol_option_rows[id];
    const char *text = reading->texts[id];
    size_t size_bytes = strlen(text);
    int64_t factor = read_unit(row, text, &size_bytes), value = 0;

    enum ol_int fault = OL_INT_BAD;
    if (factor)
        fault = ol_int_parse(text, size_bytes, INT64_MIN, INT64_MAX, &value);
    if (fault == OL_INT_BAD)
        return bad_value(reading, id, "'%.60s' is not %s", text, what[row->type]);
    bool for_ever = fault == OL_INT_OK && value == -1 && row->min == -1;
    bool outside = fault || (!for_ever && __builtin_mul_overflow(value, factor, &value));
    if (outside || value < row->min || value > row->max)
        return bad_value(reading, id, "%.60s is outside %lld to %lld%s", text, (long long)row->min,
                         (long long)row->max,
                         row->type == OL_OPTION_TYPE_DURATION ? " ms"
                         : row->type == OL_OPTION_TYPE_BYTES  ? " bytes"
                                                              : "");
    *ret_value = value;
    return OL_OK;
}

static enum ol_class read_bool(const struct reading *reading, size_t id, bool *ret_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(reading->texts[id], words[i].word) == 0) {
            *ret_value = words[i].value;
            return OL_OK;
        }
    }
    return bad_value(reading, id, "'%.60s' is neither true nor false", reading->texts[id]);
}

static enum ol_class check_choice(const struct reading *reading, size_t id)
{
    const char *text = reading->texts[id];
    size_t size_bytes = strlen(text);
    for (const char *word = ol_option_rows[id].value_name; *word;) {
        size_t word_bytes = strcspn(word, "|");
        if (word_bytes == size_bytes && memcmp(word, text, size_bytes) == 0)
            return OL_OK;
        word += word_bytes + (word[word_bytes] == '|');
    }
    return bad_value(reading, id, "'%.60s' is not one of %s", text, ol_option_rows[id].value_name);
}

static enum ol_class check_text(const struct reading *reading, size_t id)
{
    const struct ol_option_row *row = &ol_option_rows[id];
    size_t size_bytes = strlen(reading->texts[id]);
    if ((int64_t)size_bytes < row->min || (int64_t)size_bytes > row->max)
        return bad_value(reading, id, "%zu bytes; must have %lld to %lld", size_bytes,
                         (long long)row->min, (long long)row->max);
    return OL_OK;
}

static enum ol_class read_list(const struct reading *reading, size_t id,
                               struct ol_option_list *ret_list)
{
    const struct ol_option_row *row = &ol_option_rows[id];
    struct ol_arena *arena = &reading->options->arena;
    const char **items = ol_arena_alloc(arena, (size_t)row->max * sizeof(const char *));
    if (!items)
        return out_of_memory(reading);

    int64_t count = 0;
    const char *at = reading->texts[id];
    while (*at) {
        at += strspn(at, " ");
        size_t size_bytes = strcspn(at, ","), next = size_bytes;
        while (size_bytes && at[size_bytes - 1] == ' ')
            size_bytes--;
        if (size_bytes == 0 || (at[next] == ',' && at[next + 1] == '\0'))
            return bad_value(reading, id, "an item is empty");
        if (count == row->max)
            return bad_value(reading, id, "more than %lld items", (long long)row->max);
        items[count] = ol_arena_copy(arena, at, size_bytes);
        if (!items[count++])
            return out_of_memory(reading);
        at += next + (at[next] == ',');
    }
    if (count < row->min)
        return bad_value(reading, id, "must have at least %lld items", (long long)row->min);
    *ret_list = (struct ol_option_list){items, (size_t)count};
    return OL_OK;
}

static enum ol_class read_value(const struct reading *reading, size_t id)
{
    void *field = (char *)reading->options + ol_option_rows[id].offset;
    enum ol_class class = OL_OK;
    switch (ol_option_rows[id].type) {
    case OL_OPTION_TYPE_INT:
    case OL_OPTION_TYPE_DURATION:
    case OL_OPTION_TYPE_BYTES: return read_number(reading, id, field);
    case OL_OPTION_TYPE_BOOL: return read_bool(reading, id, field);
    case OL_OPTION_TYPE_LIST: return read_list(reading, id, field);
    case OL_OPTION_TYPE_CHOICE: class = check_choice(reading, id); break;
    case OL_OPTION_TYPE_TEXT: class = check_text(reading, id); break;
    }
    if (!class)
        *(const char **)field = reading->texts[id];
    return class;
}

static enum ol_class read_values(struct reading *reading)
{
    for (size_t id = 0; id < OL_OPTION_COUNT; id++) {
        enum ol_class class = OL_OK;
        if (!reading->texts[id])
            class = keep(reading, &ol_option_rows[id], ol_option_rows[id].default_text, "default");
        if (!class)
            class = read_value(reading, id);
        if (class)
            return class;
    }
    return OL_OK;
}

static enum ol_class check_required(const struct reading *reading)
{
    if (reading->groups == OL_FOR_EVERYTHING)
        return OL_OK;
    for (size_t id = 0; id < OL_OPTION_COUNT; id++) {
        const struct ol_option_row *row = &ol_option_rows[id];
        if ((row->traits & OL_OPTION_REQUIRED) && (row->groups & reading->groups) &&
            strcmp(reading->options->origins[id], "default") == 0)
            return ol_fail(reading->reterr, OL_USAGE, "orderlog %s needs --%s %s: %s",
                           reading->command, row->flag, row->value_name, row->help);
    }
    return OL_OK;
}

static enum ol_class check_ascending(const struct reading *reading)
{
    for (size_t i = 0; i < sizeof ascending / sizeof ascending[0]; i++) {
        const struct ol_option_row *low = &ol_option_rows[ascending[i][0]];
        const struct ol_option_row *high = &ol_option_rows[ascending[i][1]];
        int64_t low_value, high_value;
        memcpy(&low_value, (char *)reading->options + low->offset, sizeof low_value);
        memcpy(&high_value, (char *)reading->options + high->offset, sizeof high_value);
        if (low_value > high_value)
            return ol_fail(reading->reterr, OL_USAGE, "--%s (%lld) is above --%s (%lld)", low->flag,
                           (long long)low_value, high->flag, (long long)high_value);
    }
    return OL_OK;
}
