#include "lib/base/ol_id.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_unseen.h"
#include "lib/base/ol_utf8.h"

/*
 * RFC 9562, section 6.2, method 1: a counter fills the 12 bits after the time.
 *
 *   unix time in ms, 48 bits | 7 | counter, 12 bits | 10 | random, 62 bits
 *
 * A new millisecond starts the counter at a random value of 11 bits, so that 2,048 more fit; when
 * they are used up, the next millisecond is taken early.
 */
static struct {
    pthread_mutex_t lock;
    uint64_t time_ms;
    unsigned counter;
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void fill_random(void *bytes, size_t count)
{
    ssize_t got;
    do
        got = getrandom(bytes, count, 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)count)
        abort();
}

static void next_tick(unsigned random, uint64_t *ret_time_ms, unsigned *ret_counter)
{
    uint64_t now_ms = (uint64_t)(ol_clock_wall_us() / 1000);
    pthread_mutex_lock(&last.lock);
    if (now_ms > last.time_ms) {
        last.time_ms = now_ms;
        last.counter = random & 0x7FF;
    } else if (++last.counter > 0xFFF) {
        last.time_ms++;
        last.counter = random & 0x7FF;
    }
    *ret_time_ms = last.time_ms;
    *ret_counter = last.counter;
    pthread_mutex_unlock(&last.lock);
}

void ol_id_new(char ret_text[OL_ID_UUID_TEXT_BYTES])
{
    unsigned char bytes[16];
    uint64_t time_ms;
    unsigned counter;
    fill_random(bytes, sizeof bytes);
    next_tick((unsigned)bytes[0] << 8 | bytes[1], &time_ms, &counter);

    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(time_ms >> (40 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | counter >> 8);
    bytes[7] = (unsigned char)counter;
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F));

    static const char hex[] = "0123456789abcdef";
    char *to = ret_text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[bytes[i] >> 4];
        *to++ = hex[bytes[i] & 15];
    }
    *to = '\0';
    assert(to == ret_text + OL_ID_UUID_TEXT_BYTES - 1);
}

bool ol_id_clean(const char *text, size_t size_bytes)
{
    if (size_bytes < 1 || size_bytes > OL_ID_MAX_BYTES)
        return false;
    return ol_utf8_check(text, size_bytes, NULL) == OL_UTF8_OK &&
           ol_unseen_find(text, size_bytes, NULL) == OL_SEEN;
}
