/*
 * proto/json_numbers.h - JSON's numbers as integers, exactly, before a parser rounds them.
 *
 * jansson reads whatever has a fraction or an exponent as a double: 9007199254740993.0 would come
 * out one smaller, and 1e18 beyond what a double keeps. The schema has whole numbers only, so the
 * text is gone over first: 9007199254740993.0 and 1e18 are written out, and what is not whole, or
 * not within 64 bits, becomes a number that stands for that. Private to proto/. Pure but for the
 * arena.
 */
#ifndef PROTO_JSON_NUMBERS_H
#define PROTO_JSON_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/ol_arena.h"

/* What json_numbers() writes for a number that is not whole: any real below this. At and above it
 * stands a whole one beyond 64 bits. */
#define JSON_NUMBER_BEYOND 1e9

/*
 * Sets *ret_json to the text with its numbers rewritten, *ret_bytes long: in the arena, or `json`
 * itself where nothing is to be done. What is no JSON number is left for the parser to refuse.
 * False: the arena's budget is spent.
 */
bool json_numbers(const char *json, size_t bytes, struct ol_arena *arena, const char **ret_json,
                  size_t *ret_bytes);

#endif
