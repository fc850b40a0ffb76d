#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "consumers/loop.h"
#include "domain/assert.h"

#define STACK_BYTES  (768 * 1024)
#define MEMORY_BYTES (UINT64_C(4) << 30) /* reserved, not taken */
#define STACKS_KEPT  256

struct world *world;
uint64_t counters[COUNTERS];
bool tracing;

/* ---- random: splitmix64 ---- */

uint64_t sim_random(void)
{
    uint64_t x = world->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t sim_below(uint64_t bound)
{
    assert(bound);
    return (uint64_t)(((unsigned __int128)sim_random() * bound) >> 64);
}

int64_t sim_between(int64_t low, int64_t high)
{
    return low + (int64_t)sim_below((uint64_t)(high - low) + 1);
}

bool sim_chance(uint64_t in_million)
{
    return sim_below(1000000) < in_million;
}

bool sim_has(enum fault fault)
{
    return world->faults_on && world->knobs.faults >> fault & 1;
}

/* Half to one and a half of the mean. */
int64_t sim_delay(int64_t mean_us)
{
    return mean_us / 2 + (int64_t)sim_below((uint64_t)mean_us + 1);
}

/* ---- memory ---- */

char *sim_memory;
size_t sim_memory_used;

void *sim_alloc(size_t bytes)
{
    if (!sim_memory) {
        sim_memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (sim_memory == MAP_FAILED)
            abort();
    }
    char *at = sim_memory + sim_memory_used;
    sim_memory_used += (bytes + 15) & ~(size_t)15;
    if (sim_memory_used > MEMORY_BYTES)
        abort();
    return at;
}

void *sim_copy_in(const void *data, size_t bytes)
{
    return memcpy(sim_alloc(bytes), data, bytes);
}

void sim_memory_reset(void)
{
    sim_memory_used = 0;
}

/* ---- the heap of events ---- */

static unsigned __int128 place_of(const struct event *event)
{
    return (unsigned __int128)(uint64_t)event->at_us << 64 | event->tie;
}

static bool is_before(const struct event *a, const struct event *b)
{
    return place_of(a) < place_of(b);
}

/* Puts the event into the hole at `at`, or above it. */
static void rise(size_t at, const struct event *event)
{
    struct event *heap = world->heap;
    for (; at && is_before(event, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = *event;
}

static void heap_add(struct event event)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity ? 2 * world->heap_capacity : 1024;
        world->heap = realloc(world->heap, world->heap_capacity * sizeof *world->heap);
        if (!world->heap)
            abort();
    }
    rise(world->heap_count++, &event);
}

/* Events of one moment come in any order, but in the same one each time. */
void sim_at(int64_t at_us, void (*run)(void *, uint64_t), void *self, uint64_t argument)
{
    heap_add((struct event){at_us < world->now_us ? world->now_us : at_us, sim_random(), run, self,
                            argument});
}

/* The hole goes down to the bottom, where the last event nearly always belongs. */
static struct event take_first(void)
{
    struct event *heap = world->heap, first = heap[0], last = heap[--world->heap_count];
    size_t count = world->heap_count, at = 0;
    while (2 * at + 2 < count) {
        size_t child = 2 * at + 1;
        child += is_before(&heap[child + 1], &heap[child]);
        heap[at] = heap[child];
        at = child;
    }
    if (2 * at + 1 < count) {
        heap[at] = heap[2 * at + 1];
        at = 2 * at + 1;
    }
    rise(at, &last);
    return first;
}

/* ---- fibers ---- */

static char *stacks[STACKS_KEPT];
static size_t stack_count;

struct fiber *sim_fiber(void (*main)(void *), void *argument, struct actor *actor)
{
    struct fiber *fiber = memset(sim_alloc(sizeof *fiber), 0, sizeof *fiber);
    fiber->next = world->fibers;
    world->fibers = fiber;
    fiber->main = main;
    fiber->argument = argument;
    fiber->actor = actor;
    fiber->alarm.at_us = SIM_NEVER;
    fiber->stack = stack_count ? stacks[--stack_count] : malloc(STACK_BYTES);
    if (!fiber->stack)
        abort();
    return fiber;
}

/* Its stack; the rest stays, for events that still name it. */
void sim_fiber_free(struct fiber *fiber)
{
    if (!fiber || !fiber->stack)
        return;
    fiber->done = true;
    if (stack_count < STACKS_KEPT)
        stacks[stack_count++] = fiber->stack;
    else
        free(fiber->stack);
    fiber->stack = NULL;
}

/* The compiler's own jumps: libc's look for handlers of threads and signals on the way. One may not
 * be called where the other is. */
static __attribute__((noinline, noreturn)) void jump(void **to)
{
    __builtin_longjmp(to, 1);
}

static __attribute__((noinline)) void leave(struct fiber *fiber)
{
    if (!__builtin_setjmp(fiber->at))
        jump(world->scheduler_at);
}

static void enter_first(void)
{
    struct fiber *fiber = world->current;
    fiber->main(fiber->argument);
    fiber->done = true;
    leave(fiber);
}

static _Noreturn void begin(struct fiber *fiber)
{
    fiber->begun = true;
    getcontext(&fiber->start);
    fiber->start.uc_stack.ss_sp = fiber->stack;
    fiber->start.uc_stack.ss_size = STACK_BYTES;
    fiber->start.uc_link = NULL;
    makecontext(&fiber->start, enter_first, 0);
    setcontext(&fiber->start);
    abort();
}

/* Returns when it leaves. */
static __attribute__((noinline)) void enter(struct fiber *fiber)
{
    if (__builtin_setjmp(world->scheduler_at))
        return;
    if (fiber->begun)
        jump(fiber->at);
    begin(fiber);
}

/* Fibers are entered from the scheduler, or from another fiber (unwinding a crashed one). */
static void resume(struct fiber *fiber)
{
    struct fiber *before = world->current;
    void *outer[SIM_JUMP_WORDS];
    memcpy(outer, world->scheduler_at, sizeof outer);
    world->current = fiber;
    fiber->blocked = false;
    enter(fiber);
    memcpy(world->scheduler_at, outer, sizeof outer);
    world->current = before;
    if (fiber->done)
        sim_fiber_free(fiber);
}

struct actor *sim_actor(void)
{
    return world->current ? world->current->actor : NULL;
}

static void wake_up(void *self, uint64_t token)
{
    struct fiber *fiber = self;
    if (fiber->done || !fiber->blocked || fiber->token != token)
        return;
    struct actor *actor = fiber->actor;
    if (actor && actor->dead)
        return;
    if (actor && actor->paused_until > world->now_us && !actor->dead) {
        sim_at(actor->paused_until, wake_up, fiber, token);
        return;
    }
    if (actor)
        actor->steps++;
    resume(fiber);
}

void sim_wake(struct fiber *fiber)
{
    if (!fiber || fiber->done)
        return;
    if (fiber->blocked && !fiber->signalled)
        sim_at(world->now_us, wake_up, fiber, fiber->token);
    fiber->signalled = true;
}

static void arm(struct fiber *fiber);

/* The alarm rings: for the block that the fiber is in, or for one that a wake has ended since, then
 * it is set again. */
static void ring(void *self, uint64_t tie)
{
    struct fiber *fiber = self;
    if (fiber->done || tie != fiber->alarm.tie)
        return; /* an earlier one was set behind it */
    fiber->alarm.at_us = SIM_NEVER;
    if (fiber->until.tie == tie)
        wake_up(fiber, fiber->token);
    else if (fiber->blocked)
        arm(fiber);
}

/* Most blocks end by a wake, long before their time: so a fiber has one event in the heap, that of
 * an earlier block as long as it comes first, and not one for each block. */
static void arm(struct fiber *fiber)
{
    if (fiber->until.at_us == SIM_NEVER || fiber->alarm.at_us < fiber->until.at_us)
        return;
    fiber->alarm = fiber->until;
    heap_add((struct event){fiber->alarm.at_us, fiber->alarm.tie, ring, fiber, fiber->alarm.tie});
}

static void block(int64_t until_us)
{
    struct fiber *fiber = world->current;
    assert(fiber);
    fiber->blocked = true;
    fiber->token = ++world->block_token;
    fiber->until.at_us = until_us < world->now_us ? world->now_us : until_us;
    fiber->until.tie = sim_random();
    arm(fiber);
    leave(fiber);
}

void sim_block(int64_t until_us)
{
    struct fiber *fiber = world->current;
    if (fiber->actor && fiber->actor->dead)
        return;
    if (!fiber->signalled)
        block(until_us);
    fiber->signalled = false;
}

void sim_sleep(int64_t for_us)
{
    struct fiber *fiber = world->current;
    int64_t until_us = world->now_us + for_us;
    if (fiber->actor && fiber->actor->dead)
        return;
    bool before = fiber->signalled;
    fiber->signalled = true; /* so that no wake is sent */
    block(until_us);
    fiber->signalled = before || fiber->signalled;
    if (!before)
        fiber->signalled = true; /* what came meanwhile is looked at */
}

void sim_unwind(struct fiber *fiber)
{
    assert(fiber->actor->dead);
    while (!fiber->done && fiber->begun)
        resume(fiber);
}

/* Fibers start by their first event. */
void sim_run(int64_t until_us)
{
    while (world->heap_count && world->heap[0].at_us <= until_us) {
        struct event event = take_first();
        world->now_us = event.at_us;
        world->events_run++;
        event.run(event.self, event.argument);
    }
    if (world->now_us < until_us)
        world->now_us = until_us;
}

/* ---- verdicts ---- */

void sim_trace(uint64_t word)
{
    world->trace = (world->trace ^ word ^ (uint64_t)world->now_us) * UINT64_C(0x9e3779b97f4a7c15);
    world->trace ^= world->trace >> 29;
}

void sim_say(const char *format, ...)
{
    if (!tracing)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%12.6f ", (double)world->now_us / 1e6);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void sim_fail(struct text aggregate, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
    snprintf(world->aggregate, sizeof world->aggregate, "%.*s", (int)aggregate.bytes,
             aggregate.data ? aggregate.data : "");
    sim_say("VIOLATION %s", world->failure);
    world->failed = true;
    world->current = NULL;
    _longjmp(world->verdict, 1);
}

/* Whose input the worker that runs is deciding, or what the checker folds. */
static struct text working_on(void)
{
    const struct actor *actor = sim_actor();
    const struct batch *batch = actor && actor->loop ? actor->loop->building : NULL;
    if (world->folding.bytes || !batch || batch->decided == batch->count)
        return world->folding;
    const struct core_input *input = &batch->inputs[batch->decided];
    switch (input->kind) {
    case INPUT_COMMAND: return command_aggregate(&input->command);
    case INPUT_STEP: return step_aggregate(&input->step);
    default: return (struct text){0};
    }
}

void domain_assert_failed(const char *condition, const char *file, int line)
{
    sim_fail(working_on(), "assertion failed: %s (%s:%d)", condition, file, line);
}
