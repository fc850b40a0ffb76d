/*
 * tests/unit/test_ol_kafka_share.c - what is prefetched of a partition: several fetches, and no
 * more than its share.
 */
#include "lib/kafka/ol_kafka_internal.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KIB ((size_t)1 << 10)
#define MIB (KIB << 10)

Test(ol_kafka_share, is_of_several_fetches)
{
    static const struct {
        size_t budget, partitions, queued_kib, fetch;
    } rows[] = {
        {16 * MIB, 4, 3584, 512 * KIB},
        {16 * MIB, 1, 15 * KIB, MIB}, /* a fetch of one partition has a limit */
        {8 * MIB, 8, 896, 128 * KIB},
        {MIB, 64, 448, 64 * KIB}, /* and a least size, also above the share */
        {4 * MIB, 0, 3584, 512 * KIB},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ol_kafka_settings settings = {.fetch_budget_bytes = rows[i].budget};
        struct ol_kafka_shares shares;
        struct ol_kafka_value values[OL_KAFKA_SHARES];
        ol_kafka_share(&settings, rows[i].partitions, &shares, values);
        cr_expect_str_eq(values[0].name, "queued.max.messages.kbytes");
        cr_expect_eq(strtoul(values[0].text, NULL, 10), rows[i].queued_kib, "row %zu: %s", i,
                     values[0].text);
        cr_expect_str_eq(values[1].name, "fetch.message.max.bytes");
        cr_expect_eq(strtoul(values[1].text, NULL, 10), rows[i].fetch, "row %zu: %s", i,
                     values[1].text);
    }
}
