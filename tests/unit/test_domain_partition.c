#include "domain/partition.h"

#include <criterion/criterion.h>
#include <signal.h>

/* Kafka's own vectors (org.apache.kafka.common.utils.UtilsTest), and librdkafka's for none. */
static const struct {
    const char *key;
    int32_t hash;
} vectors[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
    {"", 275646681},
};

Test(partition_hash, is_the_murmur2_of_kafka)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        cr_assert_eq((int32_t)partition_hash(text_of(vectors[i].key)), vectors[i].hash, "'%s': %d",
                     vectors[i].key, (int32_t)partition_hash(text_of(vectors[i].key)));
}

Test(partition_hash, takes_bytes_as_unsigned)
{
    cr_assert_neq(partition_hash(TEXT("\xff")), partition_hash(TEXT("\x7f")));
    cr_assert_neq(partition_hash(TEXT("\xc3\xa9t\xc3\xa9")), partition_hash(TEXT("ete")));
}

Test(partition_hash, reads_no_further_than_the_key)
{
    static const char key[] = "foobar, and what stands behind it";
    for (uint32_t bytes = 0; bytes < sizeof key - 1; bytes++) {
        char copy[sizeof key] = {0};
        memcpy(copy, key, bytes);
        cr_assert_eq(partition_hash((struct text){key, bytes}),
                     partition_hash((struct text){copy, bytes}));
    }
}

Test(partition_of, clears_the_sign_bit_and_takes_the_rest)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        for (int32_t count = 1; count <= PARTITIONS_MAX; count++)
            cr_assert_eq(partition_of(text_of(vectors[i].key), count),
                         (vectors[i].hash & 0x7fffffff) % count);
}

Test(partition_of, accepts_an_empty_key_without_data)
{
    cr_assert_eq(partition_of((struct text){0}, 8), 275646681 % 8);
}

Test(partition_of, stops_at_more_partitions_than_a_mask_has_bits, .signal = SIGABRT)
{
    partition_of(TEXT("key"), PARTITIONS_MAX + 1);
}
