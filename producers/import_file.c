#include "producers/import_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/currency.h"
#include "domain/money.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_csv.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_hash.h"
#include "lib/base/ol_id.h"
#include "lib/base/ol_index.h"
#include "lib/base/ol_unseen.h"
#include "proto/codec.h"

#define ARENA_BLOCK_BYTES (64 * 1024)
#define LINES_FIRST       64
#define SEEN_FIRST        1024

enum {
    PRODUCT_SKU,
    PRODUCT_NAME,
    PRODUCT_CATEGORY,
    PRODUCT_BRAND,
    PRODUCT_PRICE,
    PRODUCT_CURRENCY,
    PRODUCT_STOCK
};
enum { ACCOUNT_ID, ACCOUNT_CURRENCY, ACCOUNT_FUNDS };
enum {
    BASKET_ID,
    BASKET_CUSTOMER,
    BASKET_PLACED_AT,
    BASKET_LINE_NO,
    BASKET_SKU,
    BASKET_QUANTITY,
    BASKET_AMOUNT,
    BASKET_CURRENCY
};

static const char *const product_columns[] = {"sku",         "name",     "category", "brand",
                                              "price_minor", "currency", "stock"};
static const char *const account_columns[] = {"customer_id", "currency", "funds_minor"};
static const char *const basket_columns[] = {"basket_id",    "customer_id", "placed_at",
                                             "line_no",      "sku",         "quantity",
                                             "amount_minor", "currency"};

typedef enum ol_class next_function(struct import_file *file, struct command *ret_commands,
                                    size_t *ret_count, struct ol_error *reterr);
static next_function next_product, next_account, next_basket;

static const struct {
    const char *name;
    const char *const *columns;
    size_t column_count;
    next_function *next;
} kinds[IMPORT_KIND_COUNT] = {
#define COLUMNS(names) names, sizeof names / sizeof names[0]
    [IMPORT_PRODUCTS] = {"products", COLUMNS(product_columns), next_product},
    [IMPORT_ACCOUNTS] = {"accounts", COLUMNS(account_columns), next_account},
    [IMPORT_BASKETS] = {"baskets", COLUMNS(basket_columns), next_basket},
#undef COLUMNS
};

/* Digests of the keys seen, and where; 128 bits make a false alarm a matter of the age of the
 * universe. */
struct seen {
    struct seen_key {
        uint64_t high, low, line;
    } * keys;
    size_t capacity, count;
    struct ol_index index; /* by `high`: the place in keys */
};

struct import_file {
    enum import_kind kind;
    struct ol_csv *csv;
    const struct ol_csv_field *held; /* a basket's first row, read while the last one ended */
    struct ol_arena arena;           /* texts of the present row or basket */
    struct order_line *lines;        /* of the present basket */
    size_t line_capacity;
    struct seen seen;
    uint64_t rows, first_line;
    bool ended, split, checking;
};

static void seen_release(struct seen *seen)
{
    free(seen->keys);
    ol_index_release(&seen->index);
    *seen = (struct seen){0};
}

const char *import_kind_name(enum import_kind kind)
{
    return kinds[kind].name;
}

static enum ol_class read_header(struct import_file *file, struct ol_error *reterr)
{
    return ol_csv_header(file->csv, kinds[file->kind].columns, kinds[file->kind].column_count,
                         reterr);
}

enum ol_class import_file_open(enum import_kind kind, const char *path,
                               struct import_file **ret_file, struct ol_error *reterr)
{
    OL_AUTO(import_file) struct import_file *file = calloc(1, sizeof *file);
    if (!file)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    file->kind = kind;
    ol_arena_init(&file->arena, ARENA_BLOCK_BYTES, 0);
    enum ol_class class = ol_csv_open(&file->csv, path, reterr);
    if (!class)
        class = read_header(file, reterr);
    if (class)
        return class;
    *ret_file = OL_STEAL(file);
    return OL_OK;
}

/* As it was when it was opened. */
static enum ol_class begin_again(struct import_file *file, struct ol_error *reterr)
{
    enum ol_class class = ol_csv_rewind(file->csv, reterr);
    seen_release(&file->seen);
    file->held = NULL;
    file->rows = file->first_line = 0;
    file->ended = file->checking = false;
    return class ? class : read_header(file, reterr);
}

enum ol_class import_file_check(struct import_file *file, uint64_t limit, struct ol_error *reterr)
{
    struct command commands[IMPORT_COMMANDS_MAX];
    size_t count = 1;
    enum ol_class class = begin_again(file, reterr); /* a pipe fails before it has lost anything */
    file->checking = true;
    for (uint64_t i = 0; !class && count && (!limit || i < limit); i++)
        class = import_file_next(file, commands, &count, reterr);
    return class ? class : begin_again(file, reterr);
}

void import_file_close(struct import_file *file)
{
    if (!file)
        return;
    if (file->csv)
        ol_csv_close(file->csv);
    ol_arena_release(&file->arena);
    free(file->lines);
    seen_release(&file->seen);
    free(file);
}

enum ol_class import_file_next(struct import_file *file,
                               struct command ret_commands[IMPORT_COMMANDS_MAX], size_t *ret_count,
                               struct ol_error *reterr)
{
    ol_arena_clear(&file->arena);
    *ret_count = 0;
    return kinds[file->kind].next(file, ret_commands, ret_count, reterr);
}

bool import_file_split(const struct import_file *file)
{
    return file->split;
}

uint64_t import_file_rows(const struct import_file *file)
{
    return file->rows;
}

uint64_t import_file_line(const struct import_file *file)
{
    return file->first_line;
}

int64_t import_file_bytes(const struct import_file *file)
{
    return ol_csv_bytes(file->csv);
}

int64_t import_file_size_bytes(const struct import_file *file)
{
    return ol_csv_size_bytes(file->csv);
}

/* ---- texts ---- */

/* A field as it is, in the arena. False: no memory. */
static bool copy(struct import_file *file, const struct ol_csv_field *field, struct text *ret_text)
{
    const char *bytes = ol_arena_copy(&file->arena, field->text, field->size_bytes);
    *ret_text = (struct text){bytes, (uint32_t)field->size_bytes};
    return bytes != NULL;
}

/* "prefix/key" as a command id, and the key alone as the aggregate's. Points at the key's place in
 * the file when one of them is not clean. */
static enum ol_class make_ids(struct import_file *file, const struct ol_csv_field *key,
                              const char *prefix, struct text *ret_id, struct text *ret_aggregate,
                              struct ol_error *reterr)
{
    size_t prefix_bytes = strlen(prefix), bytes = prefix_bytes + key->size_bytes;
    if (!ol_id_clean(key->text, key->size_bytes) || bytes > OL_ID_MAX_BYTES)
        return ol_csv_fail(file->csv, key, reterr,
                           "an id must be 1 to %zu bytes of " OL_UNSEEN_RULE "; this has %zu",
                           (size_t)OL_ID_MAX_BYTES - prefix_bytes, key->size_bytes);
    char *id = ol_arena_alloc(&file->arena, bytes);
    if (!id)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    memcpy(id, prefix, prefix_bytes);
    memcpy(id + prefix_bytes, key->text, key->size_bytes);
    *ret_id = (struct text){id, (uint32_t)bytes};
    *ret_aggregate = (struct text){id + prefix_bytes, (uint32_t)key->size_bytes};
    return OL_OK;
}

/* The next row; *ret_fields NULL at the end, at every call from then on. */
static enum ol_class next_row(struct import_file *file, const struct ol_csv_field **ret_fields,
                              struct ol_error *reterr)
{
    *ret_fields = NULL;
    if (file->ended)
        return OL_OK;
    enum ol_class class = ol_csv_next(file->csv, ret_fields, reterr);
    file->ended = class || !*ret_fields;
    return class;
}

static enum ol_class any_int(const struct import_file *file, const struct ol_csv_field *field,
                             int64_t *ret_value, struct ol_error *reterr)
{
    return ol_csv_int(file->csv, field, INT64_MIN, INT64_MAX, ret_value, reterr);
}

/* An amount in minor units. One with a point is refused as any text is, for 12 would else be 12.00
 * here and 0.12 there; but it shows what was meant. */
static enum ol_class amount(const struct import_file *file, const struct ol_csv_field *field,
                            const struct ol_csv_field *currency, int64_t *ret_minor,
                            struct ol_error *reterr)
{
    enum ol_class class = any_int(file, field, ret_minor, reterr);
    int32_t digits = currency_digits((struct text){currency->text, (uint32_t)currency->size_bytes});
    if (class != OL_POISON || digits == CURRENCY_NO_DIGITS || !strchr(field->text, '.'))
        return class;
    int64_t meant_minor;
    switch (amount_parse((struct text){field->text, (uint32_t)field->size_bytes}, digits,
                         &meant_minor)) {
    case AMOUNT_READ:
        return ol_csv_fail(file->csv, field, reterr,
                           "'%.60s' is not in minor units; %s has %d digits behind the point, so "
                           "write %" PRId64,
                           field->text, currency->text, (int)digits, meant_minor);
    case AMOUNT_TOO_EXACT:
        return ol_csv_fail(file->csv, field, reterr,
                           "'%.60s' is more exact than %s, which has %d digits behind the point; "
                           "round it, and write whole minor units",
                           field->text, currency->text, (int)digits);
    case AMOUNT_UNREADABLE:
    case AMOUNT_TOO_LARGE: break;
    }
    return class;
}

/* ---- keys that were here before ---- */

static struct seen_key key_of(const struct ol_csv_field *id)
{
    return (struct seen_key){ol_hash(id->text, id->size_bytes),
                             ol_hash_record("basket", 6, id->text, id->size_bytes), id->line};
}

/* Remembers where the key is, among so many at most; *ret_line: where it was before, 0: nowhere.
 * False: no memory. */
static bool seen_add(struct seen *seen, const struct ol_csv_field *id, size_t count_max,
                     uint64_t *ret_line)
{
    struct seen_key key = key_of(id);
    *ret_line = 0;
    for (struct ol_index_walk walk = ol_index_walk(&seen->index, key.high); ol_index_next(&walk);) {
        const struct seen_key *other = &seen->keys[walk.number];
        if (other->high == key.high && other->low == key.low)
            *ret_line = other->line;
    }
    if (*ret_line || seen->count >= count_max)
        return true;
    if (!OL_GROW(seen->keys, seen->capacity, seen->count + 1, SEEN_FIRST) ||
        !ol_index_put(&seen->index, key.high, (uint32_t)seen->count))
        return false;
    seen->keys[seen->count++] = key;
    return true;
}

/* ---- products ---- */

static enum ol_class check_once(struct import_file *file, const struct ol_csv_field *sku,
                                struct ol_error *reterr)
{
    uint64_t line;
    if (!seen_add(&file->seen, sku, SIZE_MAX, &line))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    if (line)
        return ol_csv_fail(file->csv, sku, reterr,
                           "\"%s\" is on line %" PRIu64 " too; which of the rows counts?",
                           sku->text, line);
    return OL_OK;
}

static enum ol_class next_product(struct import_file *file, struct command *ret_commands,
                                  size_t *ret_count, struct ol_error *reterr)
{
    const struct ol_csv_field *row;
    enum ol_class class = next_row(file, &row, reterr);
    if (class || !row)
        return class;
    file->first_line = row[PRODUCT_SKU].line;

    struct command *add = &ret_commands[0], *increase = &ret_commands[1];
    *add = *increase =
        (struct command){.context = CONTEXT_INVENTORY, .metadata.occurred_at_us = TIME_NONE};
    add->inventory.kind = PRODUCT_ADD;
    increase->inventory.kind = STOCK_INCREASE;
    increase->inventory.reason = TEXT("import");
    struct product_details *details = &add->inventory.details;

    int64_t stock = 0;
    class = make_ids(file, &row[PRODUCT_SKU], "product/", &add->metadata.command_id,
                     &add->inventory.sku, reterr);
    if (class != OL_OK)
        return class;
    class = make_ids(file, &row[PRODUCT_SKU], "stock/", &increase->metadata.command_id,
                     &increase->inventory.sku, reterr);
    if (class != OL_OK)
        return class;
    class =
        amount(file, &row[PRODUCT_PRICE], &row[PRODUCT_CURRENCY], &details->price_minor, reterr);
    if (class != OL_OK)
        return class;
    class = any_int(file, &row[PRODUCT_STOCK], &stock, reterr);
    if (class != OL_OK)
        return class;
    if (!copy(file, &row[PRODUCT_NAME], &details->name) ||
        !copy(file, &row[PRODUCT_CATEGORY], &details->category) ||
        !copy(file, &row[PRODUCT_BRAND], &details->brand) ||
        !copy(file, &row[PRODUCT_CURRENCY], &details->currency))
        return ol_fail(reterr, OL_FATAL, "out of memory");

    if (file->checking)
        class = check_once(file, &row[PRODUCT_SKU], reterr);
    if (class != OL_OK)
        return class;

    increase->inventory.quantity = stock;
    file->rows++;
    *ret_count = stock == 0 ? 1 : 2;
    return OL_OK;
}

/* ---- accounts ---- */

static enum ol_class next_account(struct import_file *file, struct command *ret_commands,
                                  size_t *ret_count, struct ol_error *reterr)
{
    const struct ol_csv_field *row;
    enum ol_class class = next_row(file, &row, reterr);
    if (class || !row)
        return class;
    file->first_line = row[ACCOUNT_ID].line;

    struct command *open = &ret_commands[0], *deposit = &ret_commands[1];
    *open = *deposit =
        (struct command){.context = CONTEXT_PAYMENTS, .metadata.occurred_at_us = TIME_NONE};
    open->payment.kind = ACCOUNT_OPEN;
    deposit->payment.kind = FUNDS_DEPOSIT;

    class = make_ids(file, &row[ACCOUNT_ID], "account/", &open->metadata.command_id,
                     &open->payment.customer_id, reterr);
    if (class != OL_OK)
        return class;
    class = make_ids(file, &row[ACCOUNT_ID], "funds/", &deposit->metadata.command_id,
                     &deposit->payment.customer_id, reterr);
    if (class != OL_OK)
        return class;
    class = amount(file, &row[ACCOUNT_FUNDS], &row[ACCOUNT_CURRENCY],
                   &deposit->payment.amount_minor, reterr);
    if (class != OL_OK)
        return class;
    if (!copy(file, &row[ACCOUNT_CURRENCY], &open->payment.currency))
        return ol_fail(reterr, OL_FATAL, "out of memory");

    deposit->payment.currency = open->payment.currency;
    file->rows++;
    *ret_count = deposit->payment.amount_minor == 0 ? 1 : 2;
    return OL_OK;
}

/* ---- baskets ---- */

/* Remembers the basket. OL_POISON: it was here before. */
static enum ol_class seen_basket(struct import_file *file, const struct ol_csv_field *id,
                                 struct ol_error *reterr)
{
    uint64_t line;
    if (!seen_add(&file->seen, id, IMPORT_BASKETS_SEEN_MAX, &line))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    file->split = line > 0;
    if (file->split)
        return ol_csv_fail(file->csv, id, reterr,
                           "the basket \"%.*s\" came further up: all lines "
                           "of a basket must be together",
                           (int)(id->size_bytes < 128 ? id->size_bytes : 128), id->text);
    return OL_OK;
}

/* A basket while its rows come in. */
struct basket {
    struct text id, customer_id, currency;
    int64_t placed_at_us, line_no;
    struct text placed_at; /* as it is written */
    size_t line_count, bytes;
};

static bool field_is(const struct ol_csv_field *field, struct text text)
{
    return text_equal((struct text){field->text, (uint32_t)field->size_bytes}, text);
}

/* What every row of a basket must say alike. */
static enum ol_class check_same(const struct import_file *file, const struct basket *basket,
                                const struct ol_csv_field *row, int64_t line_no,
                                struct ol_error *reterr)
{
    const struct {
        int column;
        struct text text;
    } same[] = {{BASKET_CUSTOMER, basket->customer_id},
                {BASKET_PLACED_AT, basket->placed_at},
                {BASKET_CURRENCY, basket->currency}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (!field_is(&row[same[i].column], same[i].text))
            return ol_csv_fail(file->csv, &row[same[i].column], reterr,
                               "\"%.128s\" differs from \"%.128s\" in the basket's first line; all "
                               "lines of a basket share it",
                               row[same[i].column].text, same[i].text.data);
    if (line_no <= basket->line_no)
        return ol_csv_fail(file->csv, &row[BASKET_LINE_NO], reterr,
                           "%lld after %lld; within a "
                           "basket the numbers rise",
                           (long long)line_no, (long long)basket->line_no);
    return OL_OK;
}

/* Takes the row into the basket. */
static enum ol_class basket_add(struct import_file *file, struct basket *basket,
                                const struct ol_csv_field *row, struct ol_error *reterr)
{
    struct order_line line = {0};
    int64_t line_no = 0;
    enum ol_class class = any_int(file, &row[BASKET_LINE_NO], &line_no, reterr);
    if (class != OL_OK)
        return class;
    class = any_int(file, &row[BASKET_QUANTITY], &line.quantity, reterr);
    if (class != OL_OK)
        return class;
    class = amount(file, &row[BASKET_AMOUNT], &row[BASKET_CURRENCY], &line.amount_minor, reterr);
    if (class != OL_OK)
        return class;
    class = basket->line_count ? check_same(file, basket, row, line_no, reterr) : OL_OK;
    if (class != OL_OK)
        return class;
    basket->bytes += row[BASKET_SKU].size_bytes + 4; /* no line takes less on the wire */
    if (basket->bytes > MESSAGE_BYTES_MAX)
        return ol_csv_fail(file->csv, &row[BASKET_ID], reterr,
                           "the basket is larger than the %d "
                           "bytes that a message may have",
                           MESSAGE_BYTES_MAX);

    if (!copy(file, &row[BASKET_SKU], &line.sku) ||
        !OL_GROW(file->lines, file->line_capacity, basket->line_count + 1, LINES_FIRST))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    file->lines[basket->line_count++] = line;
    basket->line_no = line_no;
    return OL_OK;
}

/* A new basket, from its first row. */
static enum ol_class basket_begin(struct import_file *file, struct basket *ret_basket,
                                  struct text *ret_command_id, const struct ol_csv_field *row,
                                  struct ol_error *reterr)
{
    struct basket *basket = ret_basket;
    *basket = (struct basket){0};
    enum ol_class class =
        make_ids(file, &row[BASKET_ID], "basket/", ret_command_id, &basket->id, reterr);
    if (!class)
        class = seen_basket(file, &row[BASKET_ID], reterr);
    if (class)
        return class;
    const struct ol_csv_field *at = &row[BASKET_PLACED_AT];
    if (!ol_clock_parse(at->text, at->size_bytes, &basket->placed_at_us))
        return ol_csv_fail(file->csv, at, reterr,
                           "\"%.64s\" is no time such as "
                           "2017-10-02T10:56:33Z",
                           at->text);
    if (!copy(file, at, &basket->placed_at) ||
        !copy(file, &row[BASKET_CUSTOMER], &basket->customer_id) ||
        !copy(file, &row[BASKET_CURRENCY], &basket->currency))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    return basket_add(file, basket, row, reterr);
}

static enum ol_class next_basket(struct import_file *file, struct command *ret_commands,
                                 size_t *ret_count, struct ol_error *reterr)
{
    enum ol_class class = file->held ? OL_OK : next_row(file, &file->held, reterr);
    if (class || !file->held)
        return class;
    file->first_line = file->held[BASKET_ID].line;

    struct basket basket;
    struct text command_id;
    class = basket_begin(file, &basket, &command_id, file->held, reterr);
    while (class == OL_OK) {
        class = next_row(file, &file->held, reterr);
        if (class != OL_OK || !file->held || !field_is(&file->held[BASKET_ID], basket.id))
            break;
        class = basket_add(file, &basket, file->held, reterr);
    }
    if (class != OL_OK)
        return class;

    file->rows += basket.line_count;
    ret_commands[0] = (struct command){
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = command_id, .occurred_at_us = basket.placed_at_us},
        .order = {.kind = ORDER_PLACE,
                  .order_id = basket.id,
                  .customer_id = basket.customer_id,
                  .currency = basket.currency,
                  .lines = file->lines,
                  .line_count = basket.line_count},
    };
    *ret_count = 1;
    return OL_OK;
}
