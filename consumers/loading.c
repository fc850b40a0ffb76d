#include "consumers/loop.h"

#include "domain/assert.h"
#include "domain/protected.h"
#include "lib/ol_clock.h"
#include "lib/ol_log.h"
#include "lib/ol_run.h"

#define DATABASE_RETRY_MS 200
#define LOAD_KEYS_MAX     20000 /* in one round trip; more are asked in several */

enum ol_class loop_poll(struct loop *loop, enum ol_consumer_event *ret_news,
                        struct ol_error *reterr)
{
    enum ol_consumer_event event;
    enum ol_class class = ol_consumer_poll(loop->consumer, &event, reterr);
    if (event != OL_CONSUMER_NOTHING)
        loop->news = event;
    *ret_news = loop->news;
    if (class != OL_RETRY)
        return class;
    ol_log(OL_LOG_WARN, "worker", "the broker is away",
           ol_kv("context", context_name(loop->context)), ol_kv("error", reterr->text));
    return OL_OK;
}

/* The group is served while we wait; whatever it says, the caller has to look first. */
static bool interrupted(struct loop *loop)
{
    enum ol_consumer_event news;
    struct ol_error error;
    return ol_run_stopping() || loop_poll(loop, &news, &error) || news != OL_CONSUMER_NOTHING;
}

enum ol_class loop_with_database(struct loop *loop,
                                 enum ol_class (*try)(struct loop *, void *, struct ol_error *),
                                 void *argument, struct ol_error *reterr)
{
    bool told = false;
    for (;;) {
        enum ol_class class = OL_OK;
        if (!ol_pg_usable(loop->db))
            class = ol_pg_reconnect(loop->db, reterr);
        if (!class)
            class = try(loop, argument, reterr);
        if (class != OL_RETRY && class != OL_UNREACHABLE)
            return class;
        if (!told)
            ol_log(OL_LOG_WARN, "worker", "waiting for the database",
                   ol_kv("context", context_name(loop->context)), ol_kv("error", reterr->text));
        told = true;
        int before = atomic_exchange(&loop->status, LOOP_IS_WAITING);
        bool stop = ol_run_sleep(DATABASE_RETRY_MS) || interrupted(loop);
        atomic_store(&loop->status, before);
        if (stop) {
            loop->interrupted = true;
            return OL_RETRY;
        }
    }
}

struct load_call {
    const struct entity_key *keys;
    size_t count;
    struct ol_arena *arena;
    struct entity *entities;
    struct load_progress *progress;
};

static enum ol_class load_once(struct loop *loop, void *argument, struct ol_error *reterr)
{
    struct load_call *call = argument;
    enum ol_class class = load_send(loop->load, call->keys, call->count, reterr);
    if (class)
        return class;
    return load_receive(loop->load, (int)loop->options->timeout_ms, call->arena, call->entities,
                        call->progress, reterr);
}

/* Receipts that we have not written: the partition went to another owner and we were not told yet.
 * Rows of its making must not meet states of ours. */
static bool is_outrun(const struct loop *loop, int32_t partition,
                      const struct load_progress *progress)
{
    if (!loop->deciding || !progress->has_receipt || (loop->halted >> partition & 1) ||
        !PROTECTED(outrun))
        return false;
    const struct receipt *ours = core_receipt(loop->core, partition);
    return progress->receipt.commands_next > ours->commands_next ||
           progress->receipt.steps_next > ours->steps_next;
}

/* What the projection has come to: never less than before, or the rows we built on are gone. */
static enum ol_class note_progress(struct loop *loop, const struct load_progress *progress,
                                   struct ol_error *reterr)
{
    for (int32_t i = 0; i < loop->partitions; i++) {
        if (!(loop->owned >> i & 1))
            continue;
        if (progress[i].next_offset < loop->projected[i] && PROTECTED(went_back))
            return ol_fail(reterr, OL_VIOLATED,
                           "the projection of %s partition %d went back from offset %lld to %lld "
                           "(a database crash with synchronous_commit off, or a failover)",
                           loop->topics[STREAM_EVENTS].text, i, (long long)loop->projected[i],
                           (long long)progress[i].next_offset);
        if (is_outrun(loop, i, &progress[i]))
            return ol_fail(reterr, OL_VIOLATED,
                           "the projection of %s partition %d is ahead of what we wrote: the "
                           "partition has another owner",
                           loop->topics[STREAM_EVENTS].text, i);
        loop->projected[i] = progress[i].next_offset;
        overlay_settle(core_overlay(loop->core), i,
                       progress[i].has_receipt ? &progress[i].receipt : NULL);
    }
    loop->projection_asked_us = ol_clock_monotonic_us();
    return OL_OK;
}

static enum ol_class load_some(struct loop *loop, const struct entity_key *keys, size_t count,
                               struct ol_arena *arena, struct load_progress *progress,
                               struct ol_error *reterr)
{
    struct load_call call = {.keys = keys, .count = count, .arena = arena, .progress = progress};
    call.entities = ol_arena_zalloc(arena, (count + 1) * sizeof *call.entities);
    if (!call.entities)
        return ol_fail(reterr, OL_FATAL, "out of memory for a load of %zu states", count);
    enum ol_class class = loop_with_database(loop, load_once, &call, reterr);
    if (!class)
        class = note_progress(loop, progress, reterr);
    if (class)
        return class;
    for (size_t i = 0; i < count; i++)
        if (!core_put(loop->core, &keys[i], &call.entities[i],
                      progress[keys[i].partition].next_offset))
            return ol_fail(reterr, OL_FATAL, "out of memory");
    return OL_OK;
}

enum ol_class loop_load(struct loop *loop, const struct entity_key *keys, size_t count,
                        struct ol_arena *arena, struct load_progress *ret_progress,
                        struct ol_error *reterr)
{
    struct load_progress progress[PARTITIONS_MAX];
    size_t done = 0;
    do {
        size_t some = count - done < LOAD_KEYS_MAX ? count - done : LOAD_KEYS_MAX;
        enum ol_class class = load_some(loop, keys + done, some, arena, progress, reterr);
        if (class)
            return class;
        done += some;
    } while (done < count);
    if (ret_progress)
        memcpy(ret_progress, progress, (size_t)loop->partitions * sizeof *progress);
    return OL_OK;
}
