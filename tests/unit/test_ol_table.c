#include "lib/program/ol_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct ol_table_column columns[] = {
    {"order_id", OL_TABLE_TEXT},
    {"amount_minor", OL_TABLE_NUMBER},
    {"partition", OL_TABLE_SMALL},
    {"listed", OL_TABLE_BOOL},
};

/* What print or print_record wrote; to be freed. */
static char *printed(const struct ol_table *table,
                     enum ol_class (*print)(const struct ol_table *, FILE *, struct ol_error *))
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    struct ol_error error;
    cr_assert_eq(print(table, out, &error), OL_OK);
    fclose(out);
    return text;
}

static void add(struct ol_table *table, const char *id, int64_t amount_minor, int partition,
                bool listed)
{
    ol_table_text(table, id);
    ol_table_int(table, amount_minor);
    ol_table_int(table, partition);
    ol_table_text(table, listed ? "yes" : "no"); /* as ol_table_rows() puts a bool */
}

Test(ol_table_print, aligns_columns_to_the_widest_cell)
{
    struct ol_table table;
    ol_table_init(&table, columns, 4, false);
    add(&table, "o-1", 5, 0, true);
    add(&table, "a longer order", 123456789012345, 10, false);
    char *text = printed(&table, ol_table_print);
    cr_assert_str_eq(text, "ORDER ID           AMOUNT MINOR  PARTITION  LISTED\n"
                           "o-1                           5          0  yes\n"
                           "a longer order  123456789012345         10  no\n");
    free(text);
    ol_table_release(&table);
}

Test(ol_table_print, counts_characters_and_not_bytes)
{
    struct ol_table table;
    ol_table_init(&table, columns, 1, false);
    ol_table_text(&table, "\xc3\xa9t\xc3\xa9");
    ol_table_text(&table, "abc");
    char *text = printed(&table, ol_table_print);
    cr_assert_str_eq(text, "ORDER ID\n\xc3\xa9t\xc3\xa9\nabc\n");
    free(text);
    ol_table_release(&table);
}

Test(ol_table_print, shows_nothing_that_a_terminal_acts_on)
{
    struct ol_table table;
    ol_table_init(&table, columns, 1, false);
    ol_table_text(&table, "a\033[31m\nb\x7f\xc2\x9b\xff");
    char *text = printed(&table, ol_table_print);
    cr_assert_str_eq(text, "ORDER ID\na\xef\xbf\xbd[31m\xef\xbf\xbd"
                           "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
    free(text);
    ol_table_release(&table);
}

Test(ol_table_print, is_empty_without_rows)
{
    for (int json = 0; json < 2; json++) {
        struct ol_table table;
        ol_table_init(&table, columns, 4, json);
        char *text = printed(&table, ol_table_print);
        cr_assert_str_eq(text, "");
        free(text);
        ol_table_release(&table);
    }
}

Test(ol_table_print, writes_an_object_a_line_with_big_numbers_as_strings)
{
    struct ol_table table;
    ol_table_init(&table, columns, 4, true);
    add(&table, "say \"hi\"", INT64_MIN, 3, true);
    ol_table_null(&table);
    ol_table_null(&table);
    ol_table_null(&table);
    ol_table_null(&table);
    char *text = printed(&table, ol_table_print);
    cr_assert_str_eq(text,
                     "{\"order_id\":\"say \\\"hi\\\"\",\"amount_minor\":\"-9223372036854775808\","
                     "\"partition\":3,\"listed\":true}\n"
                     "{\"order_id\":null,\"amount_minor\":null,\"partition\":null,"
                     "\"listed\":null}\n");
    free(text);
    ol_table_release(&table);
}

Test(ol_table_print, can_be_filled_again)
{
    struct ol_table table;
    ol_table_init(&table, columns, 1, false);
    ol_table_text(&table, "first");
    ol_table_clear(&table);
    ol_table_text(&table, "second");
    char *text = printed(&table, ol_table_print);
    cr_assert_str_eq(text, "ORDER ID\nsecond\n");
    cr_assert_eq(ol_table_row_count(&table), 1);
    free(text);
    ol_table_release(&table);
}

Test(ol_table_print_record, is_a_line_a_column)
{
    struct ol_table table;
    ol_table_init(&table, columns, 4, false);
    add(&table, "", 7, 1, false);
    char *text = printed(&table, ol_table_print_record);
    cr_assert_str_eq(text, "order_id      \namount_minor  7\npartition     1\nlisted        no\n");
    free(text);
    ol_table_release(&table);
}

Test(ol_table_add_json, is_an_array_of_all_rows)
{
    struct ol_table table;
    struct ol_text text = {0};
    ol_table_init(&table, columns, 1, false);
    ol_table_add_json(&table, &text);
    ol_table_text(&table, "a");
    ol_table_time(&table, 0);
    ol_table_time(&table, INT64_MAX);
    ol_table_add_json(&table, &text);
    cr_assert_str_eq(ol_text_string(&text),
                     "[][{\"order_id\":\"a\"},{\"order_id\":\"1970-01-01T00:00:00Z\"},"
                     "{\"order_id\":null}]");
    ol_text_release(&text);
    ol_table_release(&table);
}
