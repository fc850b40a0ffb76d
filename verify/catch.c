#include "verify/catch.h"

#include <setjmp.h>
#include <stddef.h>

static _Thread_local jmp_buf here;
static _Thread_local const char *volatile caught;
static _Thread_local volatile bool running;

bool catch_run(void (*function)(void *argument), void *argument, const char **ret_condition)
{
    if (_setjmp(here) != 0) {
        running = false;
        *ret_condition = caught;
        return false;
    }
    running = true;
    function(argument);
    running = false;
    return true;
}

void catch_assertion(const char *condition)
{
    if (!running)
        return;
    caught = condition;
    _longjmp(here, 1);
}
