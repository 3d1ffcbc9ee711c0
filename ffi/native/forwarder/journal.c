/* The journal: a call is never lost with the forwarder that had it.
 *
 * A notification that has been received is not offered again, so nothing may lie between receiving and writing down. The
 * kernel therefore writes the notification straight into the journal slot, behind a state that says "free": a free slot
 * with a number in it holds a call as the kernel wrote it. Then it is rewritten as board.h has it; who dies within these
 * few instructions leaves a call that is answered with EIO. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "serve.h"

/* Where the kernel writes: it shares its first field with the slot, the number of the notification. */
#define NOTIFICATION_AT offsetof(struct nodeos_journal, id)

_Static_assert(NOTIFICATION_AT + sizeof(struct seccomp_notif) <= sizeof(struct nodeos_journal), "a notification fits a slot");
_Static_assert(offsetof(struct seccomp_notif, id) == 0, "a notification begins with its number");

static void *notification_of(struct nodeos_journal *journal) {
        return (char *) journal + NOTIFICATION_AT;
}

static void set_state(struct nodeos_journal *journal, enum nodeos_journal_state state) {
        __atomic_store_n(&journal->state, (uint32_t) state, __ATOMIC_RELEASE);
}

static enum nodeos_journal_state state_of(const struct nodeos_journal *journal) {
        return (enum nodeos_journal_state) __atomic_load_n(&journal->state, __ATOMIC_ACQUIRE);
}

/* The compiler may not move other stores across this. */
static void keep_order(void) {
        atomic_signal_fence(memory_order_seq_cst);
}

static void take(struct call *call, const struct seccomp_notif *notification) {
        call->id = notification->id;
        call->tid = (int32_t) notification->pid;
        call->number = notification->data.arch == forwarder.board->audit_arch ? (uint32_t) notification->data.nr : UINT32_MAX;
        for (int i = 0; i < 6; i++)
                call->given[i] = notification->data.args[i];
}

static void rewrite(struct nodeos_journal *journal, const struct call *call) {
        set_state(journal, NODEOS_JOURNAL_HANDED);
        keep_order();
        journal->id = call->id;
        journal->call = call->number;
        journal->tid = (uint32_t) call->tid;
        memcpy(journal->arguments, call->given, sizeof(journal->arguments));
        journal->result = 0;
        journal->received_ns = call->received_ns;
        set_state(journal, NODEOS_JOURNAL_RECEIVED);
}

int journal_receive(struct worker *worker, struct call *ret_call) {
        struct nodeos_journal *journal = worker->journal;
        struct seccomp_notif apart[4], notification; /* room for a later kernel's */
        void *to = forwarder.receives_in_place ? notification_of(journal) : apart;

        memset(to, 0, forwarder.receives_in_place ? sizeof(notification) : sizeof(apart));
        if (ioctl(worker->listener, SECCOMP_IOCTL_NOTIF_RECV, to) < 0)
                return -errno;
        ret_call->received_ns = clock_ns();
        memcpy(&notification, to, sizeof(notification));
        take(ret_call, &notification);
        rewrite(journal, ret_call);
        return 0;
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
        struct seccomp_notif notification;

        ret_call->received_ns = clock_ns();
        if (state != NODEOS_JOURNAL_FREE) {
                ret_call->id = journal->id;
                ret_call->tid = (int32_t) journal->tid;
                ret_call->number = journal->call;
                memcpy(ret_call->given, journal->arguments, sizeof(ret_call->given));
                if (journal->received_ns && journal->received_ns < ret_call->received_ns)
                        ret_call->received_ns = journal->received_ns;
                return state;
        }
        if (!journal->id)
                return NODEOS_JOURNAL_FREE;
        memcpy(&notification, notification_of(journal), sizeof(notification));
        take(ret_call, &notification);
        rewrite(journal, ret_call);
        return NODEOS_JOURNAL_RECEIVED;
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
