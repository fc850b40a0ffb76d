/*
 * tests/fuzz/replay.c - a target's files, one by one, without libFuzzer: replay FOLDER|FILE...
 *
 * So every compiler's sanitizers, and valgrind, see what the fuzzer found once. Prints how many
 * there were; an empty folder is a failure, since then nothing was tested.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(path);
        return false;
    }
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)size + !size);
    bool good = data && fread(data, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one said is the one that failed */
    if (good)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return good;
}

/* -1: a file that can't be read. */
static int replay(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), done = 0;
    if (count < 0)
        return replay_file(path) ? 1 : -1;
    for (int i = 0; i < count; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && done >= 0)
            done = replay_file(inner) ? done + 1 : -1;
        free(entries[i]);
    }
    free(entries);
    return done;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int done = replay(argv[i]);
        if (done < 0)
            return 1;
        total += done;
    }
    printf("%d files replayed\n", total);
    return total ? 0 : 1;
}
