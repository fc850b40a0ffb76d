/*
 * tests/contract/test_kafka.h - what the tests against a real broker share.
 *
 * They need ORDERLOG_KAFKA_BROKERS and skip without. Each test makes topics of its own and deletes
 * them at its end.
 */
#ifndef TEST_KAFKA_H
#define TEST_KAFKA_H

#include <criterion/criterion.h>

#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/kafka/ol_kafka_publisher.h"
#include "lib/kafka/ol_kafka_reader.h"

#define WAIT_MS 20000

/* Fails the test with the error's text. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct ol_error must_ = {.class = OL_OK, .text = ""};                                      \
        struct ol_error *reterr = &must_;                                                          \
        enum ol_class class_ = (call);                                                             \
        cr_assert_eq(class_, OL_OK, "%s: %s: %s", #call, ol_class_name(class_), reterr->text);     \
    } while (0)

/* Skips the test when there is no broker. */
struct ol_kafka_settings test_settings(void);

/* A new topic of that many partitions; the name stays valid. */
const char *test_topic(const char *label, int partition_count);

/* A name that nobody else uses, for groups and transactional ids. */
const char *test_name(const char *label);

/* Deletes what test_topic() made; .fini of the suites. */
void test_clean(void);

int64_t test_now_ms(void);
uint64_t test_now_us(void);

/* Everything of these partitions from offset 0 to the end. Keys and values are texts that live
 * until test_clean(). */
size_t test_read_all(const char *topic, int partition_count, enum ol_isolation isolation,
                     struct ol_message *messages, size_t max);

struct ol_record test_record(int32_t topic, int32_t partition, const char *value);

/* Up to `max` messages of all inboxes that are not ignored; does not wait. */
enum ol_class test_take(struct ol_consumer *consumer, struct ol_message *messages, size_t max,
                        size_t *ret_count, struct ol_error *reterr);

/* Polls until the next event; fails after WAIT_MS. */
enum ol_consumer_event test_event(struct ol_consumer *consumer);

#endif
