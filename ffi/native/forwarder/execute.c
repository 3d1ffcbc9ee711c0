/* The call itself, made by a worker that is already who it should be. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve.h"

bool execute_asks_for_real_user(const struct call *call) {
        return call->row->flags & NODEOS_ROW_ACCESS && !(call->number == SYS_faccessat2 && call->given[3] & AT_EACCESS);
}

bool execute_links_descriptor(const struct call *call) {
        return call->number == SYS_linkat && call->given[4] & AT_EMPTY_PATH;
}

int execute(const struct worker *worker, struct call *call, int64_t *ret_result) {
        const struct argument *a = call->arguments;
        long result;

        if (call->row->flags & NODEOS_ROW_OPENS)
                return open_execute(&worker->skin, call, ret_result);
        if (memchr(call->row->kinds, NODEOS_ARGUMENT_PATH, sizeof(call->row->kinds)))
                return walk_execute(worker, call, ret_result);
        result = syscall(call->number, a[0].value, a[1].value, a[2].value, a[3].value, a[4].value, a[5].value);
        /* It was waiting, and nothing is done: whose call it is waits better, because signals end its wait. */
        if (result < 0 && errno == EINTR)
                return STEP_BACK;
        *ret_result = result < 0 ? -errno : result;
        return STEP_ON;
}
