/*
 * tests/sim/sim.h - one world: a seed, virtual time, and everything that happens in it.
 *
 *   knobs from the seed -> actors (worker loops, projectors), broker, database, clients
 *   -> events in the order of virtual time, faults among them -> faults stop -> rest -> verdict
 *
 * The production shells and cores are linked unchanged; what is replaced, at link time, is what the
 * headers lib/kafka/ol_kafka_*.h, lib/program/ol_run.h and ol_log.h, lib/base/ol_clock.h,
 * lib/http/ol_metrics.h, projections/load.h, writer.h and write_thread.h promise: here they are
 * models (producer.c, consumer.c, inbox.c, reader.c, pg.c, ports.c). One thread; each actor runs on
 * a stack of its own (fiber) and gives way only inside a port, where virtual time passes. A crash
 * makes all of an actor's ports dead and lets it unwind: what it does then has no effect, so that
 * its memory is given back.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <ucontext.h>

#include "domain/entity.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_error.h"
#include "lib/kafka/ol_kafka.h"
#include "projections/load.h"

#define SIM_PARTITIONS_MAX 8
#define SIM_WORKERS_MAX    3
#define SIM_SLOTS_MAX      (CONTEXT_COUNT * 2 * SIM_WORKERS_MAX) /* workers and projectors */
#define SIM_ACTORS_MAX     64                                    /* those replaced included */
#define US                 INT64_C(1)
#define MS                 (1000 * US)
#define SEC                (1000 * MS)
#define SIM_NEVER          INT64_MAX

/* ---- rare states: counted, and a run in which one never occurred fails ---- */

enum counter {
#define COUNTER(id, text) COUNT_##id,
#include "tests/sim/counters.def"
#undef COUNTER
    COUNTERS
};

/* ---- fault families ---- */

enum fault {
#define FAULT(id, text) FAULT_##id,
#include "tests/sim/faults.def"
#undef FAULT
    FAULTS
};

enum disaster {
    DISASTER_NONE,
    DISASTER_LOG_CUT,
    DISASTER_LOG_CHANGED,
    DISASTER_OFFSETS_BACK,
    DISASTER_UNREAD_GONE,
    DISASTERS
};

/* What a seed draws, and what the shrinker takes away again. */
struct knobs {
    uint64_t seed;
    uint32_t faults; /* bits of enum fault */
    int32_t orders, partitions, workers, projectors, products, customers;
    int32_t lines_max, stock, batch_inputs, orders_open_max, projector_events;
    int64_t overlay_bytes, overlay_bytes_max, deadline_ms, close_gap_ms;
    int64_t spread_us;           /* orders come within this */
    int64_t faults_from_us;      /* the shrinker's: none before */
    int64_t faults_us;           /* faults stop then */
    int64_t every_us;            /* mean time between two faults of a family */
    int64_t latency_us;          /* of one message, mean */
    int64_t drift_ppm;           /* clocks, at most */
    int64_t delay_ppm, lost_ppm; /* of requests and answers */
    enum disaster disaster;
    bool replayed; /* the whole log is projected again in the end */
    bool trimmed;  /* all inputs are gone in the end, and everybody starts again */
    bool codec;    /* real bytes instead of decoded structs */
    bool retires;  /* the shop's currency ends on the way */
};

/* The shop's currency: EUR, or Mauritania's ouguiya of 1973, MRO, which ended on 2018-07-01. */
#define SIM_RETIRED_US INT64_C(1530403200000000)
struct text sim_currency(void);

/* ---- fibers ---- */

struct actor;

/* A place in the order of events. */
struct moment {
    int64_t at_us;
    uint64_t tie;
};

#define SIM_JUMP_WORDS 5 /* __builtin_setjmp's */

struct fiber {
    ucontext_t start;
    void *at[SIM_JUMP_WORDS];
    char *stack;
    void (*main)(void *argument);
    void *argument;
    struct actor *actor; /* whose crash is its crash; NULL: nobody's */
    uint64_t token;      /* of the block it is in */
    struct moment until; /* when that ends by itself */
    struct moment alarm; /* when an event looks after that; SIM_NEVER: none */
    bool begun, done, blocked, signalled;
    struct fiber *next;
};

/* ---- actors: one loop each ---- */

struct loop;
struct follower;

struct actor {
    int32_t number, slot;
    enum context context;
    bool projector;
    bool running, dead, stop; /* dead: its ports have no effect any more */
    int64_t paused_until;
    int64_t wall_offset_us, drift_ppm; /* of its clock */
    struct fiber *fiber;
    struct loop *loop;
    struct follower *follower;
    uint64_t steps, evictions;
};

/* ---- the broker (broker.c, group.c) ---- */

enum slot_kind { SLOT_RECORD = 1, SLOT_COMMIT, SLOT_ABORT };

struct slot {
    enum slot_kind kind;
    uint32_t txn; /* 0: none, readable at once */
    int64_t at_us;
    const void *key, *value;
    uint32_t key_bytes, value_bytes;
    const struct ol_header *headers;
    uint32_t header_count;
};

#define SLOTS_CHUNK 64
#define WRITERS_MAX (CONTEXT_COUNT * SIM_WORKERS_MAX * 2)

struct part {
    enum context context;
    enum stream stream;
    int32_t number;
    struct slot **chunks;               /* each of SLOTS_CHUNK; a slot stays where it is */
    int64_t count, chunk_count, stable; /* stable: the last stable offset */
    int64_t first;                      /* what lay before is gone */
    int64_t acknowledged;               /* somebody said so of what lay before */
    int64_t open_at[WRITERS_MAX];       /* first offset of the writer's open transaction; -1 */
    uint32_t open_txn[WRITERS_MAX];
    int32_t epoch[WRITERS_MAX], sequence[WRITERS_MAX];
    uint64_t readers; /* actors to wake, as bits of their number */
    int64_t checked;  /* the checker has read up to here */
};

static inline struct slot *part_slot(const struct part *part, int64_t offset)
{
    return &part->chunks[offset / SLOTS_CHUNK][offset % SLOTS_CHUNK];
}

enum txn_state { TXN_NONE, TXN_ONGOING, TXN_COMMITTING, TXN_ABORTING, TXN_OVER };

struct member_id {
    uint32_t id;
    int32_t generation, slot;
};

struct txn {
    enum txn_state state;
    bool committed, has_offsets;
    int32_t epoch, writer, markers_left;
    int64_t began_us;
    uint64_t parts[CONTEXT_COUNT][STREAM_COUNT]; /* added, as bits */
    uint64_t written[CONTEXT_COUNT][STREAM_COUNT];
    bool offsets_added;
    struct member_id member;
    struct actor *by;
    uint64_t offset_parts; /* whose offsets are pending */
    int64_t offsets[SIM_PARTITIONS_MAX][2];
    bool has_source[SIM_PARTITIONS_MAX][2];
    uint64_t place; /* of its record in the topic of offsets */
};

/* A transactional id at its coordinator. */
struct writer_id {
    int32_t epoch;
    uint32_t txn; /* the last one; 0: none */
};

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_STABLE };

struct member {
    bool there, joined;
    uint32_t id;
    int32_t slot;
    int64_t heard_us;
    struct ol_consumer *client;
    uint64_t parts;
};

struct group {
    enum context context;
    bool projector;
    enum group_state state;
    int32_t generation;
    int64_t until_us;
    struct member members[SIM_WORKERS_MAX];
    int64_t committed[SIM_PARTITIONS_MAX][2];   /* -1: none */
    uint32_t pending[SIM_PARTITIONS_MAX];       /* transactions that may still commit some */
    uint64_t places, place[SIM_PARTITIONS_MAX]; /* of the record that each is from */
    int32_t owner_generation[SIM_PARTITIONS_MAX];
};

/* ---- the world ---- */

struct event {
    int64_t at_us;
    uint64_t tie;
    void (*run)(void *self, uint64_t argument);
    void *self;
    uint64_t argument;
};

struct world {
    struct knobs knobs;
    uint64_t random;
    int64_t now_us, wall_us;
    struct event *heap;
    size_t heap_count, heap_capacity;
    uint64_t events_run, trace, block_token;
    bool faults_on, healed;
    struct fiber *current, *fibers;
    void *scheduler_at[SIM_JUMP_WORDS];
    sigjmp_buf verdict;
    bool verdict_set, failed;
    char failure[2048], aggregate[160];
    struct text folding; /* what the checker is at */

    struct part parts[CONTEXT_COUNT][STREAM_COUNT][SIM_PARTITIONS_MAX];
    struct txn *txns;
    uint32_t txn_count, txn_capacity;
    struct writer_id writers[WRITERS_MAX];
    struct group groups[2][CONTEXT_COUNT]; /* workers, projectors */
    uint32_t members_made;
    int64_t broker_down_until, pg_down_until;

    struct actor *actors[SIM_ACTORS_MAX]; /* each life is a struct of its own; numbers come again */
    int32_t actor_count;
    int32_t slot_actor[SIM_SLOTS_MAX]; /* who runs there; -1: nobody */
    struct checks *checks;
    struct store *store;
    struct clients *clients;
    bool halts_expected, halted[2]; /* workers, projectors */
};

extern struct world *world;
extern uint64_t counters[COUNTERS];
extern bool tracing;

static inline void count(enum counter counter)
{
    counters[counter]++;
}

/* ---- random ---- */

uint64_t sim_random(void);
uint64_t sim_below(uint64_t bound);
int64_t sim_between(int64_t low, int64_t high);
bool sim_chance(uint64_t in_million);
bool sim_has(enum fault fault); /* the family is on, and faults have not stopped */
int64_t sim_delay(int64_t mean_us);

/* ---- time ---- */

void sim_at(int64_t at_us, void (*run)(void *, uint64_t), void *self, uint64_t argument);
/* Gives way until then, or until woken. */
void sim_block(int64_t until_us);
/* The same, deaf to wakes. */
void sim_sleep(int64_t for_us);
void sim_wake(struct fiber *fiber);
struct fiber *sim_fiber(void (*main)(void *), void *argument, struct actor *actor);
/* Runs a fiber of a dead actor to its end. */
void sim_unwind(struct fiber *fiber);
void sim_fiber_free(struct fiber *fiber);
struct actor *sim_actor(void); /* whose code runs; NULL: the world's own */
/* Runs events until `until_us`, or until there are none. */
void sim_run(int64_t until_us);

/* ---- memory: as long as the seed ---- */

void *sim_alloc(size_t bytes);
void *sim_copy_in(const void *data, size_t bytes);

extern char *sim_memory;
extern size_t sim_memory_used;

/* What is the world's already is not copied. */
static inline void *sim_copy(const void *data, size_t bytes)
{
    bool ours = (uintptr_t)data - (uintptr_t)sim_memory < sim_memory_used;
    return ours || !bytes ? (void *)(uintptr_t)data : sim_copy_in(data, bytes);
}

static inline struct text sim_text(struct text text)
{
    return (struct text){sim_copy(text.data, text.bytes), text.bytes};
}

void sim_memory_reset(void);

/* ---- verdicts ---- */

void sim_trace(uint64_t word);
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void sim_fail(struct text aggregate, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- broker.c ---- */

void broker_begin(void);
struct part *broker_part(const char *topic, int32_t partition);
const char *broker_topic(enum context context, enum stream stream);
int64_t broker_append(struct part *part, const struct slot *slot);
bool broker_is_up(void);
/* Offset of the last committed record; -1: none. */
int64_t part_last_record(const struct part *part);
/* The partition's last records are gone; its last record is another. False: it has none. */
bool broker_cut(enum context context, int32_t partition);
bool broker_change(enum context context, int32_t partition);
#define BAD_STEP_BYTES 1 /* a step that can't be read is of so many; no other is */
/* The partition begins there now, if it did not begin later; a record that nobody reads goes
 * too. */
void broker_trim(enum context context, enum stream stream, int32_t partition, int64_t first);
void broker_lose_unread(enum context context, int32_t partition);
void broker_restart(int64_t down_us);
/* Is the slot's record committed? Only asked below the last stable offset. */
bool broker_committed(const struct slot *slot);

enum broker_answer {
    BROKER_OK,
    BROKER_CONCURRENT, /* proves no effect: again */
    BROKER_FENCED,
    BROKER_INVALID,
    BROKER_SILENT, /* no answer in time */
};
enum broker_answer broker_init_writer(int32_t writer, int32_t *ret_epoch);
enum broker_answer broker_add_partitions(int32_t writer, int32_t epoch,
                                         uint64_t parts[CONTEXT_COUNT][STREAM_COUNT]);
enum broker_answer broker_add_offsets(int32_t writer, int32_t epoch);
enum broker_answer broker_end(int32_t writer, int32_t epoch, bool commit);
enum broker_answer broker_produce(int32_t writer, int32_t epoch, struct part *part,
                                  int32_t sequence, const struct slot *records, size_t count);
enum broker_answer group_offsets(struct group *group, int32_t writer, int32_t epoch,
                                 struct member_id member, const struct ol_offset *offsets,
                                 size_t count);

/* ---- group.c ---- */

void group_begin(struct group *group, enum context context, bool projector);
void group_join(struct group *group, struct ol_consumer *client, uint32_t member_id);
bool group_take_back(struct group *group, int32_t partition);
void group_leave(struct group *group, uint32_t member_id);

/* consumer.c, told by the group */
struct ol_consumer;
void client_assigned(struct ol_consumer *client, struct member_id member, uint64_t parts);
void client_rebalance(struct ol_consumer *client);
void client_lost(struct ol_consumer *client, bool fenced);
bool client_is_heard(const struct ol_consumer *client);
int32_t client_slot(const struct ol_consumer *client);
uint32_t client_member(const struct ol_consumer *client);
void client_forget(struct ol_consumer *client);

/* ---- pg.c ---- */

void store_begin(void);
void store_end(void);
void store_crash(void);
void store_lose_last(void); /* the commit before is the last one again */
struct ol_pg;
void store_disconnect(struct ol_pg *db); /* the server ends the connection */
/* Projects the whole log again, in batches of other sizes, and compares (P17). */
void store_replay(void);
int64_t store_next(enum context context, int32_t partition);
uint64_t store_digest(enum context context, int32_t partition);

/* ---- clients.c ---- */

void clients_begin(void);
int64_t clients_made(void);

/* ---- check.c ---- */

void checks_begin(void);
void checks_end(void);
void check_published(const struct command *command, bool first);
void check_stable(struct part *part);
void check_transaction(const struct txn *txn);
void check_projected(enum context context, int32_t partition, int64_t next_offset);
void check_halted(const struct actor *actor, int64_t partition, const char *reason);
bool check_at_rest(bool say);
bool check_gaps_closed(bool say); /* committed offsets have come to the ends of the inputs */
void check_rest(void);

/* ---- timeline.c ---- */

void timeline_tell(const char *aggregate);

#endif
