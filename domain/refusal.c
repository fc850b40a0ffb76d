#include "domain/refusal.h"

#include "domain/name.h"

static const char *const names[REFUSAL_CODE_COUNT] = {
    "",
#define REFUSAL(code, sentence) #code,
#include "domain/refusal.def"
#undef REFUSAL
};

static const char *const sentences[REFUSAL_CODE_COUNT] = {
    "",
#define REFUSAL(code, sentence) sentence,
#include "domain/refusal.def"
#undef REFUSAL
};

const char *refusal_name(enum refusal_code code)
{
    return name_at(names, REFUSAL_CODE_COUNT, code);
}

const char *refusal_sentence(enum refusal_code code)
{
    return name_at(sentences, REFUSAL_CODE_COUNT, code);
}

enum refusal_code refusal_by_name(struct text name)
{
    return (enum refusal_code)name_find(names, REFUSAL_CODE_COUNT, name);
}
