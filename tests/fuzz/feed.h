/*
 * tests/fuzz/feed.h - bytes as what comes from stdin and from files, in pieces of any size.
 *
 * For targets whose code reads by itself: linked with --wrap=read,poll,fopen64. While a feed is on,
 * read(0) gives its bytes, at most piece_bytes at a time (0: as many as asked for), poll() says
 * that there are some, and fopen() opens them whatever the name.
 */
#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H

#include <stddef.h>
#include <stdint.h>

void feed_begin(const uint8_t *data, size_t size, size_t piece_bytes);
void feed_end(void);

#endif
