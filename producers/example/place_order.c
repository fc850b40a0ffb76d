/*
 * place_order.c - place one order with liborderlog and wait until it is settled.
 *
 *   cc place_order.c $(pkg-config --cflags --libs orderlog) -o place_order
 *   ./place_order 127.0.0.1:9092 orderlog ORDER CUSTOMER CURRENCY SKU QUANTITY AMOUNT_MINOR ...
 *
 * Waits 30 s for each outcome, or CLIENT_WAIT_MS as the environment has it. Run it twice with the
 * same order: the second time says REPEATED, and nothing else happens. Exit: 0 the order is
 * confirmed (or was accepted before), 1 not, 2 usage.
 */
#include <orderlog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 256

static const char *const statuses[] = {
    [ORDERLOG_ACCEPTED] = "ACCEPTED",
    [ORDERLOG_REJECTED] = "REJECTED",
    [ORDERLOG_REPEATED] = "REPEATED",
    [ORDERLOG_PUT_ASIDE] = "PUT_ASIDE",
};

static int fail(struct orderlog *orderlog, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, orderlog_error(orderlog));
    orderlog_close(orderlog);
    return 1;
}

int main(int argc, char *argv[])
{
    if (argc < 9 || argc % 3 != 0 || argc > 6 + 3 * LINES_MAX) {
        fprintf(stderr, "usage: place_order BROKERS PREFIX ORDER CUSTOMER CURRENCY "
                        "SKU QUANTITY AMOUNT_MINOR ...\n");
        return 2;
    }
    struct orderlog *orderlog;
    char error[512];
    if (orderlog_open(argv[1], argv[2], NULL, &orderlog, error, sizeof error)) {
        fprintf(stderr, "orderlog_open: %s\n", error);
        return 1;
    }

    /* First note where the events end, so that no outcome can be missed. */
    if (orderlog_follow(orderlog))
        return fail(orderlog, "orderlog_follow");

    /* The command id follows from the order: a crash and a second try have one effect. */
    char id[ORDERLOG_ID_BYTES];
    snprintf(id, sizeof id, "order/%s", argv[3]);
    struct orderlog_line lines[LINES_MAX];
    size_t count = 0;
    for (int i = 6; i < argc; i += 3)
        lines[count++] = (struct orderlog_line){argv[i], atoll(argv[i + 1]), atoll(argv[i + 2])};
    struct orderlog_position position;
    enum orderlog_result result = orderlog_place_order(orderlog, id, argv[3], argv[4], argv[5],
                                                       lines, count, INT64_MIN, NULL, &position);
    if (result == ORDERLOG_RETRY) /* perhaps in the log, perhaps not: once more is safe */
        result = orderlog_place_order(orderlog, id, argv[3], argv[4], argv[5], lines, count,
                                      INT64_MIN, NULL, &position);
    if (result)
        return fail(orderlog, "orderlog_place_order");
    printf("published %s[%d]@%lld\n", position.topic, (int)position.partition,
           (long long)position.offset);

    const char *wait = getenv("CLIENT_WAIT_MS");
    int wait_ms = wait ? atoi(wait) : 30000;
    struct orderlog_outcome outcome;
    if (orderlog_wait(orderlog, id, wait_ms, &outcome))
        return fail(orderlog, "orderlog_wait");
    printf("%s %s", statuses[outcome.status], outcome.code);
    if (outcome.status != ORDERLOG_PUT_ASIDE) /* that one has no event */
        printf(" %s[%d]@%lld", outcome.position.topic, (int)outcome.position.partition,
               (long long)outcome.position.offset);
    printf("\n");

    int done = outcome.status == ORDERLOG_REPEATED && outcome.first_status == ORDERLOG_ACCEPTED;
    if (outcome.status == ORDERLOG_ACCEPTED) {
        if (orderlog_wait_order(orderlog, id, wait_ms, &outcome))
            return fail(orderlog, "orderlog_wait_order");
        printf("order %s %s\n", outcome.order_status, outcome.code);
        done = strcmp(outcome.order_status, "CONFIRMED") == 0;
    }
    orderlog_close(orderlog);
    return done ? 0 : 1;
}
