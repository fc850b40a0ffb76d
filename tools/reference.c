/*
 * tools/reference.c - prints docs/configuration.md and docs/metrics.md from the tables.
 *
 * reference configuration|metrics            prints the page
 * reference --check configuration|metrics FILE   exit 1 when FILE is another
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/ol_metrics.h"
#include "lib/program/ol_options.h"

static bool print_page(FILE *out, const char *page)
{
    if (strcmp(page, "configuration") == 0) {
        ol_options_print_markdown(out);
        return true;
    }
    if (strcmp(page, "metrics") != 0)
        return false;
    OL_AUTO(ol_text) struct ol_text text = {0};
    ol_metrics_print_markdown(&text);
    const char *markdown = ol_text_string(&text);
    return markdown && fputs(markdown, out) >= 0;
}

static int check(const char *page, const char *path)
{
    char *wanted = NULL;
    size_t wanted_bytes = 0;
    FILE *memory = open_memstream(&wanted, &wanted_bytes);
    if (!memory || !print_page(memory, page))
        return 2;
    fclose(memory);

    FILE *file = fopen(path, "r");
    char *found = malloc(wanted_bytes + 1);
    size_t bytes = file && found ? fread(found, 1, wanted_bytes + 1, file) : 0;
    bool fresh = found && bytes == wanted_bytes && memcmp(found, wanted, bytes) == 0;
    if (file)
        fclose(file);
    free(found);
    free(wanted);
    if (!fresh)
        fprintf(stderr, "%s is stale: print it anew with tools/reference %s\n", path, page);
    return fresh ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--check") == 0)
        return check(argv[2], argv[3]);
    if (argc == 2 && print_page(stdout, argv[1]))
        return 0;
    fputs("usage: reference configuration|metrics\n"
          "       reference --check configuration|metrics FILE\n",
          stderr);
    return 2;
}
