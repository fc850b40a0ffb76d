#include "lib/base/ol_text.h"

#include <criterion/criterion.h>
#include <string.h>

Test(ol_text_add, grows_as_needed)
{
    struct ol_text text = {0};
    cr_assert_str_eq(ol_text_string(&text), "");
    for (int i = 0; i < 10000; i++)
        ol_text_add(&text, "0123456789");
    cr_assert_eq(text.size_bytes, 100000);
    cr_assert_eq(strlen(ol_text_string(&text)), 100000);
    ol_text_release(&text);
}

Test(ol_text_add_int, writes_every_int64)
{
    struct ol_text text = {0};
    ol_text_add_int(&text, INT64_MIN);
    ol_text_add_char(&text, ' ');
    ol_text_add_int(&text, 0);
    ol_text_add_char(&text, ' ');
    ol_text_add_int(&text, INT64_MAX);
    cr_assert_str_eq(ol_text_string(&text), "-9223372036854775808 0 9223372036854775807");
    ol_text_release(&text);
}

Test(ol_text_add_json, escapes_what_json_and_terminals_must_not_see)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "\"plain\""},
        {"say \"hi\" \\ now", "\"say \\\"hi\\\" \\\\ now\""},
        {"a\tb\nc\rd\be\f", "\"a\\tb\\nc\\rd\\be\\f\""},
        {"\x01\x1b[31m\x7f", "\"\\u0001\\u001b[31m\\u007f\""},
        {"Gem\xC3\xBCse", "\"Gem\xC3\xBCse\""},
        {"\xC2\x9B"
         "31m\xC2\xA0",
         "\"\\u009b31m\xC2\xA0\""},
        {"a\xE2\x80\xAE"
         "b\xE2\x81\xA9\xE2\x80\xA8",
         "\"a\\u202eb\\u2069\\u2028\""},
        {"bad \xC3 end\xFF", "\"bad \xEF\xBF\xBD end\xEF\xBF\xBD\""},
        {NULL, "null"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_text text = {0};
        ol_text_add_json(&text, rows[i].in);
        cr_expect_str_eq(ol_text_string(&text), rows[i].out);
        ol_text_release(&text);
    }
}

Test(ol_text_add_json_bytes, keeps_a_nul_visible)
{
    struct ol_text text = {0};
    ol_text_add_json_bytes(&text, "a\0b", 3);
    cr_assert_str_eq(ol_text_string(&text), "\"a\\u0000b\"");
    ol_text_release(&text);
}

Test(ol_text_add_shown, keeps_control_characters_from_terminals)
{
    static const char odd[] = "a\x1b[31m\n\x7f\xff\xc2\x9b\xc3\xa9\xe2\x80\xae";
    struct ol_text text = {0};
    ol_text_add_shown(&text, odd, sizeof odd - 1);
    cr_assert_str_eq(ol_text_string(&text), "a\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd"
                                            "\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd");
    ol_text_release(&text);
}

Test(ol_text_add_json_int, quotes_so_that_no_reader_rounds)
{
    struct ol_text text = {0};
    ol_text_add_json_int(&text, 9007199254740993);
    cr_assert_str_eq(ol_text_string(&text), "\"9007199254740993\"");
    ol_text_release(&text);
}

Test(ol_text_in, fails_when_full_and_stays_failed_until_clear)
{
    char memory[8];
    struct ol_text text = ol_text_in(memory, sizeof memory);
    ol_text_addf(&text, "%s", "1234567");
    cr_assert_str_eq(ol_text_string(&text), "1234567");
    ol_text_add_char(&text, '8');
    cr_assert_null(ol_text_string(&text));
    ol_text_add(&text, "");
    cr_assert_null(ol_text_string(&text));
    ol_text_clear(&text);
    ol_text_add(&text, "again");
    cr_assert_str_eq(ol_text_string(&text), "again");
    ol_text_release(&text);
}
