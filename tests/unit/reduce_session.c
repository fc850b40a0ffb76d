#include "tests/unit/reduce_session.h"

#include <criterion/criterion.h>

struct row_batch batch;
int64_t next_offset;

void start(enum context context)
{
    row_batch_init(&batch, context);
    row_batch_start(&batch, PARTITION, &(struct load_progress){.next_offset = 100});
    next_offset = 100;
}

void done(void)
{
    row_batch_release(&batch);
}

static enum ol_class apply(struct event_message event, struct ol_error *reterr)
{
    event.context = batch.context;
    if (event.body == EVENT_BODY_NONE)
        event.body = EVENT_BODY_DOMAIN;
    if (event.recorded_at_us == 0)
        event.recorded_at_us = NOW_US;
    return row_batch_apply(&batch, &event, PARTITION, next_offset++, reterr);
}

void given(struct event_message event)
{
    struct ol_error error = {0};
    cr_assert_eq(apply(event, &error), OL_OK, "%s", error.text);
}

void poison(struct event_message event, const char *words)
{
    struct ol_error error = {0};
    size_t rows = row_batch_row_count(&batch), events = batch.event_count;
    cr_assert_eq(apply(event, &error), OL_POISON, "%s", error.text);
    cr_assert(strstr(error.text, words), "%s", error.text);
    cr_assert_eq(row_batch_row_count(&batch), rows);
    cr_assert_eq(batch.event_count, events);
    next_offset--;
}

void fatal(struct event_message event, const char *words)
{
    struct ol_error error = {0};
    cr_assert_eq(apply(event, &error), OL_FATAL, "%s", error.text);
    cr_assert(strstr(error.text, words), "%s", error.text);
}

struct keyed_row *row_of(const struct rowset *set, const char *id, struct text second)
{
    struct keyed_row *row = rowset_find(set, text_of(id), second);
    cr_assert_not_null(row, "%s", id);
    return row;
}
