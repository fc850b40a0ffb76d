/*
 * main.c - the only main(): a table of noun, verb -> function, arguments, options, help.
 *
 * argv -> command -> options -> run -> exit code. A command's function does the work and returns
 * its failure as an ol_error; the sentence is printed here, once. Data goes to stdout, all else to
 * stderr. Add a command: its header, one line of the table.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "consumers/worker.h"
#include "domain/assert.h"
#include "lib/base/ol_error.h"
#include "lib/base/ol_nearest.h"
#include "lib/base/ol_text.h"
#include "lib/http/ol_metrics.h"
#include "lib/kafka/ol_kafka.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_options.h"
#include "producers/import.h"
#include "producers/submit.h"
#include "projections/projector.h"
#include "verify/catch.h"
#include "verify/verify.h"

#ifndef ORDERLOG_VERSION
#define ORDERLOG_VERSION "unknown"
#endif

#define FEW_WORDS 48 /* bytes of "noun verb" */

typedef enum ol_class run_function(const struct ol_options *options, struct ol_error *reterr);

struct main_command {
    const char *noun, *verb; /* verb NULL: the noun alone is the command */
    run_function *run;
    unsigned groups;                     /* of options; enum ol_option_group */
    const char *arguments;               /* as help shows them */
    size_t arguments_min, arguments_max; /* how many words that are no options */
    const char *help;                    /* what it does, in a line */
    const char *examples;                /* lines, each of its own */
};

#define WORKER_GROUPS    (OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_TOPICS | OL_FOR_ROLE | OL_FOR_WORKER)
#define TOPICS_GROUPS    (OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_TOPICS | OL_FOR_PLAN | OL_FOR_PRINT)
#define PROJECTOR_GROUPS (OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_TOPICS | OL_FOR_ROLE | OL_FOR_PROJECTOR)
#define IMPORT_GROUPS    (OL_FOR_KAFKA | OL_FOR_PRINT | OL_FOR_IMPORT)

/* clang-format off */
static const struct main_command commands[] = {
    {"submit", NULL, submit_run, OL_FOR_KAFKA | OL_FOR_PRINT | OL_FOR_SUBMIT, "[FILE|-]", 0, 1,
     "publish commands from JSON lines",
     "orderlog submit commands.jsonl --wait\n"
     "echo '{\"cancelOrder\":{\"orderId\":\"o-1\"}}' | orderlog submit --wait --json\n"},
    {"import", "products", import_products_run, IMPORT_GROUPS | OL_FOR_PRODUCTS, "FILE.csv|-", 1, 1,
     "publish a list of products and their stock",
     "orderlog import products products.csv\n"
     "orderlog import products changed.csv --update\n"},
    {"import", "accounts", import_accounts_run, IMPORT_GROUPS, "FILE.csv|-", 1, 1,
     "publish customers' wallets and their funds",
     "orderlog import accounts accounts.csv\n"},
    {"import", "baskets", import_baskets_run, IMPORT_GROUPS, "FILE.csv|-", 1, 1,
     "publish baskets as orders",
     "orderlog import baskets baskets.csv --limit 1000\n"},
    {"worker", NULL, worker_run, WORKER_GROUPS, "", 0, 0, "apply commands, until SIGTERM",
     "orderlog worker --slot 0\n"
     "orderlog worker --slot 1 --context inventory,payments\n"},
    {"projector", NULL, projector_run, PROJECTOR_GROUPS, "", 0, 0,
     "keep the rows up to the events, until SIGTERM", "orderlog projector --slot 0\n"},
    {"migrate", "up", migrate_up_run, OL_FOR_PG | OL_FOR_MIGRATE | OL_FOR_PRINT, "", 0, 0,
     "bring the schema up to date", "orderlog migrate up\n"},
    {"migrate", "status", migrate_status_run, OL_FOR_PG | OL_FOR_MIGRATE | OL_FOR_PRINT, "", 0, 0,
     "which changes of the schema are applied", "orderlog migrate status --json\n"},
    {"topics", "plan", topics_plan_run, TOPICS_GROUPS & ~(unsigned)OL_FOR_PLAN, "", 0, 0,
     "which topics are missing, and which differ", "orderlog topics plan --partitions 8\n"},
    {"topics", "apply", topics_apply_run, TOPICS_GROUPS, "", 0, 0,
     "make the topics that are missing",
     "orderlog topics apply --execute\n"
     "orderlog topics apply --execute --replication-factor 3 --min-insync 2\n"},
    {"topics", "acknowledge-gap", topics_acknowledge_gap_run, TOPICS_GROUPS | OL_FOR_GAPS, "", 0, 0,
     "which commands and steps were lost unread; let their partitions go on",
     "orderlog topics acknowledge-gap\n"
     "orderlog topics acknowledge-gap --execute\n"},
    {"lag", NULL, lag_run, OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_WATCH | OL_FOR_PRINT, "", 0, 0,
     "how far workers and projector are behind",
     "orderlog lag\n"
     "orderlog lag --watch\n"},
    {"verify", NULL, verify_run, OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_VERIFY | OL_FOR_PRINT, "", 0, 0,
     "fold the log and compare every row with it",
     "orderlog verify\n"
     "orderlog verify --wait-settled 60\n"},
    {"command", "show", command_show_run, OL_FOR_PG | OL_FOR_PRINT, "ID", 1, 1,
     "what became of a command", "orderlog command show basket/31198570044\n"},
    {"order", "show", order_show_run, OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_PRINT, "ID", 1, 1,
     "one order: state, lines, stock, payment, history",
     "orderlog order show 31198570044\n"
     "orderlog order show 31198570044 --json | jq .history\n"},
    {"saga", "list", saga_list_run, OL_FOR_PG | OL_FOR_SAGA | OL_FOR_PRINT, "", 0, 0,
     "orders that are under way, and what they wait for", "orderlog saga list --stuck\n"},
    {"saga", "show", saga_show_run, OL_FOR_PG | OL_FOR_PRINT, "ORDER", 1, 1,
     "where one order's saga stands", "orderlog saga show 31198570044\n"},
    {"dlq", "list", dlq_list_run, OL_FOR_KAFKA | OL_FOR_LETTERS | OL_FOR_PRINT, "", 0, 0,
     "dead letters by cause", "orderlog dlq list\n"},
    {"dlq", "show", dlq_show_run, OL_FOR_KAFKA | OL_FOR_LETTERS | OL_FOR_PRINT, "", 0, 0,
     "dead letters one by one", "orderlog dlq show --topic orders --limit 10\n"},
    {"events", "tail", events_tail_run, OL_FOR_KAFKA | OL_FOR_EVENTS | OL_FOR_PRINT, "", 0, 0,
     "the latest events, decoded", "orderlog events tail --topic orders --follow\n"},
    {"events", "export", events_export_run, OL_FOR_KAFKA | OL_FOR_EVENTS | OL_FOR_PRINT, "", 0, 0,
     "events as JSON lines, from the beginning or --since",
     "orderlog events export --type OrderConfirmed --since 2017-01-01T00:00:00Z\n"
     "orderlog events export --key 31198570044 | jq .decoded\n"},
    {"limits", NULL, limits_run, OL_FOR_PRINT, "", 0, 0,
     "the largest and smallest of everything, and what happens there", "orderlog limits --json\n"},
    {"currencies", NULL, currencies_run, OL_FOR_PRINT, "[CODE]", 0, 1,
     "the codes of ISO 4217: digits of an amount, and what new orders may have",
     "orderlog currencies\n"
     "orderlog currencies KWD --json\n"},
    {"config", "show", config_show_run, OL_FOR_EVERYTHING, "", 0, 0,
     "every setting and where it came from", "orderlog config show\n"},
};
/* clang-format on */
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

/* ---- the table, asked ---- */

static void command_name(const struct main_command *command, char ret_name[FEW_WORDS])
{
    snprintf(ret_name, FEW_WORDS, "%s%s%s", command->noun, command->verb ? " " : "",
             command->verb ? command->verb : "");
}

/* The first command of that noun; NULL: there is none. */
static const struct main_command *command_of_noun(const char *noun)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].noun, noun) == 0)
            return &commands[i];
    return NULL;
}

/* The command of noun and verb; verb NULL finds a noun that stands alone. */
static const struct main_command *command_of(const char *noun, const char *verb)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].noun, noun) == 0 &&
            (commands[i].verb ? verb && strcmp(commands[i].verb, verb) == 0 : !verb))
            return &commands[i];
    return NULL;
}

/* The noun (noun NULL) or the noun's verb that was probably meant; NULL: nothing is near. */
static const char *nearest_word(const char *noun, const char *word)
{
    const char *meant = NULL;
    struct ol_nearest nearest = ol_nearest_to(word);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *candidate = noun ? commands[i].verb : commands[i].noun;
        bool is_one = !noun || (strcmp(commands[i].noun, noun) == 0 && candidate);
        if (is_one && ol_nearest_is(&nearest, candidate))
            meant = candidate;
    }
    return meant;
}

/* ---- help ---- */

static void print_command(FILE *out, const struct main_command *command)
{
    char name[FEW_WORDS];
    command_name(command, name);
    int width = fprintf(out, "  %s%s%s", name, *command->arguments ? " " : "", command->arguments);
    if (width > 32)
        width = fprintf(out, "\n") - 1;
    fprintf(out, "%*s%s\n", 34 - width, "", command->help);
}

/* All commands, or those of one noun. */
static void print_commands(FILE *out, const char *noun)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!noun || strcmp(commands[i].noun, noun) == 0)
            print_command(out, &commands[i]);
}

static void print_usage(FILE *out)
{
    fputs("orderlog - orders, stock and payments as events on Kafka\n\n"
          "usage: orderlog COMMAND [ARGUMENTS] [OPTIONS]\n\n",
          out);
    print_commands(out, NULL);
    fputs("\n`orderlog COMMAND --help` shows a command's options, `orderlog --version` the "
          "versions.\n"
          "Exit: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 a server can't be\n"
          "reached, 6 an invariant is violated.\n",
          out);
}

static void print_noun_help(FILE *out, const char *noun)
{
    fprintf(out, "usage: orderlog %s COMMAND [ARGUMENTS] [OPTIONS]\n\n", noun);
    print_commands(out, noun);
}

static void print_command_help(FILE *out, const struct main_command *command)
{
    char name[FEW_WORDS];
    command_name(command, name);
    fprintf(out, "orderlog %s - %s\n\nusage: orderlog %s%s%s [OPTIONS]\n\n", name, command->help,
            name, *command->arguments ? " " : "", command->arguments);
    ol_options_print_help(out, command->groups);
    for (const char *line = command->examples; line && *line;) {
        size_t size = strcspn(line, "\n");
        fprintf(out, "%s  %.*s\n", line == command->examples ? "\nExamples:\n" : "", (int)size,
                line);
        line += size + (line[size] == '\n');
    }
}

static void print_version(FILE *out)
{
    fprintf(out, "orderlog %s (librdkafka %s)\n", ORDERLOG_VERSION, ol_kafka_version());
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* ---- from words to a command ---- */

/* A word that is no command. Exit code. */
static int unknown_word(const char *noun, const char *word)
{
    const char *near = nearest_word(noun, word);
    fprintf(stderr, "orderlog: there is no command \"%s%s%s\"", noun ? noun : "", noun ? " " : "",
            word);
    if (near)
        fprintf(stderr, "; did you mean \"%s%s%s\"?", noun ? noun : "", noun ? " " : "", near);
    fprintf(stderr, "\ntry: orderlog %s%s--help\n", noun ? noun : "", noun ? " " : "");
    return ol_exit_code(OL_USAGE);
}

/* `orderlog help [NOUN [VERB]]`. */
static int help_on(int count, char *const words[])
{
    if (count == 0) {
        print_usage(stdout);
        return 0;
    }
    const char *noun = words[0], *verb = count > 1 ? words[1] : NULL;
    const struct main_command *command = command_of(noun, verb);
    if (command)
        print_command_help(stdout, command);
    else if (!command_of_noun(noun))
        return unknown_word(NULL, noun);
    else if (verb)
        return unknown_word(noun, verb);
    else
        print_noun_help(stdout, noun);
    return 0;
}

/* A pipe that nobody reads any more. What a write said about it may be long ago. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

/* What was to be printed has to be out: a full disk or a closed pipe is a failure. The second is
 * the reader's own doing and needs no words. */
static int flushed(int exit_code)
{
    bool failed_before = ferror(stdout);
    if (fflush(stdout) == 0 && !failed_before)
        return exit_code;
    if (!reader_is_gone())
        fprintf(stderr, "orderlog: standard output can't be written%s%s\n",
                failed_before ? "" : ": ", failed_before ? "" : strerror(errno));
    return exit_code ? exit_code : ol_exit_code(OL_FATAL);
}

/* What does not fit the command's arguments; NULL: all fits. */
static const char *arguments_fault(const struct main_command *command, size_t count)
{
    if (count < command->arguments_min)
        return "something is missing";
    if (count > command->arguments_max)
        return "that is too much";
    return NULL;
}

/* Lines of our own making (one for each host; statements that somebody is to run) stay lines. */
static void add_sentence(struct ol_text *text, const struct ol_error *error)
{
    const char *at = error->text, *end;
    while (error->has_lines && (end = strchr(at, '\n'))) {
        ol_text_add_shown(text, at, (size_t)(end - at));
        ol_text_add_char(text, '\n');
        at = end + 1;
    }
    ol_text_add_shown(text, at, strlen(at));
}

static int failed(const struct main_command *command, const struct ol_error *error)
{
    char name[FEW_WORDS];
    command_name(command, name);
    bool named = strncmp(error->text, "orderlog ", strlen("orderlog ")) == 0;
    OL_AUTO(ol_text) struct ol_text line = {0}; /* what others wrote may stand in the sentence */
    add_sentence(&line, error);
    fprintf(stderr, "%s%s%s%s\n", named ? "" : "orderlog ", named ? "" : name, named ? "" : ": ",
            line.failed ? "out of memory" : ol_text_string(&line));
    if (error->class == OL_USAGE)
        fprintf(stderr, "try: orderlog %s --help\n", name);
    return ol_exit_code(error->class);
}

/* Reads the options behind the command's name and runs it. */
static int run_command(const struct main_command *command, int count, char *const words[])
{
    char name[FEW_WORDS];
    command_name(command, name);
    struct ol_error error = {.class = OL_FATAL};
    struct ol_options options;
    unsigned groups = command->groups | (command->arguments_max ? OL_TAKES_ARGUMENTS : 0u);
    if (ol_options_init(&options, name, groups, count, words, &error))
        return failed(command, &error);

    int exit_code = 0;
    const char *fault = arguments_fault(command, options.argument_count);
    if (options.help) {
        print_command_help(stdout, command);
    } else if (fault) {
        ol_fail(&error, OL_USAGE, "%s: it is `orderlog %s%s%s`", fault, name,
                *command->arguments ? " " : "", command->arguments);
        exit_code = failed(command, &error);
    } else {
        ol_log_init(options.log_level, options.log_format);
        ol_metrics_process(ORDERLOG_VERSION, name, ol_kafka_version());
        if (command->run(&options, &error)) {
            fflush(stdout);
            exit_code = failed(command, &error);
        }
    }
    ol_options_release(&options);
    return exit_code;
}

/* Kafka's threads make messages and ours free them. With an arena for each thread what is freed
 * stays with the thread that made it, and a worker grows by half (docs/traps.md). */
#define MALLOC_ARENAS 2

int main(int argc, char *argv[])
{
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    if (argc < 2) {
        print_usage(stderr);
        return ol_exit_code(OL_USAGE);
    }
    const char *noun = argv[1], *verb = argc > 2 ? argv[2] : NULL;
    if (is_help(noun))
        return flushed(help_on(argc - 2, argv + 2));
    if (strcmp(noun, "--version") == 0 || strcmp(noun, "version") == 0) {
        print_version(stdout);
        return flushed(0);
    }
    if (!command_of_noun(noun))
        return unknown_word(NULL, noun);

    const struct main_command *command = command_of(noun, NULL);
    if (command)
        return flushed(run_command(command, argc - 2, argv + 2));
    if (!verb) {
        print_noun_help(stderr, noun);
        return ol_exit_code(OL_USAGE);
    }
    if (is_help(verb)) {
        print_noun_help(stdout, noun);
        return flushed(0);
    }
    command = command_of(noun, verb);
    if (!command)
        return unknown_word(noun, verb);
    return flushed(run_command(command, argc - 3, argv + 3));
}

/* The domain's only door to the outside: a bug of ours stops the process before it writes. */
_Noreturn void domain_assert_failed(const char *condition, const char *file, int line)
{
    catch_assertion(condition); /* verify looks for such events, and writes nothing */
    ol_log(OL_LOG_ERROR, "domain", "assertion failed", ol_kv("condition", condition),
           ol_kv("file", file), ol_kv("line", line));
    abort();
}
