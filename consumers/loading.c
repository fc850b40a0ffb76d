#include "consumers/loop.h"

#include "domain/assert.h"
#include "lib/guard/protected.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"

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

/* Serves the group meanwhile. OL_RETRY with loop->interrupted: the group has news, or we are to
 * stop; the caller has to look at that first. */
static enum ol_class wait_for_database(struct loop *loop, struct ol_error *reterr)
{
    enum ol_consumer_event news = OL_CONSUMER_NOTHING;
    int before = atomic_exchange(&loop->status, LOOP_IS_WAITING);
    bool stopping = ol_run_sleep(DATABASE_RETRY_MS);
    enum ol_class class = stopping ? OL_OK : loop_poll(loop, &news, reterr);
    atomic_store(&loop->status, before);
    if (class || (!stopping && news == OL_CONSUMER_NOTHING))
        return class;
    loop->interrupted = true;
    return ol_fail(reterr, OL_RETRY, "interrupted while waiting for the database");
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
        class = wait_for_database(loop, reterr);
        if (class)
            return class;
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

/* True when the rows hold more than our last committed receipt. Receipts are compared, and then
 * digests: the projector may have written a part of a transaction, and the receipt is its last
 * record. */
static bool is_beyond(const struct loop_receipt *last, const struct load_progress *progress)
{
    const struct receipt *seen = &progress->receipt;
    if (!progress->has_receipt)
        return last->commands_next < 0 && progress->last_offset >= 0;
    if (seen->commands_next == last->commands_next && seen->steps_next == last->steps_next)
        return progress->last_digest != last->digest;
    return seen->commands_next > last->commands_next || seen->steps_next > last->steps_next;
}

/* The first of our partitions whose rows are beyond; -1: none. */
static int32_t find_beyond(const struct loop *loop, const struct load_progress *progress)
{
    for (int32_t i = 0; i < loop->partitions; i++)
        if ((loop->owned & ~loop->halted) >> i & 1 && is_beyond(&loop->receipts[i], &progress[i]))
            return i;
    return -1;
}

/* Rows that we neither took over nor committed: the partition has another owner, and the group has
 * not told us yet. Never mix them with our states. If they come from our own batch in flight, its
 * commit has just finished or is about to: wait for it and look again. */
static enum ol_class check_owner(struct loop *loop, const struct load_progress *progress,
                                 struct ol_error *reterr)
{
    bool is_outrun = PROTECTED(outrun) && loop->deciding && find_beyond(loop, progress) >= 0;
    if (!is_outrun)
        return OL_OK;
    enum ol_class class = loop_finish_commit(loop, reterr);
    if (class)
        return class;
    int32_t beyond = find_beyond(loop, progress);
    return beyond < 0 ? OL_OK
                      : ol_fail(reterr, OL_VIOLATED,
                                "the projection of %s partition %d is ahead of what we wrote: the "
                                "partition has another owner",
                                loop->topics[STREAM_EVENTS].text, beyond);
}

/* How far the projection is: never less than before, or the rows that we built on are gone. */
static enum ol_class note_progress(struct loop *loop, const struct load_progress *progress,
                                   struct ol_error *reterr)
{
    for (int32_t i = 0; i < loop->partitions; i++) {
        if (!(loop->owned >> i & 1))
            continue;
        if (PROTECTED(went_back) && progress[i].next_offset < loop->projected[i])
            return ol_fail(reterr, OL_VIOLATED,
                           "the projection of %s partition %d went back from offset %lld to %lld "
                           "(a database crash with synchronous_commit off, or a failover)",
                           loop->topics[STREAM_EVENTS].text, i, (long long)loop->projected[i],
                           (long long)progress[i].next_offset);
        loop->projected[i] = progress[i].next_offset;
        overlay_projected(core_overlay(loop->core), i,
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
        class = check_owner(loop, progress, reterr);
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
