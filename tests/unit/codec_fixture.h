/*
 * tests/unit/codec_fixture.h - what each test of the codec's faults works in.
 *
 * The arena has blocks of one request each, so that AddressSanitizer sees a read beyond one.
 */
#ifndef UNIT_CODEC_FIXTURE_H
#define UNIT_CODEC_FIXTURE_H

#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"

static struct ol_arena arena;
static struct ol_error error;

static void set_up(void)
{
    ol_arena_init(&arena, 1, 0);
}

static void tear_down(void)
{
    ol_arena_release(&arena);
}

#endif
