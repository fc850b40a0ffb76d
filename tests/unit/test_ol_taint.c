#include <criterion/criterion.h>

#include "lib/kafka/ol_offsets.h"
#include "lib/kafka/ol_taint.h"

Test(ol_taint, is_clean_while_each_request_is_answered)
{
    struct ol_taint taint = {0};
    for (int i = 0; i < 3; i++) {
        ol_taint_sent(&taint, OL_TAINT_END, "broker");
        ol_taint_answered(&taint, OL_TAINT_END, NULL, "broker");
    }
    cr_expect_not(taint.tainted);
}

Test(ol_taint, names_the_request_that_got_no_answer)
{
    struct ol_taint taint = {0};
    ol_taint_sent(&taint, OL_TAINT_PRODUCE, "broker");
    ol_taint_answered(&taint, OL_TAINT_PRODUCE, "timed out", "broker");
    cr_expect(taint.tainted);
    cr_expect_str_eq(taint.reason, "Produce: timed out (broker)");
    ol_taint_set(&taint, "later");
    cr_expect_str_eq(taint.reason, "Produce: timed out (broker)");
}

Test(ol_taint, knows_a_retry_of_what_is_sent_alone)
{
    static const struct {
        enum ol_taint_request request;
        bool taints;
    } rows[] = {
        {OL_TAINT_PRODUCE, false},    {OL_TAINT_ADD_PARTITIONS, false},
        {OL_TAINT_ADD_OFFSETS, true}, {OL_TAINT_OFFSETS, true},
        {OL_TAINT_END, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ol_taint taint = {0};
        ol_taint_sent(&taint, rows[i].request, "broker");
        ol_taint_sent(&taint, rows[i].request, "broker");
        cr_expect_eq(taint.tainted, rows[i].taints, "request %d", rows[i].request);
    }
}

Test(ol_taint, watches_what_changes_a_transaction)
{
    cr_expect_eq(ol_taint_request_of(26), OL_TAINT_END);
    cr_expect_eq(ol_taint_request_of(0), OL_TAINT_PRODUCE);
    cr_expect_eq(ol_taint_request_of(3), -1);
}

Test(ol_offsets, refuses_what_would_not_fence)
{
    struct ol_error error;
    struct ol_offset offset = {"t", 0, 5};
    cr_expect_eq(ol_offsets_check("p", &offset, 0, &error), OL_USAGE);
    cr_expect_eq(ol_offsets_check("p", &offset, 1, &error), OL_OK);
    offset.offset = -1;
    cr_expect_eq(ol_offsets_check("p", &offset, 1, &error), OL_USAGE);
}
