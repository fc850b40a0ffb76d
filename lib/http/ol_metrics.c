#include "lib/http/ol_metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_utf8.h"

enum type { COUNTER, GAUGE, HISTOGRAM };
enum unit { COUNT, BYTES, SECONDS };

static const char *const type_names[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
static const char *const unit_names[] = {
    [COUNT] = "count", [BYTES] = "bytes", [SECONDS] = "seconds"};

static const struct metric {
    const char *name, *help;
    enum type type;
    enum unit unit;
    const char *labels[OL_METRICS_LABELS_MAX + 1]; /* ends with NULL */
} metrics[OL_METRIC_COUNT] = {
#define OL_METRIC(id, name_, type_, unit_, help_, ...)                                             \
    [OL_METRIC_##id] = {                                                                           \
        .name = (name_), .help = (help_), .type = type_, .unit = unit_, .labels = {__VA_ARGS__}},
#include "lib/http/ol_metrics.def"
#undef OL_METRIC
};

/* Upper bounds in microseconds. A transaction is milliseconds when all is well, and the last
 * bucket's order of magnitude is where timeouts begin. */
static const int64_t bucket_bounds[] = {500,     1000,    2500,    5000,    10000,
                                        25000,   50000,   100000,  250000,  500000,
                                        1000000, 2500000, 5000000, 10000000};
#define BUCKETS (sizeof bucket_bounds / sizeof bucket_bounds[0])

struct ol_series {
    enum ol_metric metric;
    atomic_bool hidden;
    _Atomic int64_t value;     /* a histogram's sum */
    char *labels;              /* name="value",... as it is printed; "" without labels */
    _Atomic int64_t buckets[]; /* histograms: BUCKETS + 1, not cumulated */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct ol_series **series;
    size_t count;
} registry[OL_METRIC_COUNT];

static size_t string_count(const char *const strings[])
{
    size_t count = 0;
    while (strings[count])
        count++;
    return count;
}

/* Cut at OL_METRICS_LABEL_BYTES; what is not UTF-8 becomes '?', as the format must be UTF-8. */
static void add_label_value(struct ol_text *out, const char *value)
{
    size_t size = strnlen(value, OL_METRICS_LABEL_BYTES + 1), at = 0;
    while (at < size) {
        size_t length = ol_utf8_length(value + at, size - at);
        if (at + (length ? length : 1) > OL_METRICS_LABEL_BYTES)
            break;
        if (value[at] == '\n')
            ol_text_add(out, "\\n");
        else if (value[at] == '"' || value[at] == '\\')
            ol_text_add_bytes(out, (char[]){'\\', value[at]}, 2);
        else if (length == 0)
            ol_text_add_char(out, '?');
        else
            ol_text_add_bytes(out, value + at, length);
        at += length ? length : 1;
    }
}

/* values NULL: every label is "other". The text is the caller's. */
static struct ol_text render_labels(enum ol_metric metric, const char *const values[])
{
    struct ol_text out = {0};
    for (size_t i = 0; metrics[metric].labels[i]; i++) {
        ol_text_addf(&out, "%s%s=\"", i ? "," : "", metrics[metric].labels[i]);
        add_label_value(&out, values ? values[i] : "other");
        ol_text_add_char(&out, '"');
    }
    return out;
}

static struct ol_series *find_series(enum ol_metric metric, const char *labels)
{
    for (size_t i = 0; i < registry[metric].count; i++)
        if (strcmp(registry[metric].series[i]->labels, labels) == 0)
            return registry[metric].series[i];
    return NULL;
}

static struct ol_series *make_series(enum ol_metric metric, const char *labels)
{
    size_t count = registry[metric].count;
    size_t buckets = metrics[metric].type == HISTOGRAM ? BUCKETS + 1 : 0;
    struct ol_series **grown =
        realloc(registry[metric].series, (count + 1) * sizeof(struct ol_series *));
    struct ol_series *series =
        calloc(1, sizeof(struct ol_series) + buckets * sizeof series->buckets[0]);
    if (!grown || !series || !(series->labels = strdup(labels)))
        abort();
    series->metric = metric;
    registry[metric].series = grown;
    registry[metric].series[count] = series;
    registry[metric].count++;
    return series;
}

struct ol_series *ol_metrics_series(enum ol_metric metric, const char *const values[])
{
    assert((unsigned)metric < OL_METRIC_COUNT);
    assert(string_count(values) == string_count(metrics[metric].labels));
    struct ol_text labels = render_labels(metric, values);

    pthread_mutex_lock(&lock);
    struct ol_series *series = find_series(metric, ol_text_string(&labels));
    if (!series && registry[metric].count >= OL_METRICS_SERIES_MAX) {
        ol_text_release(&labels);
        labels = render_labels(metric, NULL);
        series = find_series(metric, ol_text_string(&labels));
    }
    if (!series)
        series = make_series(metric, ol_text_string(&labels));
    pthread_mutex_unlock(&lock);
    ol_text_release(&labels);
    return series;
}

struct ol_series *ol_metrics_partition(enum ol_metric metric, const char *topic, int32_t partition)
{
    char memory[16];
    struct ol_text number = ol_text_in(memory, sizeof memory);
    ol_text_add_int(&number, partition);
    return ol_metric(metric, topic, memory);
}

static void show(struct ol_series *series)
{
    if (atomic_load_explicit(&series->hidden, memory_order_relaxed))
        atomic_store_explicit(&series->hidden, false, memory_order_relaxed);
}

void ol_series_add(struct ol_series *series, int64_t value)
{
    assert(metrics[series->metric].type != HISTOGRAM);
    assert(value >= 0 || metrics[series->metric].type == GAUGE);
    atomic_fetch_add_explicit(&series->value, value, memory_order_relaxed);
    show(series);
}

void ol_series_set(struct ol_series *series, int64_t value)
{
    assert(metrics[series->metric].type == GAUGE);
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
    show(series);
}

void ol_series_observe(struct ol_series *series, int64_t value)
{
    assert(metrics[series->metric].type == HISTOGRAM);
    size_t bucket = 0;
    while (bucket < BUCKETS && value > bucket_bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&series->value, value, memory_order_relaxed);
    show(series);
}

int64_t ol_series_value(const struct ol_series *series)
{
    return atomic_load_explicit(&series->value, memory_order_relaxed);
}

void ol_series_hide(struct ol_series *series)
{
    atomic_store_explicit(&series->hidden, true, memory_order_relaxed);
}

/* Microseconds as exact decimal seconds, without trailing zeros: 2500 is 0.0025. */
static void add_value(struct ol_text *out, enum unit unit, int64_t value)
{
    if (unit != SECONDS) {
        ol_text_add_int(out, value);
        return;
    }
    int64_t whole = value / 1000000, fraction = value % 1000000;
    if (value < 0)
        ol_text_add_char(out, '-');
    ol_text_add_int(out, whole < 0 ? -whole : whole);
    if (fraction == 0)
        return;
    int digits = 6;
    for (fraction = fraction < 0 ? -fraction : fraction; fraction % 10 == 0; fraction /= 10)
        digits--;
    ol_text_addf(out, ".%0*d", digits, (int)fraction);
}

static void print_sample(struct ol_text *out, const struct ol_series *series, int64_t value)
{
    const struct metric *metric = &metrics[series->metric];
    ol_text_add(out, metric->name);
    if (*series->labels)
        ol_text_addf(out, "{%s}", series->labels);
    ol_text_add_char(out, ' ');
    add_value(out, metric->unit, value);
    ol_text_add_char(out, '\n');
}

static void print_bucket(struct ol_text *out, const struct ol_series *series, size_t bucket,
                         int64_t count)
{
    const struct metric *metric = &metrics[series->metric];
    ol_text_addf(out, "%s_bucket{%s%sle=\"", metric->name, series->labels,
                 *series->labels ? "," : "");
    if (bucket < BUCKETS)
        add_value(out, metric->unit, bucket_bounds[bucket]);
    else
        ol_text_add(out, "+Inf");
    ol_text_add(out, "\"} ");
    ol_text_add_int(out, count);
    ol_text_add_char(out, '\n');
}

/* `count` is the sum of the buckets as they were read, so that the two agree even while others
 * observe. */
static void print_histogram(struct ol_text *out, const struct ol_series *series)
{
    const char *name = metrics[series->metric].name;
    const char *open = *series->labels ? "{" : "", *close = *series->labels ? "}" : "";
    int64_t count = 0;
    for (size_t bucket = 0; bucket <= BUCKETS; bucket++) {
        count += atomic_load_explicit(&series->buckets[bucket], memory_order_relaxed);
        print_bucket(out, series, bucket, count);
    }
    ol_text_addf(out, "%s_sum%s%s%s ", name, open, series->labels, close);
    add_value(out, metrics[series->metric].unit, ol_series_value(series));
    ol_text_addf(out, "\n%s_count%s%s%s ", name, open, series->labels, close);
    ol_text_add_int(out, count);
    ol_text_add_char(out, '\n');
}

static void print_series(struct ol_text *out, const struct ol_series *series)
{
    if (atomic_load_explicit(&series->hidden, memory_order_relaxed))
        return;
    if (metrics[series->metric].type == HISTOGRAM)
        print_histogram(out, series);
    else
        print_sample(out, series, ol_series_value(series));
}

void ol_metrics_print(struct ol_text *out)
{
    for (enum ol_metric metric = 0; metric < OL_METRIC_COUNT; metric++)
        if (!metrics[metric].labels[0] && metrics[metric].type == COUNTER)
            ol_metric(metric);

    pthread_mutex_lock(&lock);
    for (enum ol_metric metric = 0; metric < OL_METRIC_COUNT; metric++) {
        const struct metric *row = &metrics[metric];
        ol_text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                     type_names[row->type]);
        for (size_t i = 0; i < registry[metric].count; i++)
            print_series(out, registry[metric].series[i]);
    }
    pthread_mutex_unlock(&lock);
}

void ol_metrics_process(const char *version, const char *role, const char *librdkafka)
{
    ol_series_set(ol_metric(OL_METRIC_BUILD_INFO, version, role, librdkafka), 1);
    ol_series_set(ol_metric(OL_METRIC_START_TIME), ol_clock_wall_us());
}

void ol_metrics_print_markdown(struct ol_text *out)
{
    ol_text_add(out,
                "# Metrics\n\n"
                "Printed from `lib/http/ol_metrics.def`. Every role answers `/metrics` on "
                "127.0.0.1.\n\n"
                "| name | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n");
    for (enum ol_metric metric = 0; metric < OL_METRIC_COUNT; metric++) {
        const struct metric *row = &metrics[metric];
        ol_text_addf(out, "| `%s` | %s | %s | ", row->name, type_names[row->type],
                     unit_names[row->unit]);
        for (size_t i = 0; row->labels[i]; i++)
            ol_text_addf(out, "%s`%s`", i ? ", " : "", row->labels[i]);
        ol_text_addf(out, " | %s |\n", row->help);
    }
}
