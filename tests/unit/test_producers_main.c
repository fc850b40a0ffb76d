/* The table of commands, asked as main() asks it. */
#define main orderlog_main
int main(int argc, char *argv[]);
#include "main.c" /* NOLINT(bugprone-suspicious-include) */
#undef main

#include <criterion/criterion.h>
#include <criterion/redirect.h>

static int call(const char *a, const char *b, const char *c)
{
    char *words[] = {(char *)"orderlog", (char *)a, (char *)b, (char *)c, NULL};
    return orderlog_main(a ? b ? c ? 4 : 3 : 2 : 1, words);
}

Test(main_table, has_commands_that_are_whole)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct main_command *command = &commands[i];
        char name[FEW_WORDS];
        command_name(command, name);
        cr_expect(command->run && *command->help, "%s", name);
        cr_expect(strlen(name) < FEW_WORDS - 1, "%s", name);
        cr_expect_geq(command->arguments_max, command->arguments_min, "%s", name);
        cr_expect_eq(command->arguments_max > 0, *command->arguments != 0, "%s", name);
        cr_expect_eq(command_of(command->noun, command->verb), command, "%s is there twice", name);
        cr_expect(!command->verb || !command_of(command->noun, NULL),
                  "%s stands alone and has verbs", name);
    }
}

Test(main_table, finds_the_word_that_was_meant)
{
    cr_expect_str_eq(nearest_word(NULL, "sumbit"), "submit");
    cr_expect_str_eq(nearest_word(NULL, "improt"), "import");
    cr_expect_str_eq(nearest_word("import", "basket"), "baskets");
    cr_expect_str_eq(nearest_word("import", "account"), "accounts");
    cr_expect_null(nearest_word(NULL, "xyzzyplugh"));
    cr_expect_null(nearest_word(NULL, "a-word-that-is-longer-than-any-of-the-table-s-words-ever"));
}

static void redirect(void)
{
    cr_redirect_stdout();
    cr_redirect_stderr();
}

TestSuite(main_calls, .init = redirect);

Test(main_calls, exit_2_on_what_is_no_command)
{
    cr_expect_eq(call(NULL, NULL, NULL), 2);
    cr_expect_eq(call("sumbit", NULL, NULL), 2);
    cr_expect_eq(call("import", NULL, NULL), 2);
    cr_expect_eq(call("import", "everything", NULL), 2);
    cr_expect_eq(call("import", "baskets", NULL), 2);
    cr_expect_eq(call("submit", "one", "two"), 2);
    cr_expect_eq(call("submit", "--wiat", NULL), 2);
    cr_expect_eq(call("help", "sumbit", NULL), 2);
}

Test(main_calls, exit_0_on_help)
{
    cr_expect_eq(call("--help", NULL, NULL), 0);
    cr_expect_eq(call("help", NULL, NULL), 0);
    cr_expect_eq(call("help", "submit", NULL), 0);
    cr_expect_eq(call("help", "import", "baskets"), 0);
    cr_expect_eq(call("import", "--help", NULL), 0);
    cr_expect_eq(call("import", "baskets", "--help"), 0);
    cr_expect_eq(call("submit", "--help", NULL), 0);
    cr_expect_eq(call("--version", NULL, NULL), 0);
}

Test(main_calls, exit_3_on_a_file_that_is_not_there)
{
    cr_expect_eq(call("import", "baskets", "/nowhere/baskets.csv"), 3);
    cr_expect_eq(call("submit", "/nowhere/commands.jsonl", NULL), 3);
}

Test(main_calls, suggest_the_nearest, .exit_code = 0)
{
    call("sumbit", NULL, NULL);
    fflush(stderr);
    cr_assert_stderr_eq_str("orderlog: there is no command \"sumbit\"; did you mean \"submit\"?\n"
                            "try: orderlog --help\n");
}
