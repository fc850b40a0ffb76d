#include "lib/base/ol_nearest.h"

#include <criterion/criterion.h>

static const char *nearest_of(const char *typed)
{
    static const char *const words[] = {"publish", "place", "replay", "import",
                                        "a-word-of-more-letters-than-anybody-would-ever-type"};
    const char *meant = "";
    struct ol_nearest nearest = ol_nearest_to(typed);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ol_nearest_is(&nearest, words[i]))
            meant = words[i];
    return meant;
}

Test(ol_nearest, is_the_word_that_was_meant)
{
    static const struct {
        const char *typed, *meant;
    } rows[] = {
        {"publish", "publish"},
        {"pulbish", "publish"}, /* two letters swapped are one mistake */
        {"palce", "place"},
        {"plac", "place"},
        {"places", "place"},
        {"rplay", "replay"},
        {"inport", "import"},
        {"verify", ""},
        {"", ""},
        {"a-word-of-more-letters-than-anybody-would-ever-type", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(nearest_of(rows[i].typed), rows[i].meant, "%s", rows[i].typed);
}

/* Of a word of three letters, two may be wrong; of equals the first counts. */
Test(ol_nearest, wants_two_thirds_of_the_letters_right)
{
    struct ol_nearest nearest = ol_nearest_to("lag");
    cr_assert_not(ol_nearest_is(&nearest, "top"));
    cr_assert(ol_nearest_is(&nearest, "log"));
    cr_assert_not(ol_nearest_is(&nearest, "leg"));
    cr_assert(ol_nearest_is(&nearest, "lag"));
}

Test(ol_nearest, counts_letters)
{
    static const struct {
        const char *typed, *word;
        size_t distance;
    } rows[] = {
        {"", "", 0},         {"lag", "lag", 0},         {"lag", "log", 1},
        {"", "a", 1},        {"kitten", "sitting", 3},  {"submit", "sumbit", 1},
        {"abcd", "badc", 2}, {"commands", "comand", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ol_nearest nearest = ol_nearest_to(rows[i].typed);
        cr_assert(ol_nearest_is(&nearest, rows[i].word), "%s", rows[i].typed);
        cr_expect_eq(nearest.distance, rows[i].distance, "%s", rows[i].typed);
    }
}
