#include "producers/tally.h"

#include "domain/assert.h"

bool tally_refuses(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_IS_REJECTED ||
           (outcome->kind == OUTCOME_IS_REPEATED && outcome->first != OUTCOME_ACCEPTED);
}

void tally_add(struct tally *tally, const struct outcome *outcome)
{
    domain_assert(outcome->last && !outcome->settled);
    if (tally_refuses(outcome)) {
        domain_assert(outcome->code != ACCEPTED && outcome->code < REFUSAL_CODE_COUNT);
        tally->refused[outcome->code]++;
        return;
    }
    switch (outcome->kind) {
    case OUTCOME_IS_ACCEPTED: tally->accepted++; break;
    case OUTCOME_IS_REPEATED: tally->repeated++; break;
    case OUTCOME_IS_PUT_ASIDE: tally->put_aside++; break;
    case OUTCOME_IS_OVERDUE: tally->unanswered++; break;
    case OUTCOME_IS_REJECTED: break;
    }
}

static uint64_t refused_sum(const struct tally *tally)
{
    uint64_t sum = 0;
    for (int code = 0; code < REFUSAL_CODE_COUNT; code++)
        sum += tally->refused[code];
    return sum;
}

uint64_t tally_sum(const struct tally *tally)
{
    return tally->accepted + tally->repeated + refused_sum(tally) + tally->put_aside +
           tally->unanswered;
}

bool tally_good(const struct tally *tally)
{
    return tally_sum(tally) == tally->accepted + tally->repeated;
}

static void add_count(struct ol_text *text, const char *before, uint64_t count, const char *what)
{
    ol_text_add(text, before);
    ol_text_add_int(text, (int64_t)count);
    ol_text_add(text, what);
}

void tally_text(const struct tally *tally, struct ol_text *text)
{
    add_count(text, "", tally->accepted, " accepted");
    add_count(text, ", ", tally->repeated, " repeated");
    add_count(text, ", ", refused_sum(tally), " refused");
    const char *before = " (";
    for (int code = 0; code < REFUSAL_CODE_COUNT; code++) {
        if (!tally->refused[code])
            continue;
        ol_text_add(text, before);
        ol_text_add(text, refusal_name((enum refusal_code)code));
        add_count(text, " ", tally->refused[code], "");
        before = ", ";
    }
    if (refused_sum(tally))
        ol_text_add(text, ")");
    if (tally->put_aside)
        add_count(text, ", ", tally->put_aside, " put aside (`orderlog dlq list`)");
    if (tally->unanswered)
        add_count(text, ", ", tally->unanswered, " without an outcome");
}

static void add_member(struct ol_text *text, const char *before, const char *name, uint64_t count)
{
    ol_text_add(text, before);
    ol_text_add_json(text, name);
    ol_text_add_char(text, ':');
    ol_text_add_json_int(text, (int64_t)count);
}

void tally_json(const struct tally *tally, struct ol_text *text)
{
    add_member(text, "{", "accepted", tally->accepted);
    add_member(text, ",", "repeated", tally->repeated);
    ol_text_add(text, ",\"refused\":{");
    const char *before = "";
    for (int code = 0; code < REFUSAL_CODE_COUNT; code++)
        if (tally->refused[code]) {
            add_member(text, before, refusal_name((enum refusal_code)code), tally->refused[code]);
            before = ",";
        }
    ol_text_add_char(text, '}');
    add_member(text, ",", "put_aside", tally->put_aside);
    add_member(text, ",", "unanswered", tally->unanswered);
    ol_text_add_char(text, '}');
}
