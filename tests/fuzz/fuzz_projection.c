/*
 * tests/fuzz/fuzz_projection.c - events into rows: cut anywhere, the rows are the same.
 *
 * Either the events of a history (history.h), projected as one batch and in batches that the bytes
 * cut: merged, both leave the same rows (rows.h). Or raw events, each behind its length: what is
 * poison leaves the batch as it was. The rows of every batch are what PostgreSQL reads (capture.h).
 */
#include "projections/writer_internal.h"
#include "tests/fuzz/capture.h"
#include "tests/fuzz/history.h"
#include "tests/fuzz/rows.h"

#include <string.h>

#define RAW         128 /* bit of the first byte */
#define BATCHES_MAX 8
#define BLOCK_BYTES (1 << 15) /* of a batch's arena: these are small */

static struct row_batch batches[BATCHES_MAX];

static struct row_batch *batch_begin(size_t index, enum context context)
{
    struct row_batch *batch = &batches[index];
    if (!batch->arena.block_bytes) {
        row_batch_init(batch, context);
        batch->arena.block_bytes = BLOCK_BYTES;
    }
    row_batch_clear(batch);
    batch->context = context;
    return batch;
}

/* ---- what would be sent ---- */

static size_t check_sets(struct writer *writer)
{
    size_t changes = 0;
    for (size_t i = 0; i < writer->set_count; i++) {
        struct set *set = &writer->sets[i];
        for (size_t k = 0; k < set->array_count; k++) {
            fuzz_check(set->arrays[k].count == set->arrays[0].count);
            capture_array(&set->arrays[k]);
        }
        changes += (size_t)set->arrays[0].count;
    }
    return changes;
}

static void check_written(struct row_batch *batch)
{
    static struct writer *writers[CONTEXT_COUNT];
    struct writer **writer = &writers[batch->context];
    if (!*writer)
        *writer = writer_new(NULL, batch->context, "events");
    fuzz_check(*writer);
    struct ol_error error;
    size_t before = capture_rows;
    capture_any_text = false;
    fill_sets(*writer, batch);
    enum ol_class class = write_new_rows(*writer, batch, &error);
    fuzz_check(class == OL_OK);
    fuzz_check(capture_rows - before + check_sets(*writer) >=
               batch->aggregates.count + batch->claims.count + batch->commands.count);
}

/* ---- a history ---- */

static void project(struct rows *rows, const struct history *history, const uint8_t *cuts,
                    size_t cut_count)
{
    static const struct load_progress nothing = {.last_offset = -1, .last_recorded_us = TIME_NONE};
    struct load_progress progress[PARTITIONS_MAX];
    struct row_batch *batch = NULL;
    size_t index = 0;
    for (int32_t i = 0; i < history->partitions; i++)
        progress[i] = nothing;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        struct ol_error error;
        bool cut = cut_count && index < BATCHES_MAX - 1 && cuts[i % cut_count] % 4 == 0;
        if (batch && cut) {
            row_batch_seal(batch);
            check_written(batch);
            rows_merge(rows, batch);
            for (int32_t k = 0; k < history->partitions; k++)
                progress[k] = batch->partitions[k].now;
            index++;
            batch = NULL;
        }
        if (!batch) {
            batch = batch_begin(index, history->context);
            for (int32_t k = 0; k < history->partitions; k++)
                row_batch_start(batch, k, &progress[k]);
        }
        enum ol_class class =
            row_batch_apply(batch, &event->event, event->partition, event->offset, &error);
        if (class)
            fprintf(stderr, "an event of ours: %s\n", error.text);
        fuzz_check(class == OL_OK);
    }
    if (!batch)
        return;
    row_batch_seal(batch);
    check_written(batch);
    rows_merge(rows, batch);
}

static void project_history(const uint8_t *data, size_t size)
{
    static struct history history;
    static struct rows whole, pieces;
    struct fuzz_input input = {data, data + size};
    history_run(&history, &input);
    rows_clear(&whole);
    rows_clear(&pieces);
    /* One after the other: rows point into the batches, of which the first has been one. */
    project(&pieces, &history, data, size);
    struct row_batch first = batches[0];
    batches[0] = (struct row_batch){0};
    project(&whole, &history, NULL, 0);
    rows_compare(&whole, &pieces, history.context);
    row_batch_release(&batches[0]);
    batches[0] = first;
}

/* ---- raw events ---- */

static bool is_fit(enum ol_class class, const struct ol_error *error)
{
    return class == OL_POISON || (class == OL_FATAL && strstr(error->text, "do not fit"));
}

static void project_raw(struct fuzz_input *input)
{
    static struct ol_arena arena;
    enum context context = fuzz_byte(input) % CONTEXT_COUNT;
    struct row_batch *batch = batch_begin(0, context);
    int64_t offset = 0;
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1 << 16, 0);
    ol_arena_clear(&arena);
    row_batch_start(batch, 0, &(struct load_progress){.last_offset = -1});
    while (fuzz_left(input) > 2) {
        size_t size = fuzz_number(input, 2) % 1024;
        size = size < fuzz_left(input) ? size : fuzz_left(input);
        struct bytes wire = {input->at, size};
        struct event_message event;
        struct ol_error error;
        input->at += size;
        if (codec_decode_event(context, wire, &arena, &event, &error))
            continue;
        size_t rows = row_batch_row_count(batch), events = batch->event_count;
        enum ol_class class = row_batch_apply(batch, &event, 0, offset, &error);
        fuzz_check(!class || is_fit(class, &error));
        if (class == OL_FATAL)
            return; /* the batch is spoilt */
        if (class)
            fuzz_check(row_batch_row_count(batch) == rows && batch->event_count == events);
        else
            fuzz_check(batch->event_count == events + 1);
        offset += !class;
    }
    row_batch_seal(batch);
    check_written(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    if (size && data[0] & RAW)
        project_raw(&input);
    else
        project_history(data, size);
    return 0;
}
