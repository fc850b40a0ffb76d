#include "producers/tally.h"

#include <criterion/criterion.h>

static struct tally tally;

static void add(enum outcome_kind kind, enum command_outcome first, enum refusal_code code)
{
    tally_add(&tally, &(struct outcome){.kind = kind, .first = first, .code = code, .last = true});
}

static void expect_said(const char *text, const char *json)
{
    OL_AUTO(ol_text) struct ol_text said = {0};
    tally_text(&tally, &said);
    cr_expect_str_eq(ol_text_string(&said), text);
    ol_text_clear(&said);
    tally_json(&tally, &said);
    cr_expect_str_eq(ol_text_string(&said), json);
}

Test(tally_add, counts_what_is_well)
{
    add(OUTCOME_IS_ACCEPTED, OUTCOME_NONE, ACCEPTED);
    add(OUTCOME_IS_ACCEPTED, OUTCOME_NONE, ACCEPTED);
    add(OUTCOME_IS_REPEATED, OUTCOME_ACCEPTED, ACCEPTED);
    cr_expect(tally_good(&tally));
    cr_expect_eq(tally_sum(&tally), 3u);
    expect_said("2 accepted, 1 repeated, 0 refused",
                "{\"accepted\":\"2\",\"repeated\":\"1\",\"refused\":{},\"put_aside\":\"0\","
                "\"unanswered\":\"0\"}");
}

Test(tally_add, counts_refusals_by_code_the_first_ones_too)
{
    add(OUTCOME_IS_REJECTED, OUTCOME_NONE, REFUSED_COMMAND_ID_REUSED);
    add(OUTCOME_IS_REJECTED, OUTCOME_NONE, REFUSED_SKU_TWICE);
    add(OUTCOME_IS_REPEATED, OUTCOME_REJECTED, REFUSED_SKU_TWICE);
    cr_expect_not(tally_good(&tally));
    expect_said("0 accepted, 0 repeated, 3 refused (COMMAND_ID_REUSED 1, SKU_TWICE 2)",
                "{\"accepted\":\"0\",\"repeated\":\"0\",\"refused\":{\"COMMAND_ID_REUSED\":\"1\","
                "\"SKU_TWICE\":\"2\"},\"put_aside\":\"0\",\"unanswered\":\"0\"}");
}

Test(tally_add, counts_what_nobody_answered)
{
    add(OUTCOME_IS_PUT_ASIDE, OUTCOME_NONE, ACCEPTED);
    add(OUTCOME_IS_OVERDUE, OUTCOME_NONE, ACCEPTED);
    cr_expect_not(tally_good(&tally));
    expect_said(
        "0 accepted, 0 repeated, 0 refused, 1 put aside (`orderlog dlq list`), 1 without an "
        "outcome",
        "{\"accepted\":\"0\",\"repeated\":\"0\",\"refused\":{},\"put_aside\":\"1\","
        "\"unanswered\":\"1\"}");
}
