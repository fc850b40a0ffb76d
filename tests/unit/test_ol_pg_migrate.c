#include <criterion/criterion.h>

#include <string.h>

#include "lib/pg/ol_migrate.h"

Test(ol_migration_version, is_the_leading_digits_of_a_sql_file)
{
    static const struct {
        const char *file, *version;
    } rows[] = {
        {"20260101120000_orders.sql", "20260101120000"},
        {"001.sql", "001"},
        {"1orders.sql", "1"},
        {"orders.sql", NULL},
        {"001_orders.sql~", NULL},
        {"001_orders", NULL},
        {".sql", NULL},
        {"", NULL},
        {"11111111111111111111111111111111111111_x.sql", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char version[OL_MIGRATION_VERSION_BYTES];
        bool is = ol_migration_version(rows[i].file, version);
        cr_assert_eq(is, rows[i].version != NULL, "%s", rows[i].file);
        if (is)
            cr_assert_str_eq(version, rows[i].version);
    }
}

Test(ol_migration_parse, finds_the_up_part)
{
    static const struct {
        const char *text, *up;
        int up_line;
        bool transaction;
    } rows[] = {
        {"-- migrate:up\nA;\n-- migrate:down\nB;\n", "A;\n", 2, true},
        {"-- migrate:up transaction:false\nA;\n-- migrate:down", "A;\n", 2, false},
        {"-- migrate:up transaction:true\r\nA;\r\n-- migrate:down\r\n", "A;\r\n", 2, true},
        {"\n-- who, why\n\n--migrate:up\n\nA;\n--   migrate:down\n", "\nA;\n", 5, true},
        {"-- migrate:up\n-- migrate:down\n", "", 2, true},
        {"-- migrate:up\n-- migrate:updated\nA;\n-- migrate:down\n", "-- migrate:updated\nA;\n", 2,
         true},
        {"-- migrate:up\n  -- migrate:down\n-- migrate:down\n", "  -- migrate:down\n", 2, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_migration_text parsed;
        struct ol_error error = {0};
        size_t bytes = strlen(rows[i].text);
        cr_assert_eq(ol_migration_parse("f", rows[i].text, bytes, &parsed, &error), OL_OK,
                     "row %zu: %s", i, error.text);
        cr_assert_eq(parsed.up_bytes, strlen(rows[i].up), "row %zu", i);
        cr_assert(!memcmp(rows[i].text + parsed.up_at, rows[i].up, parsed.up_bytes), "row %zu", i);
        cr_assert_eq(parsed.up_line, rows[i].up_line, "row %zu", i);
        cr_assert_eq(parsed.transaction, rows[i].transaction, "row %zu", i);
    }
}

Test(ol_migration_parse, names_file_and_line_of_what_is_wrong)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        {"", "f.sql:0: the file ends without -- migrate:up"},
        {"A;\n-- migrate:up\n-- migrate:down\n", "f.sql:1: a statement before -- migrate:up"},
        {"-- x\n-- migrate:down\n-- migrate:up\n", "f.sql:2: -- migrate:down before -- migrate:up"},
        {"-- migrate:up\nA;\n", "f.sql:2: the file ends without -- migrate:down"},
        {"-- migrate:up\nA;\n-- migrate:up\n", "f.sql:3: a second -- migrate:up"},
        {"-- migrate:up\n-- migrate:down\n-- migrate:down\n", "f.sql:3: a second -- migrate:down"},
        {"-- migrate:up transaction:no\n-- migrate:down\n",
         "f.sql:1: unknown option transaction:no"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_migration_text parsed;
        struct ol_error error = {0};
        enum ol_class class =
            ol_migration_parse("f.sql", rows[i].text, strlen(rows[i].text), &parsed, &error);
        cr_assert_eq(class, OL_USAGE, "row %zu", i);
        cr_assert(!strncmp(error.text, rows[i].complaint, strlen(rows[i].complaint)), "%s",
                  error.text);
    }
}

Test(ol_migration_parse, refuses_a_nul_byte)
{
    static const char text[] = "-- migrate:up\nA\0;\n-- migrate:down\n";
    struct ol_migration_text parsed;
    struct ol_error error = {0};
    cr_assert_eq(ol_migration_parse("f.sql", text, sizeof text - 1, &parsed, &error), OL_USAGE);
}
