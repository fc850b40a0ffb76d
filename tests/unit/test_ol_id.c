#include "lib/base/ol_id.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"

Test(ol_id_new, has_the_form_of_a_version_7_uuid)
{
    char text[OL_ID_UUID_TEXT_BYTES];
    ol_id_new(text);
    cr_assert_eq(strlen(text), 36);
    cr_assert_eq(strspn(text, "0123456789abcdef-"), 36);
    cr_assert(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
    cr_assert_eq(text[14], '7');
    cr_assert(strchr("89ab", text[19]));
}

Test(ol_id_new, begins_with_the_time_in_milliseconds)
{
    char text[OL_ID_UUID_TEXT_BYTES], digits[13] = "";
    ol_id_new(text);
    memcpy(digits, text, 8);
    memcpy(digits + 8, text + 9, 4);
    long long away_ms = strtoll(digits, NULL, 16) - ol_clock_wall_us() / 1000;
    cr_assert(llabs(away_ms) < 5000);
}

Test(ol_id_new, sorts_after_the_one_before)
{
    char before[OL_ID_UUID_TEXT_BYTES] = "", text[OL_ID_UUID_TEXT_BYTES];
    for (int i = 0; i < 200000; i++) {
        ol_id_new(text);
        if (strcmp(before, text) >= 0)
            cr_assert_fail("%s then %s", before, text);
        strcpy(before, text);
    }
}

enum { EACH = 20000, THREADS = 4 };

static void *make_many(void *memory)
{
    char(*texts)[OL_ID_UUID_TEXT_BYTES] = memory;
    for (int i = 0; i < EACH; i++)
        ol_id_new(texts[i]);
    return NULL;
}

static int compare(const void *left, const void *right)
{
    return strcmp(left, right);
}

Test(ol_id_new, is_unique_over_threads)
{
    char(*texts)[OL_ID_UUID_TEXT_BYTES] = calloc((size_t)EACH * THREADS, sizeof *texts);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, make_many, texts + i * EACH);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    qsort(texts, EACH * THREADS, sizeof *texts, compare);
    for (int i = 1; i < EACH * THREADS; i++)
        cr_assert_str_neq(texts[i - 1], texts[i]);
    free(texts);
}

Test(ol_id_clean, takes_one_to_128_bytes_of_text_that_one_sees)
{
    static const struct {
        const char *text;
        size_t size_bytes;
        bool clean;
    } rows[] = {
#define ROW(text, clean) {text, sizeof text - 1, clean}
        ROW("", false),
        ROW("1", true),
        ROW("basket/31198570044", true),
        ROW("Bestellung \xC3\xBC \xF0\x9F\x8D\x85", true),
        ROW("a\0b", false),
        ROW("a\nb", false),
        ROW("a\x7F", false),
        ROW("a\xC2\x80", false), /* C1 */
        ROW("a\xC2\x9F", false),
        ROW("a b", true),
        ROW(" a", false), /* blanks at the ends, and blanks that are not the plain one */
        ROW("a ", false),
        ROW(" ", false),
        ROW("a\xC2\xA0z", false),     /* U+00A0 no-break space */
        ROW("a\xE3\x80\x80z", false), /* U+3000 ideographic space */
        ROW("a\xC2\xADz", false),     /* U+00AD soft hyphen */
        ROW("a\xE2\x80\x8Bz", false), /* U+200B zero-width space */
        ROW("a\xE2\x80\x8Dz", false), /* U+200D zero-width joiner */
        ROW("a\xE2\x80\xAEz", false), /* U+202E right-to-left override */
        ROW("a\xE2\x81\xA6z", false), /* U+2066 isolate */
        ROW("a\xE2\x80\xA8z", false), /* U+2028 line separator */
        ROW("\xEF\xBB\xBFz", false),  /* U+FEFF byte order mark */
        ROW("a\xEF\xBB\xBFz", false),
        ROW("a\xF3\xA0\x81\x81", false), /* U+E0041 tag */
        ROW("a\xE2\x82\xACz", true),
        ROW("\xC0\xAF", false),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect_eq(ol_id_clean(rows[i].text, rows[i].size_bytes), rows[i].clean, "row %zu", i);

    char longest[OL_ID_MAX_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    cr_expect(ol_id_clean(longest, OL_ID_MAX_BYTES));
    cr_expect_not(ol_id_clean(longest, OL_ID_MAX_BYTES + 1));
}
