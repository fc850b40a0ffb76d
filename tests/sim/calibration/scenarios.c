#include "tests/sim/calibration/stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/payments.h"
#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "projections/write_thread.h"

#define ALONE  (2 * STAGE_PARTITIONS) /* commands and steps */
#define SHARED (ALONE / 2)

/* ---- telling ---- */

static void say(struct stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct stage *stage, const char *format, ...)
{
    size_t used = strlen(stage->outcome);
    va_list arguments;
    if (used)
        used += (size_t)snprintf(stage->outcome + used, sizeof stage->outcome - used, ", ");
    va_start(arguments, format);
    vsnprintf(stage->outcome + used, sizeof stage->outcome - used, format, arguments);
    va_end(arguments);
}

/* "commit ok"; true: it is. */
static bool did(struct stage *stage, const char *what, enum ol_class class)
{
    say(stage, "%s %s", what, class ? ol_class_name(class) : "ok");
    return !class;
}

/* Said only where it fails: what is a condition of the scenario, not its point. */
static bool can(struct stage *stage, const char *what, enum ol_class class)
{
    return !class || did(stage, what, class);
}

static int64_t deadline(void)
{
    return ol_clock_monotonic_us() + INT64_C(1000) * STAGE_WAIT_MS;
}

/* ---- producers ---- */

static struct ol_record record_of(struct ol_producer *producer, const char *topic,
                                  const char *value)
{
    return (struct ol_record){.topic = ol_producer_topic(producer, topic),
                              .key = "key",
                              .key_bytes = 3,
                              .value = value,
                              .value_bytes = strlen(value)};
}

static const char *events_of(struct stage *stage)
{
    return stage_topic(stage, CONTEXT_ORDERS, STREAM_EVENTS);
}

/* In the stage's row `row`; NULL: said why not. */
static struct ol_producer *open_with(struct stage *stage, size_t row, char which,
                                     const struct ol_kafka_settings *settings)
{
    enum ol_class class =
        ol_producer_open(settings, stage_id(stage, which), &stage->producers[row], &stage->error);
    return can(stage, "open", class) ? stage->producers[row] : NULL;
}

static struct ol_producer *open_producer(struct stage *stage, size_t row, char which)
{
    struct ol_kafka_settings settings = stage_settings(stage);
    return open_with(stage, row, which, &settings);
}

/* A tainted one is renewed first, as a worker does. */
static bool begin(struct stage *stage, struct ol_producer *producer)
{
    if (ol_producer_tainted(producer) &&
        !can(stage, "renew", ol_producer_renew(producer, &stage->error)))
        return false;
    return can(stage, "begin", ol_producer_begin(producer, &stage->error));
}

static bool write_one(struct stage *stage, struct ol_producer *producer, const char *value)
{
    struct ol_record record = record_of(producer, events_of(stage), value);
    return begin(stage, producer) &&
           can(stage, "produce", ol_producer_produce(producer, &record, 1, &stage->error));
}

/* Begun, produced, and on the log. */
static bool await_high(struct stage *stage, int64_t wanted)
{
    for (int64_t until = deadline(); ol_clock_monotonic_us() < until;) {
        int64_t low, high = 0;
        if (!ol_admin_watermarks(stage_admin(stage), events_of(stage), 0, STAGE_WAIT_MS, &low,
                                 &high, &stage->error) &&
            high >= wanted)
            return true;
    }
    say(stage, "never on the log");
    return false;
}

static bool commit(struct stage *stage, const char *what, struct ol_producer *producer)
{
    return did(stage, what, ol_producer_commit(producer, NULL, &stage->error));
}

static enum ol_class commit_offsets(struct stage *stage, struct ol_producer *producer,
                                    int64_t offset, const struct ol_group *group)
{
    const struct ol_offset place = {stage_topic(stage, CONTEXT_ORDERS, STREAM_COMMANDS), 0, offset};
    enum ol_class class = ol_producer_commit_start(producer, &place, 1, group, &stage->error);
    return class ? class : ol_producer_commit_wait(producer, NULL, &stage->error);
}

/* ---- readers ---- */

static bool open_reader(struct stage *stage)
{
    struct ol_kafka_settings settings = stage_settings(stage);
    const struct ol_offset start = {events_of(stage), 0, 0};
    enum ol_class class =
        ol_reader_open(&settings, OL_READ_COMMITTED, 1, &stage->reader, &stage->error);
    if (!class)
        class = ol_reader_assign(stage->reader, &start, 1, &stage->error);
    return can(stage, "reader", class);
}

/* Tells what the reader finds until its position is `wanted` and it is at the end. */
static void read_until(struct stage *stage, int64_t wanted)
{
    if (!stage->reader && !open_reader(stage))
        return;
    for (int64_t until = deadline(); ol_clock_monotonic_us() < until;) {
        struct ol_message messages[16];
        size_t count = 0;
        if (!can(stage, "read",
                 ol_reader_poll(stage->reader, 200, messages, 16, &count, &stage->error)))
            return;
        for (size_t i = 0; i < count; i++)
            say(stage, "%.*s at %lld", (int)messages[i].value_bytes,
                (const char *)messages[i].value, (long long)messages[i].offset);
        ol_messages_release(messages, count);
        if (ol_reader_at_end(stage->reader) && ol_reader_position(stage->reader, 0) >= wanted)
            break;
    }
    say(stage, "read to %lld", (long long)ol_reader_position(stage->reader, 0));
}

/* ---- members of a group ---- */

static bool join(struct stage *stage, size_t row, const char *instance)
{
    struct ol_kafka_settings settings = stage_settings(stage);
    const char *topics[] = {stage_topic(stage, CONTEXT_ORDERS, STREAM_COMMANDS),
                            stage_topic(stage, CONTEXT_ORDERS, STREAM_STEPS)};
    const struct ol_consumer_options options = {stage_group(stage), instance, topics, 2, ALONE};
    return can(stage, "join",
               ol_consumer_open(&settings, &options, &stage->consumers[row], &stage->error));
}

static bool answer(struct stage *stage, struct ol_consumer *consumer, enum ol_consumer_event event)
{
    if (event == OL_CONSUMER_REVOKED || event == OL_CONSUMER_LOST)
        return ol_consumer_unassign(consumer, &stage->error) == OL_OK;
    if (event != OL_CONSUMER_ASSIGNED)
        return true;
    const struct ol_assignment *assignment = ol_consumer_assignment(consumer);
    struct ol_offset positions[ALONE];
    for (size_t i = 0; i < assignment->count; i++) {
        positions[i] = assignment->places[i];
        positions[i].offset = 0;
    }
    return ol_consumer_assign(consumer, positions, assignment->count, &stage->error) == OL_OK;
}

/* Serves the members of these rows until each has `wanted` partitions. */
static bool settle(struct stage *stage, const size_t rows[], size_t row_count, size_t wanted)
{
    for (int64_t until = deadline(); ol_clock_monotonic_us() < until;) {
        size_t right = 0;
        for (size_t i = 0; i < row_count; i++) {
            struct ol_consumer *consumer = stage->consumers[rows[i]];
            enum ol_consumer_event event;
            enum ol_class class = ol_consumer_poll(consumer, &event, &stage->error);
            if (class && class != OL_RETRY)
                return can(stage, "member", class);
            if (!class && !answer(stage, consumer, event))
                break;
            const struct ol_assignment *assignment = ol_consumer_assignment(consumer);
            right += assignment && assignment->count == wanted;
        }
        if (right == row_count)
            return true;
        ol_consumer_wait(stage->consumers[rows[0]], -1, 20);
    }
    say(stage, "the group does not settle");
    return false;
}

static bool settle_one(struct stage *stage, size_t row)
{
    return settle(stage, (const size_t[]){row}, 1, ALONE);
}

static const struct ol_group *group_of(const struct stage *stage, size_t row)
{
    return ol_consumer_assignment(stage->consumers[row])->group;
}

/* The group as the member knows it now, kept beyond its assignment. */
static const struct ol_group *keep_group(struct stage *stage, size_t row)
{
    return stage->groups[row] = ol_group_copy(group_of(stage, row));
}

static void tell_committed(struct stage *stage, size_t row, int timeout_ms)
{
    struct ol_offset place = {stage_topic(stage, CONTEXT_ORDERS, STREAM_COMMANDS), 0, -1};
    enum ol_class class =
        ol_consumer_committed(stage->consumers[row], &place, 1, timeout_ms, &stage->error);
    if (can(stage, "committed", class))
        say(stage, "committed %lld", (long long)place.offset);
}

/* Polls until the member has nothing left to learn, or is told that its slot is taken. */
static void await_fenced(struct stage *stage, size_t row)
{
    for (int64_t until = deadline(); ol_clock_monotonic_us() < until;) {
        enum ol_consumer_event event;
        if (ol_consumer_poll(stage->consumers[row], &event, &stage->error) == OL_CONFLICT) {
            say(stage, "member %zu fenced", row);
            return;
        }
        ol_consumer_wait(stage->consumers[row], -1, 100);
    }
    say(stage, "member %zu not fenced", row);
}

/* ---- Kafka: transactions ---- */

static void commit_then_read(struct stage *stage)
{
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !write_one(stage, producer, "one"))
        return;
    commit(stage, "commit", producer);
    say(stage, "tainted %d", ol_producer_tainted(producer));
    read_until(stage, 2);
}

static void abort_then_read(struct stage *stage)
{
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !write_one(stage, producer, "gone") || !await_high(stage, 1))
        return;
    did(stage, "abort", ol_producer_abort(producer, &stage->error));
    say(stage, "tainted %d", ol_producer_tainted(producer));
    if (!did(stage, "renew", ol_producer_renew(producer, &stage->error)) ||
        !write_one(stage, producer, "kept"))
        return;
    commit(stage, "commit", producer);
    read_until(stage, 4);
}

static void older_producer_is_fenced(struct stage *stage)
{
    struct ol_producer *older = open_producer(stage, 0, 'a');
    struct ol_producer *newer = older ? open_producer(stage, 1, 'a') : NULL;
    if (!newer)
        return;
    struct ol_record record = record_of(older, events_of(stage), "old");
    if (did(stage, "begin", ol_producer_begin(older, &stage->error)) &&
        did(stage, "produce", ol_producer_produce(older, &record, 1, &stage->error)))
        commit(stage, "old commit", older);
    say(stage, "tainted %d", ol_producer_tainted(older));
    if (!write_one(stage, newer, "new"))
        return;
    commit(stage, "new commit", newer);
    read_until(stage, 2);
}

static void older_transaction_is_ended(struct stage *stage)
{
    struct ol_producer *older = open_producer(stage, 0, 'a');
    if (!older || !write_one(stage, older, "old") || !await_high(stage, 1))
        return;
    struct ol_producer *newer = open_producer(stage, 1, 'a');
    if (!newer || !write_one(stage, newer, "new"))
        return;
    commit(stage, "old commit", older);
    commit(stage, "new commit", newer);
    read_until(stage, 4);
}

static void open_transaction_holds_readers(struct stage *stage)
{
    struct ol_producer *first = open_producer(stage, 0, 'a');
    struct ol_producer *second = first ? open_producer(stage, 1, 'b') : NULL;
    if (!second || !write_one(stage, first, "one") || !await_high(stage, 1) ||
        !write_one(stage, second, "two") || !commit(stage, "second", second) ||
        !await_high(stage, 3))
        return;
    read_until(stage, 0);
    commit(stage, "first", first);
    read_until(stage, 4);
}

static void aborted_behind_an_open_one(struct stage *stage)
{
    struct ol_producer *first = open_producer(stage, 0, 'a');
    struct ol_producer *second = first ? open_producer(stage, 1, 'b') : NULL;
    if (!second || !write_one(stage, first, "one") || !await_high(stage, 1) ||
        !write_one(stage, second, "gone") || !await_high(stage, 2))
        return;
    did(stage, "abort", ol_producer_abort(second, &stage->error));
    commit(stage, "commit", first);
    read_until(stage, 4);
}

static void timeout_aborts(struct stage *stage)
{
    struct ol_kafka_settings settings = stage_settings(stage);
    settings.socket_timeout_ms = settings.message_timeout_ms = 1500;
    settings.transaction_timeout_ms = 2000;
    struct ol_producer *producer = open_with(stage, 0, 'a', &settings);
    if (!producer || !write_one(stage, producer, "late") || !await_high(stage, 1))
        return;
    read_until(stage, 2);
    commit(stage, "commit", producer);
    if (!write_one(stage, producer, "after"))
        return;
    commit(stage, "commit", producer);
    read_until(stage, 4);
}

static void renewed_in_a_transaction(struct stage *stage)
{
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !write_one(stage, producer, "lost") || !await_high(stage, 1))
        return;
    if (!did(stage, "renew", ol_producer_renew(producer, &stage->error)))
        return;
    say(stage, "tainted %d", ol_producer_tainted(producer));
    if (!write_one(stage, producer, "kept"))
        return;
    commit(stage, "commit", producer);
    read_until(stage, 4);
}

/* ---- Kafka: offsets and members ---- */

static void open_transaction_holds_offsets(struct stage *stage)
{
    const struct ol_offset place = {stage_topic(stage, CONTEXT_ORDERS, STREAM_COMMANDS), 0, 5};
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !join(stage, 0, "slot-0") || !settle_one(stage, 0))
        return;
    tell_committed(stage, 0, STAGE_WAIT_MS);
    if (!begin(stage, producer) ||
        !did(stage, "offsets",
             ol_producer_send_offsets(producer, &place, 1, group_of(stage, 0), &stage->error)))
        return;
    tell_committed(stage, 0, 1000);
    commit(stage, "commit", producer);
    tell_committed(stage, 0, STAGE_WAIT_MS);
}

static void offsets_of_an_old_generation(struct stage *stage)
{
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !join(stage, 0, "slot-0") || !settle_one(stage, 0))
        return;
    const struct ol_group *old = keep_group(stage, 0);
    if (!join(stage, 1, "slot-1") || !settle(stage, (const size_t[]){0, 1}, 2, SHARED) ||
        !write_one(stage, producer, "old") || !await_high(stage, 1))
        return;
    did(stage, "old commit", commit_offsets(stage, producer, 3, old));
    tell_committed(stage, 0, STAGE_WAIT_MS);
    if (!write_one(stage, producer, "new"))
        return;
    did(stage, "new commit", commit_offsets(stage, producer, 4, group_of(stage, 0)));
    tell_committed(stage, 0, STAGE_WAIT_MS);
    read_until(stage, 4);
}

static void offsets_of_a_replaced_member(struct stage *stage)
{
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !join(stage, 0, "slot-0") || !settle_one(stage, 0))
        return;
    const struct ol_group *old = keep_group(stage, 0);
    if (!join(stage, 1, "slot-0") || !settle_one(stage, 1) || !write_one(stage, producer, "old"))
        return;
    did(stage, "old commit", commit_offsets(stage, producer, 3, old));
    await_fenced(stage, 0);
    if (!write_one(stage, producer, "new"))
        return;
    did(stage, "new commit", commit_offsets(stage, producer, 4, group_of(stage, 1)));
    tell_committed(stage, 1, STAGE_WAIT_MS);
}

static void other_member_returns(struct stage *stage)
{
    const size_t pair[] = {0, 1}, back[] = {0, 2};
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !join(stage, 0, "slot-0") || !join(stage, 1, "slot-1") ||
        !settle(stage, pair, 2, SHARED))
        return;
    uint64_t serial = ol_consumer_assignment(stage->consumers[0])->serial;
    int32_t partition = ol_consumer_assignment(stage->consumers[1])->places[0].partition;
    keep_group(stage, 1);
    ol_consumer_abandon(stage->consumers[1], STAGE_WAIT_MS);
    stage->consumers[1] = NULL;
    if (!join(stage, 2, "slot-1") || !settle(stage, back, 2, SHARED))
        return;
    say(stage, "the first %s, the slot %s its partitions",
        ol_consumer_assignment(stage->consumers[0])->serial == serial ? "noticed nothing"
                                                                      : "was assigned anew",
        ol_consumer_assignment(stage->consumers[2])->places[0].partition == partition ? "has"
                                                                                      : "lost");
    if (!write_one(stage, producer, "first"))
        return;
    did(stage, "first's commit", commit_offsets(stage, producer, 3, group_of(stage, 0)));
    if (!write_one(stage, producer, "gone"))
        return;
    did(stage, "old commit", commit_offsets(stage, producer, 4, stage->groups[1]));
    tell_committed(stage, 0, STAGE_WAIT_MS);
}

static void empty_offsets_are_refused(struct stage *stage)
{
    const struct ol_offset place = {stage_topic(stage, CONTEXT_ORDERS, STREAM_COMMANDS), 0, -1};
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !join(stage, 0, "slot-0") || !settle_one(stage, 0) ||
        !write_one(stage, producer, "one"))
        return;
    const struct ol_group *group = group_of(stage, 0);
    if (!did(stage, "none", ol_producer_commit_start(producer, NULL, 0, group, &stage->error)))
        did(stage, "negative", ol_producer_commit_start(producer, &place, 1, group, &stage->error));
    else
        did(stage, "commit of none", ol_producer_commit_wait(producer, NULL, &stage->error));
    say(stage, "tainted %d", ol_producer_tainted(producer));
}

static void two_commits_in_turn(struct stage *stage)
{
    struct ol_producer *producer = open_producer(stage, 0, 'a');
    if (!producer || !join(stage, 0, "slot-0") || !settle_one(stage, 0))
        return;
    for (int64_t i = 1; i <= 2; i++) {
        if (!write_one(stage, producer, i == 1 ? "one" : "two") ||
            !did(stage, "commit", commit_offsets(stage, producer, i, group_of(stage, 0))))
            return;
        say(stage, "tainted %d", ol_producer_tainted(producer));
    }
    tell_committed(stage, 0, STAGE_WAIT_MS);
    read_until(stage, 4);
}

/* ---- PostgreSQL ---- */

static struct writer *open_writer(struct stage *stage, size_t row)
{
    struct load_progress progress[STAGE_PARTITIONS];
    stage->databases[row] = stage_database(stage);
    if (!stage->databases[row])
        return NULL;
    stage->writers[row] = writer_new(stage->databases[row], CONTEXT_PAYMENTS,
                                     stage_topic(stage, CONTEXT_PAYMENTS, STREAM_EVENTS));
    return can(stage, "writer",
               writer_begin(stage->writers[row], STAGE_PARTITIONS, progress, &stage->error))
               ? stage->writers[row]
               : NULL;
}

/* One event: the account is opened (offset 0), then a hundred are deposited at each further one. */
static struct row_batch *batch_of(struct stage *stage, size_t row, int64_t offset)
{
    static const char *const ids[] = {"open", "deposit/1", "deposit/2"};
    const struct load_progress before = {.next_offset = offset,
                                         .last_offset = offset - 1,
                                         .last_digest = (uint64_t)offset,
                                         .last_recorded_us = offset ? 1000000 + offset : TIME_NONE};
    const struct event_message event = {
        .context = CONTEXT_PAYMENTS,
        .metadata = {.command_id = text_of(ids[offset])},
        .recorded_at_us = 1000001 + offset,
        .cause_source = CAUSE_COMMANDS,
        .cause_offset = offset,
        .body_digest = 7,
        .body = EVENT_BODY_DOMAIN,
        .payment = {.kind = offset ? FUNDS_DEPOSITED : ACCOUNT_OPENED,
                    .version = offset + 1,
                    .customer_id = text_of(stage_customer(stage)),
                    .currency = TEXT("USD"),
                    .amount_minor = offset ? 100 : 0}};
    struct row_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        abort();
    stage->batches[row] = batch;
    row_batch_init(batch, CONTEXT_PAYMENTS);
    row_batch_start(batch, 0, &before);
    if (!can(stage, "event", row_batch_apply(batch, &event, 0, offset, &stage->error)))
        return NULL;
    batch->partitions[0].now.last_digest = (uint64_t)offset + 1;
    row_batch_seal(batch);
    return batch;
}

/* The event at `offset`, written by the writer of a row. */
static bool write_event(struct stage *stage, const char *what, size_t row, int64_t offset)
{
    uint64_t lost = 0;
    struct row_batch *batch = batch_of(stage, row, offset);
    if (!batch)
        return false;
    enum ol_class class = writer_write(stage->writers[row], batch, &lost, &stage->error);
    row_batch_release(batch);
    free(batch);
    stage->batches[row] = NULL;
    did(stage, what, class);
    if (lost)
        say(stage, "lost %llu", (unsigned long long)lost);
    return !class;
}

static void tell_progress(struct stage *stage, size_t row)
{
    struct load_progress progress[STAGE_PARTITIONS];
    if (can(stage, "progress",
            writer_progress(stage->writers[row], STAGE_PARTITIONS, progress, &stage->error)))
        say(stage, "next %lld", (long long)progress[0].next_offset);
}

static bool load_begin(struct stage *stage, const struct entity_key *key)
{
    stage->databases[3] = stage_database(stage);
    if (!stage->databases[3])
        return false;
    stage->load = load_new(stage->databases[3], CONTEXT_PAYMENTS,
                           stage_topic(stage, CONTEXT_PAYMENTS, STREAM_EVENTS), STAGE_PARTITIONS);
    return can(stage, "load", load_send(stage->load, key, 1, &stage->error));
}

static void load_end(struct stage *stage)
{
    struct ol_arena arena;
    struct entity entity;
    struct load_progress progress[STAGE_PARTITIONS];
    ol_arena_init(&arena, 4096, 0);
    if (can(stage, "load",
            load_receive(stage->load, STAGE_WAIT_MS, &arena, &entity, progress, &stage->error)))
        say(stage, "loaded version %lld balance %lld next %lld", (long long)entity.account.version,
            (long long)entity.account.balance_minor, (long long)progress[0].next_offset);
    ol_arena_release(&arena);
}

static struct entity_key account_key(struct stage *stage)
{
    return (struct entity_key){ENTITY_ACCOUNT, 0, text_of(stage_customer(stage)), {0}};
}

static void load_against_a_commit(struct stage *stage)
{
    const struct entity_key key = account_key(stage);
    if (!open_writer(stage, 0) || !write_event(stage, "write", 0, 0) || !load_begin(stage, &key))
        return;
    write_event(stage, "write", 0, 1);
    load_end(stage);
    if (can(stage, "load", load_send(stage->load, &key, 1, &stage->error)))
        load_end(stage);
}

static void second_writer_is_late(struct stage *stage)
{
    if (!open_writer(stage, 0) || !open_writer(stage, 1))
        return;
    write_event(stage, "first", 0, 0);
    write_event(stage, "second", 1, 0);
    tell_progress(stage, 1);
    write_event(stage, "second", 1, 1);
    write_event(stage, "first", 0, 1);
    tell_progress(stage, 0);
}

static void on_written(void *context)
{
    (void)context;
}

static bool start_write(struct stage *stage, size_t row, int64_t offset)
{
    struct row_batch *batch = batch_of(stage, row, offset);
    stage->threads[row] = write_thread_start(stage->writers[row], on_written, NULL);
    if (!batch || !stage->threads[row])
        return false;
    write_thread_submit(stage->threads[row], batch);
    return true;
}

static enum ol_class await_write(struct stage *stage, size_t row)
{
    struct write_outcome outcome;
    return write_thread_outcome(stage->threads[row], STAGE_WAIT_MS, &outcome) ? outcome.class
                                                                              : OL_FATAL;
}

/* Which of them is the database's choice. */
static void one_of_two_writers_advances(struct stage *stage)
{
    if (!open_writer(stage, 0) || !open_writer(stage, 1) || !start_write(stage, 0, 0) ||
        !start_write(stage, 1, 0))
        return;
    enum ol_class one = await_write(stage, 0), other = await_write(stage, 1);
    enum ol_class better = one < other ? one : other, worse = one < other ? other : one;
    did(stage, "one", better);
    did(stage, "the other", worse);
    tell_progress(stage, 0);
}

static bool reconnect(struct stage *stage, size_t row)
{
    struct load_progress progress[STAGE_PARTITIONS];
    return can(stage, "reconnect", ol_pg_reconnect(stage->databases[row], &stage->error)) &&
           can(stage, "writer",
               writer_begin(stage->writers[row], STAGE_PARTITIONS, progress, &stage->error));
}

static void cut_before_a_write(struct stage *stage)
{
    if (!open_writer(stage, 0) || !write_event(stage, "write", 0, 0))
        return;
    stage_disconnect(stage, stage->databases[0]);
    write_event(stage, "write", 0, 1);
    say(stage, "usable %d", ol_pg_usable(stage->databases[0]));
    if (!reconnect(stage, 0))
        return;
    tell_progress(stage, 0);
    write_event(stage, "write", 0, 1);
    tell_progress(stage, 0);
}

static void cut_while_it_writes(struct stage *stage)
{
    if (!open_writer(stage, 0) || !write_event(stage, "write", 0, 0) || !start_write(stage, 0, 1))
        return;
    stage_disconnect_soon(stage, stage->databases[0]);
    did(stage, "write", await_write(stage, 0));
    if (reconnect(stage, 0))
        tell_progress(stage, 0);
}

static void database_went_back(struct stage *stage)
{
    const struct entity_key key = account_key(stage);
    if (!open_writer(stage, 0) || !write_event(stage, "write", 0, 0) ||
        !write_event(stage, "write", 0, 1))
        return;
    stage_go_back(stage, 1);
    write_event(stage, "write", 0, 2);
    tell_progress(stage, 0);
    if (load_begin(stage, &key)) {
        struct ol_arena arena;
        struct entity entity;
        struct load_progress progress[STAGE_PARTITIONS];
        ol_arena_init(&arena, 4096, 0);
        if (can(stage, "load",
                load_receive(stage->load, STAGE_WAIT_MS, &arena, &entity, progress, &stage->error)))
            say(stage, "loaded next %lld", (long long)progress[0].next_offset);
        ol_arena_release(&arena);
    }
}

#define SCENARIO(name)                                                                             \
    {                                                                                              \
#name, name                                                                                \
    }
const struct scenario scenarios[] = {
    SCENARIO(commit_then_read),
    SCENARIO(abort_then_read),
    SCENARIO(older_producer_is_fenced),
    SCENARIO(older_transaction_is_ended),
    SCENARIO(open_transaction_holds_readers),
    SCENARIO(aborted_behind_an_open_one),
    SCENARIO(timeout_aborts),
    SCENARIO(renewed_in_a_transaction),
    SCENARIO(open_transaction_holds_offsets),
    SCENARIO(offsets_of_an_old_generation),
    SCENARIO(offsets_of_a_replaced_member),
    SCENARIO(other_member_returns),
    SCENARIO(empty_offsets_are_refused),
    SCENARIO(two_commits_in_turn),
    SCENARIO(load_against_a_commit),
    SCENARIO(second_writer_is_late),
    SCENARIO(one_of_two_writers_advances),
    SCENARIO(cut_before_a_write),
    SCENARIO(cut_while_it_writes),
    SCENARIO(database_went_back),
};
const size_t scenario_count = sizeof scenarios / sizeof *scenarios;

/* ---- the play ---- */

static void close_kafka(struct stage *stage)
{
    ol_reader_close(stage->reader);
    for (size_t i = 0; i < STAGE_HANDLES; i++) {
        ol_producer_close(stage->producers[i]);
        ol_consumer_abandon(stage->consumers[i], STAGE_WAIT_MS);
        ol_group_free(stage->groups[i]);
    }
}

static void close_databases(struct stage *stage)
{
    load_free(stage->load);
    for (size_t i = 0; i < STAGE_HANDLES; i++) {
        write_thread_stop(stage->threads[i]);
        if (stage->batches[i])
            row_batch_release(stage->batches[i]);
        free(stage->batches[i]);
        writer_free(stage->writers[i]);
        ol_pg_free(stage->databases[i]);
    }
}

void stage_play(struct stage *stage, const struct scenario *scenario)
{
    *stage = (struct stage){.name = scenario->name};
    scenario->play(stage);
    close_kafka(stage);
    close_databases(stage);
}
