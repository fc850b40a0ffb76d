#include "tests/support/fault.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_BYTES 4096

static _Noreturn void run(const struct fault *fault, int said)
{
    const struct rlimit none = {0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGABRT, SIG_DFL);
    dup2(said, STDERR_FILENO);
    fault->plant();
    _exit(0);
}

static void trip(const struct fault *fault)
{
    char said[SAID_BYTES + 1] = "";
    size_t bytes = 0;
    int ends[2], status = 0;
    cr_assert_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        run(fault, ends[1]);
    close(ends[1]);
    for (ssize_t more; bytes < SAID_BYTES; bytes += (size_t)more) {
        more = read(ends[0], said + bytes, SAID_BYTES - bytes);
        if (more <= 0)
            break;
    }
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s goes unnoticed", fault->name);
    cr_expect(strstr(said, fault->asserted), "%s trips another assertion: %s", fault->name, said);
}

void faults_trip(const struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++)
        trip(&faults[i]);
}
