/*
 * consumers/gauges.h - what one is woken for: lag, open transactions, old sagas.
 *
 * A thread of the role asks the broker for the ends of the owned partitions and the projection for
 * its oldest open saga, every few seconds, and sets the gauges. Decides nothing; a server that is
 * away is a reason not to be ready, and asked again later.
 */
#ifndef CONSUMERS_GAUGES_H
#define CONSUMERS_GAUGES_H

#include "consumers/loop.h"
#include "lib/http/ol_http.h"

struct gauges;

/* Watches `count` loops, which outlive it. OL_FATAL: no memory or thread. */
enum ol_class gauges_start(struct gauges **ret_gauges, struct loop *const *loops, size_t count,
                           const struct ol_options *options, struct ol_admin *admin,
                           const struct ol_kafka_settings *kafka, struct ol_error *reterr);

/* The servers that did not answer when they were last asked. From any thread. */
void gauges_reasons(struct gauges *gauges, struct ol_http_reasons *reasons);

/* After ol_run_stop(): joins the thread. Takes NULL. */
void gauges_stop(struct gauges *gauges);

#endif
