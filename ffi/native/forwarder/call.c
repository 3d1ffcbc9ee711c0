/* One call, from its receipt to its answer. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve.h"

static const struct nodeos_row row_of_unknown;

int notify(const struct worker *worker, unsigned long request, void *argument) {
        int result;

        do
                result = ioctl(worker->listener, request, argument);
        while (result < 0 && errno == EINTR);
        return result < 0 ? -errno : result;
}

bool call_is_valid(const struct worker *worker, const struct call *call) {
        uint64_t id = call->id;

        return notify(worker, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int call_answer(struct worker *worker, struct call *call, int64_t result) {
        struct seccomp_notif_resp response = { .id = call->id };

        if (result < 0 && result > -4096)
                response.error = (int32_t) result;
        else
                response.val = result;
        call->failed_with = -response.error;
        journal_result(worker, result);
        return notify(worker, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 ? STEP_GONE : STEP_ON;
}

/* The caller executes it itself. What we know of it may then be over. */
static int hand_back(struct worker *worker, struct call *call) {
        struct seccomp_notif_resp response = { .id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

        journal_state(worker, NODEOS_JOURNAL_RECEIVED);
        caller_may_change(worker, call);
        return notify(worker, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 ? STEP_GONE : STEP_ON;
}

/* Whether the kernel counts what it makes for the real user, or asks for the effective group (echo requests): those stay root's. */
static bool is_for_real_user(const struct call *call) {
        switch (call->number) {
#ifdef SYS_inotify_init
        case SYS_inotify_init:
        case SYS_epoll_create:
#endif
        case SYS_inotify_init1:
        case SYS_epoll_create1:
                return true;
        case SYS_socket:
                return call->given[2] == 1 /* IPPROTO_ICMP */ || call->given[2] == 58 /* IPPROTO_ICMPV6 */;
        default:
                return false;
        }
}

/* Whether somebody else can execute it at all. */
static bool is_forwardable(const struct call *call) {
        if (is_for_real_user(call))
                return false;
        for (int i = 0; i < 6; i++)
                if (call->row->kinds[i] >= NODEOS_ARGUMENT_POINTER)
                        return false;
        return call->row->flags & NODEOS_ROW_FORWARDABLE;
}

/* The kernel looks for a descriptor number first: without one it neither makes nor truncates a file, nor says why else it could
 * not be opened. */
static bool changes_by_opening(const struct call *call) {
        return call->row->flags & NODEOS_ROW_OPENS && open_changes(call);
}

/* Limits take long to read, and files that are not there are many: of who has few descriptors it is not asked. With a limit of
 * as few the error is the file's. */
static bool may_lack_number(struct worker *worker, const struct call *call, const struct caller *caller) {
        return call->row->flags & NODEOS_ROW_OPENS && !open_changes(call) &&
               (become_reader(worker) != STEP_ON || !caller_has_few_descriptors(caller)) &&
               (become_self(worker) != STEP_ON || !caller_has_free_number(caller));
}

/* Whether a call on a path does no more than ask, and who lacks a right for that is told EACCES, and nothing else. */
static bool only_asks(const struct call *call) {
        const struct nodeos_row *row = call->row;

        if (row->flags & (NODEOS_ROW_OPENS | NODEOS_ROW_CREATES) || !(row->flags & NODEOS_ROW_REPEATABLE) ||
            !memchr(row->kinds, NODEOS_ARGUMENT_PATH, sizeof(row->kinds)))
                return false;
#ifdef SYS_readlink
        if (call->number == SYS_readlink)
                return true;
#endif
        return row->flags & NODEOS_ROW_ACCESS || call->number == SYS_readlinkat ||
               memchr(row->kinds, NODEOS_ARGUMENT_OUT, sizeof(row->kinds));
}

/* Everything that happens before: who calls, with what. Returns a step. */
static int prepare(struct worker *worker, struct call *call, struct caller **ret_caller) {
        uint32_t flags = call->row->flags;
        int step;

        if (!is_forwardable(call) || become_reader(worker) != STEP_ON)
                return STEP_BACK;
        call->is_plain = only_asks(call);
        step = arguments_read(worker, call);
        if (step == STEP_ON && flags & NODEOS_ROW_OPENS)
                step = open_prepare(call);
        if (step == STEP_ON)
                step = caller_find(worker, call, ret_caller);
        /* Limits are for everybody to read, but slowly. */
        if (step == STEP_ON && (flags & NODEOS_ROW_LIMITED || changes_by_opening(call)))
                step = become_self(worker);
        if (step == STEP_ON && flags & NODEOS_ROW_LIMITED && caller_has_file_limit(call->tid))
                step = STEP_BACK;
        if (step == STEP_ON && changes_by_opening(call) && !caller_has_free_number(*ret_caller))
                step = STEP_BACK;
        if (step == STEP_ON && flags & NODEOS_ROW_CREATES && (!(flags & NODEOS_ROW_OPENS) || changes_by_opening(call)))
                step = caller_read_umask(worker, *ret_caller);
        if (step == STEP_ON)
                step = descriptors_take(call, *ret_caller);
        return step;
}

/* What was read could not be written to the caller, or not all. From a file it reads as much as it has room for: as if we
 * had not read, so that it can do that itself. */
static int take_back(const struct call *call) {
        if (call->position < 0)
                return -EFAULT;
        for (int i = 0; i < 6; i++)
                if (call->row->kinds[i] == NODEOS_ARGUMENT_FD && call->taken[i] >= 0)
                        lseek(call->taken[i], call->position, SEEK_SET);
        return STEP_BACK;
}

/* Hands over what a call that succeeded has produced. Returns a step; ret_result is what to answer. */
static int deliver(struct worker *worker, struct call *call, int64_t *ret_result) {
        int result, descriptor = (int) *ret_result;

        if (call->row->flags & NODEOS_ROW_DESCRIPTOR) {
                uint32_t flags = call->row->flags & NODEOS_ROW_OPENS ? call->how.flags & O_CLOEXEC
                                 : fcntl(descriptor, F_GETFD) > 0    ? O_CLOEXEC
                                                                     : 0;

                descriptors_close(call);
                return give(worker, call, descriptor, flags, ret_result);
        }
        if (!call->has_room)
                return STEP_ON;
        if (become_reader(worker) != STEP_ON)
                return STEP_BACK;
        result = arguments_write(worker, call, *ret_result);
        if (result < 0) {
                result = take_back(call);
                if (result < 0) {
                        *ret_result = result;
                        result = STEP_ON;
                }
        }
        return result;
}

/* A call that names nothing and yields a number, as sync does: it is the same whoever executes it. */
static bool is_impersonal(const struct nodeos_row *row) {
        for (int i = 0; i < 6; i++)
                if (row->kinds[i] != NODEOS_ARGUMENT_NONE)
                        return false;
        return !(row->flags & ~(NODEOS_ROW_FORWARDABLE | NODEOS_ROW_REPEATABLE)) && row->flags & NODEOS_ROW_FORWARDABLE;
}

/* Executes as the caller. Returns a step.
 *
 * What is plain may be done with the right to read callers, which is then there for the next call: it is a right in /proc
 * alone, magic links are refused, and what lies in /proc goes back to the caller (open.c, walk.c). That leaves errors, which
 * might tell what the caller could not find out: with one, everything is done once more with the caller's rights only. That
 * nothing is there can at most tell that a process is, which kill tells everybody. */
static int execute_as(struct worker *worker, struct call *call, const struct identity *identity, int64_t *ret_result) {
        int step = become_caller(worker, identity, execute_asks_for_real_user(call), call->is_plain);
        uint64_t effective = worker->skin.effective;

        if (step != STEP_ON)
                return step;
        journal_state(worker, NODEOS_JOURNAL_RUNNING);
        step = execute(worker, call, ret_result);
        if (step != STEP_ON || *ret_result >= 0 || *ret_result == -ENOENT || !call->is_plain)
                return step;
        step = become_caller(worker, identity, execute_asks_for_real_user(call), false);
        if (step != STEP_ON || worker->skin.effective == effective)
                return step;
        /* It may have left the caller's directory, which only we may enter for sure. */
        if (call->cwd >= 0 && (become_self(worker) != STEP_ON || fchdir(call->cwd) < 0))
                return STEP_BACK;
        step = become_caller(worker, identity, execute_asks_for_real_user(call), false);
        return step == STEP_ON ? execute(worker, call, ret_result) : step;
}

int call_execute(struct worker *worker, struct call *call, int64_t *ret_result) {
        struct caller *caller;
        bool moved;
        int step;

        if (is_impersonal(call->row)) {
                journal_state(worker, NODEOS_JOURNAL_RUNNING);
                return execute(worker, call, ret_result);
        }
        step = prepare(worker, call, &caller);
        moved = call->cwd >= 0;

        /* Was it the caller that we have read? What is plain changes nothing, and nobody else gets what comes of it. */
        if (step == STEP_ON && !call->is_plain && !call_is_valid(worker, call))
                step = STEP_GONE;
        if (step == STEP_ON && !call->is_plain && call->row->flags & NODEOS_ROW_CREATES)
                become_umask(worker, caller->identity->umask);
        if (step == STEP_ON)
                step = execute_as(worker, call, caller->identity, ret_result);
        if (moved && fchdir(worker->root) < 0)
                step = STEP_BACK;
        if (step == STEP_ON && *ret_result < 0 && may_lack_number(worker, call, caller))
                step = STEP_BACK;
        if (step == STEP_ON && *ret_result < 0 && call->is_second)
                *ret_result = -EIO;
        /* Some file systems (FUSE) look at who we really are, and security modules may: let the caller be refused itself. */
        if (step == STEP_ON && (*ret_result == -EACCES || *ret_result == -EPERM) && !execute_links_descriptor(call))
                step = STEP_BACK;
        if (step == STEP_ON && *ret_result >= 0)
                step = deliver(worker, call, ret_result);
        descriptors_close(call);
        return step;
}

static int errno_of(uint32_t policy) {
        int error = (int) (policy >> 16);

        return error > 0 && error < 4096 ? error : EPERM;
}

/* A call that nobody can end (its caller's memory is somebody's to bring, who does not) holds a worker for as long. So many
 * may be executed at once; what comes then its callers make themselves, and so others go on. */
static int execute_unless_crowded(struct worker *worker, struct call *call, int64_t *ret_result) {
        int step = STEP_BACK;

        if (atomic_fetch_add(&forwarder.executing, 1) < NODEOS_BOARD_SLOTS * 3 / 4)
                step = call_execute(worker, call, ret_result);
        atomic_fetch_sub(&forwarder.executing, 1);
        return step;
}

/* Does what the policy says. Returns the outcome. */
static enum outcome decide(struct worker *worker, struct call *call) {
        uint32_t policy = call->number < NODEOS_BOARD_CALLS ? board_policy(call->number) : NODEOS_ACTION_ALLOW;
        enum outcome outcome = OUTCOME_ALLOWED;
        int64_t result = 0;
        int step = STEP_BACK;

        switch (policy & 0xffff) {
        case NODEOS_ACTION_FORWARD:
                step = execute_unless_crowded(worker, call, &result);
                outcome = step == STEP_BACK ? OUTCOME_RETURNED : OUTCOME_FORWARDED;
                break;
        case NODEOS_ACTION_DENY:
                result = -errno_of(policy);
                counters_refuse(worker->pool, call, errno_of(policy));
                step = STEP_ON;
                outcome = OUTCOME_DENIED;
                break;
        case NODEOS_ACTION_HANDLE:
                step = handler_ask(worker, call, &result);
                outcome = OUTCOME_HANDLED;
                break;
        case NODEOS_ACTION_RECORD:
                record_paths(worker, call);
                break;
        }
        /* A number of another architecture: the filter should have refused it. */
        if (call->number == UINT32_MAX) {
                result = -ENOSYS;
                step = STEP_ON;
                outcome = OUTCOME_DENIED;
        }
        /* Not found is not gone: who still waits gets its call back. */
        if (step == STEP_GONE || (step == STEP_ON ? call_answer(worker, call, result) : hand_back(worker, call)) == STEP_GONE)
                return hand_back(worker, call) == STEP_ON ? OUTCOME_RETURNED : OUTCOME_STALE;
        return outcome;
}

static void begin(struct call *call) {
        call->row = call->number < NODEOS_BOARD_CALLS ? board_row(call->number) : &row_of_unknown;
        call->cwd = -1;
        call->position = -1;
        call->is_read = call->has_room = call->is_file = call->is_plain = false;
        call->failed_with = 0;
        call->is_second = false;
        call->done = 0;
        for (int i = 0; i < 6; i++)
                call->taken[i] = -1;
}

static void end(struct worker *worker, struct call *call, enum outcome outcome) {
        worker->idle_ns = clock_ns();
        journal_done(worker);
        counters_add(call, outcome, worker->idle_ns);
        become_reader(worker);
}

void call_run(struct worker *worker, struct call *call) {
        begin(call);
        end(worker, call, decide(worker, call));
}

/* Whether a call that may have been executed, or was and its descriptor is lost, can be executed once more. */
static bool repeats(struct worker *worker, struct call *call, enum nodeos_journal_state state) {
        if (state == NODEOS_JOURNAL_RECEIVED)
                return true;
        if ((state != NODEOS_JOURNAL_RUNNING && state != NODEOS_JOURNAL_ADDING) ||
            !(call->row->flags & (NODEOS_ROW_REPEATABLE | NODEOS_ROW_OPENS)))
                return false;
        /* What TypeScript was asked once it may not expect twice. */
        if ((board_policy(call->number) & 0xffff) == NODEOS_ACTION_HANDLE)
                return false;
        if (!(call->row->flags & NODEOS_ROW_OPENS))
                return true;
        return arguments_read(worker, call) == STEP_ON && open_prepare(call) == STEP_ON &&
               open_repeats(call, state == NODEOS_JOURNAL_ADDING);
}

/* What a predecessor left: its answer where it had one, even if it had not come to write it down. Returns the state. */
static enum nodeos_journal_state look_back(struct worker *worker, struct call *call, enum nodeos_journal_state state,
                                           int64_t *ret_result) {
        *ret_result = state == NODEOS_JOURNAL_ANSWERED ? worker->journal->result : -EIO;
        if (!(call->row->flags & NODEOS_ROW_DESCRIPTOR))
                return state;
        if (state == NODEOS_JOURNAL_ADDING) {
                int found = give_find(worker, call);

                if (found != -ENOENT)
                        state = NODEOS_JOURNAL_ANSWERED;
                *ret_result = found < 0 ? -EIO : found;
        } else if (state == NODEOS_JOURNAL_ANSWERED) {
                give_finish(worker, call, *ret_result);
        }
        return state;
}

void call_adopt(struct worker *worker) {
        struct call call;
        enum nodeos_journal_state state = journal_load(worker, &call);
        enum outcome outcome = OUTCOME_STALE;
        int64_t result;

        if (state == NODEOS_JOURNAL_FREE)
                return;
        begin(&call);
        if (call_is_valid(worker, &call)) {
                state = look_back(worker, &call, state, &result);
                if (repeats(worker, &call, state))
                        outcome = decide(worker, &call);
                else if (call_answer(worker, &call, result) == STEP_ON)
                        outcome = state == NODEOS_JOURNAL_HANDED ? OUTCOME_HANDLED : OUTCOME_FORWARDED;
        }
        end(worker, &call, outcome);
}
