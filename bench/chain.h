/*
 * bench/chain.h - what the chain of relays (chain.c) writes, for whoever tells its events apart.
 *
 * A value: kind, hop ('1' to '5'), home partition ('0' + number), then the command's key, padded.
 */
#ifndef BENCH_CHAIN_H
#define BENCH_CHAIN_H

#define CHAIN_FIRST  'F' /* the event of the first hop */
#define CHAIN_MIDDLE 'M' /* an event or a step in between */
#define CHAIN_LAST   'L' /* the event of the hop that ends an order */

#define CHAIN_HEAD_BYTES  3
#define CHAIN_VALUE_BYTES 200 /* about what a step or an event of an order has */

#endif
