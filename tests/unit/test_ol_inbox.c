#include <criterion/criterion.h>

#include "lib/kafka/ol_inbox.h"

/* Offsets of records, two a refill, and the end that the last refill tells; -1: none. */
struct source {
    int64_t offsets[8], end;
    size_t count, kept;
};

void ol_inbox_refill(struct ol_inbox *inbox)
{
    struct source *source = inbox->queue;
    for (int i = 0; i < 2 && source->kept < source->count; i++)
        ol_inbox_keep(inbox, source->offsets[source->kept++])->handle = NULL;
    if (source->kept == source->count)
        inbox->end = source->end;
}

bool ol_inbox_has_more(const struct ol_inbox *inbox)
{
    const struct source *source = inbox->queue;
    return source->kept < source->count;
}

static void start(struct ol_inbox *inbox, struct source *source, int64_t position)
{
    ol_inbox_clear(inbox, "topic", 0, 0, position);
    inbox->queue = source;
}

Test(ol_inbox, has_a_position_that_passes_what_holds_nothing)
{
    static const int64_t positions[] = {3, 7, 8, 12};
    struct source source = {.offsets = {3, 7, 8}, .count = 3, .end = 12};
    struct ol_inbox inbox;
    struct ol_message message;
    start(&inbox, &source, 1);
    for (size_t i = 0; i < source.count; i++) {
        const struct ol_message *head = ol_inbox_peek(&inbox);
        cr_assert(head);
        cr_expect_eq(head->offset, source.offsets[i]);
        cr_expect_eq(inbox.position, positions[i]);
        cr_expect_not(ol_inbox_at_end(&inbox));
        cr_assert(ol_inbox_take(&inbox, &message));
        cr_expect_eq(message.offset, source.offsets[i]);
    }
    cr_expect_eq(inbox.position, 12);
    cr_expect(ol_inbox_at_end(&inbox));
    cr_expect_not(ol_inbox_take(&inbox, &message));
}

Test(ol_inbox, is_at_its_end_only_once_that_was_told)
{
    struct source source = {.offsets = {0}, .count = 1, .end = -1};
    struct ol_inbox inbox;
    struct ol_message message;
    start(&inbox, &source, 0);
    cr_assert(ol_inbox_take(&inbox, &message));
    cr_expect_not(ol_inbox_at_end(&inbox));
    source.end = 1;
    cr_expect_null(ol_inbox_peek(&inbox));
    cr_expect(ol_inbox_at_end(&inbox));
    source.offsets[source.count++] = 1;
    cr_expect_not(ol_inbox_at_end(&inbox));
    cr_expect(ol_inboxes_have_news(&inbox, 1));
}

Test(ol_inboxes, are_taken_from_in_turns)
{
    struct source sources[] = {{.offsets = {0, 1, 2}, .count = 3, .end = -1},
                               {.offsets = {5, 6}, .count = 2, .end = -1},
                               {.offsets = {9}, .count = 1, .end = -1}};
    struct ol_inbox inboxes[3];
    struct ol_message messages[8];
    struct ol_error error;
    size_t next = 1, count = 0;
    for (size_t i = 0; i < 3; i++)
        start(&inboxes[i], &sources[i], 0);
    inboxes[2].ignored = true;
    cr_expect_eq(ol_inboxes_take(inboxes, 3, &next, messages, 3, &count, &error), OL_OK);
    cr_assert_eq(count, 3);
    cr_expect_eq(messages[0].offset, 5);
    cr_expect_eq(messages[1].offset, 6);
    cr_expect_eq(messages[2].offset, 0);
    cr_expect(ol_inboxes_have_news(inboxes, 3));
    cr_expect_eq(ol_inboxes_take(inboxes, 3, &next, messages, 8, &count, &error), OL_OK);
    cr_expect_eq(count, 2);
    cr_expect_not(ol_inboxes_have_news(inboxes, 3), "what is left is ignored");
}

Test(ol_inboxes, give_an_error_once_what_came_before_it_is_taken)
{
    struct source source = {.offsets = {0, 1}, .count = 2, .end = -1};
    struct ol_inbox inbox;
    struct ol_message message;
    struct ol_error error;
    size_t next = 0, count = 0;
    start(&inbox, &source, 0);
    cr_assert(ol_inbox_peek(&inbox));
    ol_fail(&inbox.error, OL_VIOLATED, "out of range");
    cr_expect_eq(ol_inboxes_take(&inbox, 1, &next, &message, 1, &count, &error), OL_OK);
    cr_expect_eq(count, 1);
    cr_expect_eq(ol_inboxes_take(&inbox, 1, &next, &message, 1, &count, &error), OL_VIOLATED);
    cr_expect_eq(count, 1);
    cr_expect_str_eq(error.text, "out of range");
}
