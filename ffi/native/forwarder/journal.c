/* The journal: a call is never lost with the forwarder that had it.
 *
 * A notification that has been received is not offered again, so nothing may lie between receiving and writing down. The
 * kernel therefore writes the notification straight into the journal slot, behind a state that says "free": a free slot
 * with a number in it holds a call that was just received. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "serve.h"

_Static_assert(offsetof(struct nodeos_journal, result) - offsetof(struct nodeos_journal, id) == sizeof(struct seccomp_notif), "size");
_Static_assert(offsetof(struct nodeos_journal, tid) - offsetof(struct nodeos_journal, id) == offsetof(struct seccomp_notif, pid), "tid");
_Static_assert(offsetof(struct nodeos_journal, call) - offsetof(struct nodeos_journal, id) == offsetof(struct seccomp_notif, data), "call");
_Static_assert(offsetof(struct nodeos_journal, arguments) - offsetof(struct nodeos_journal, call) ==
                       offsetof(struct seccomp_data, args), "arguments");

static void *notification_of(struct nodeos_journal *journal) {
        return &journal->id;
}

static void set_state(struct nodeos_journal *journal, enum nodeos_journal_state state) {
        __atomic_store_n(&journal->state, (uint32_t) state, __ATOMIC_RELEASE);
}

static enum nodeos_journal_state state_of(const struct nodeos_journal *journal) {
        return (enum nodeos_journal_state) __atomic_load_n(&journal->state, __ATOMIC_ACQUIRE);
}

static void take(struct call *call, const struct nodeos_journal *journal) {
        call->id = journal->id;
        call->tid = (int32_t) journal->tid;
        call->number = journal->arch == forwarder.board->audit_arch ? journal->call : UINT32_MAX;
        memcpy(call->given, journal->arguments, sizeof(call->given));
}

static void received(struct nodeos_journal *journal, struct call *call) {
        call->received_ns = clock_ns();
        take(call, journal);
        journal->received_ns = call->received_ns;
        set_state(journal, NODEOS_JOURNAL_RECEIVED);
}

/* A later kernel's notification, which is larger than the slot's place for it. Who dies before its number is written, at the
 * end, loses the call. */
static int receive_apart(struct worker *worker) {
        struct seccomp_notif apart[4] = { 0 };
        struct nodeos_journal *journal = worker->journal;
        uint64_t id;

        if (ioctl(worker->listener, SECCOMP_IOCTL_NOTIF_RECV, apart) < 0)
                return -errno;
        id = apart->id;
        apart->id = 0;
        memcpy(notification_of(journal), apart, sizeof(*apart));
        __atomic_store_n(&journal->id, id, __ATOMIC_RELEASE);
        return 0;
}

int journal_receive(struct worker *worker, struct call *ret_call) {
        struct nodeos_journal *journal = worker->journal;
        int error = 0;

        if (!forwarder.receives_in_place) {
                error = receive_apart(worker);
        } else {
                memset(notification_of(journal), 0, sizeof(struct seccomp_notif));
                if (ioctl(worker->listener, SECCOMP_IOCTL_NOTIF_RECV, notification_of(journal)) < 0)
                        error = -errno;
        }
        if (error == 0)
                received(journal, ret_call);
        return error;
}

void journal_state(struct worker *worker, enum nodeos_journal_state state) {
        set_state(worker->journal, state);
}

void journal_result(struct worker *worker, int64_t result) {
        worker->journal->result = result;
        set_state(worker->journal, NODEOS_JOURNAL_ANSWERED);
}

static void clear(struct nodeos_journal *journal) {
        /* Without its number first: a free slot with one holds a call. */
        __atomic_store_n(&journal->id, 0, __ATOMIC_RELEASE);
        set_state(journal, NODEOS_JOURNAL_FREE);
}

void journal_done(struct worker *worker) {
        clear(worker->journal);
}

enum nodeos_journal_state journal_load(struct worker *worker, struct call *ret_call) {
        struct nodeos_journal *journal = worker->journal;
        enum nodeos_journal_state state = state_of(journal);

        if (state == NODEOS_JOURNAL_FREE) {
                if (!journal->id)
                        return NODEOS_JOURNAL_FREE;
                received(journal, ret_call);
                return NODEOS_JOURNAL_RECEIVED;
        }
        take(ret_call, journal);
        ret_call->received_ns = clock_ns();
        if (journal->received_ns && journal->received_ns < ret_call->received_ns)
                ret_call->received_ns = journal->received_ns;
        return state;
}

bool journal_is_free(uint32_t slot) {
        const struct nodeos_journal *journal = board_journal(slot);

        return state_of(journal) == NODEOS_JOURNAL_FREE && !__atomic_load_n(&journal->id, __ATOMIC_ACQUIRE);
}

bool journal_holds(uint32_t slot, uint32_t listener) {
        return !journal_is_free(slot) && board_journal(slot)->listener == listener;
}

void journal_clear(uint32_t slot) {
        clear(board_journal(slot));
}
