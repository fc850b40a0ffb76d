/*
 * lib/http/ol_metrics.h - what is counted, and its Prometheus text.
 *
 * A metric is a row of ol_metrics.def: identifier, name, type, unit, help, label names. Labels
 * take few values (topic, partition, context, outcome); an order id, an SKU or an error text is
 * never one. Look a series up once, keep the pointer, update it with one relaxed atomic add:
 *
 *   struct ol_series *committed = ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "orders", "committed");
 *   ol_series_add(committed, 1);
 *
 * All values are int64: counts, or microseconds for metrics in seconds (printed as seconds).
 * One registry in the process; every function is safe from any thread.
 */
#ifndef OL_METRICS_H
#define OL_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/ol_text.h"

#define OL_METRICS_LABELS_MAX  3
#define OL_METRICS_LABEL_BYTES 128  /* longer values are cut, at a character's start */
#define OL_METRICS_SERIES_MAX  1024 /* of one metric; what comes later shares one series: "other" */

enum ol_metric {
#define OL_METRIC(id, name, type, unit, help, ...) OL_METRIC_##id,
#include "lib/http/ol_metrics.def"
#undef OL_METRIC
    OL_METRIC_COUNT
};

struct ol_series;

/* The series of these label values (as many as the row has labels; asserted), made when it is new.
 * Valid until the process ends. Never NULL: aborts when out of memory, which happens at the
 * start if at all. Takes a lock: not for inner loops. */
#define ol_metric(metric, ...)                                                                     \
    ol_metrics_series(metric, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
struct ol_series *ol_metrics_series(enum ol_metric metric, const char *const values[]);

/* The same for {topic,partition} metrics, where the partition is a number. */
struct ol_series *ol_metrics_partition(enum ol_metric metric, const char *topic, int32_t partition);

/* Counters: value 0 or more. Gauges: any value. */
void ol_series_add(struct ol_series *series, int64_t value);
/* Gauges only. */
void ol_series_set(struct ol_series *series, int64_t value);
/* Histograms only: one observation, in the metric's unit (microseconds). */
void ol_series_observe(struct ol_series *series, int64_t value);
int64_t ol_series_value(const struct ol_series *series);

/* Not shown until it is next set or added to: a partition that went elsewhere must not leave its
 * last lag behind. */
void ol_series_hide(struct ol_series *series);

/* The whole exposition, text format 0.0.4: each row with HELP and TYPE, series in the order in
 * which they were made. Counters without labels are there from the start, gauges once they are
 * known. */
void ol_metrics_print(struct ol_text *out);

/* What every role shows of its process: orderlog_build_info, and now as its start. */
void ol_metrics_process(const char *version, const char *role, const char *librdkafka);

/* A table of all rows for docs/metrics.md. */
void ol_metrics_print_markdown(struct ol_text *out);

#endif
