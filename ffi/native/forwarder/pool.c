/* Workers come, wait and go.
 *
 * Somebody should always be there to receive: a call that waits to be received can be interrupted by signals, which the
 * program would never have noticed without us. But the kernel wakes everybody who waits for a call, and a switch to a
 * worker that finds nothing costs as much as half a call. So one worker waits in the ioctl while calls come one at a time,
 * and others park. Another one is woken, or started, when a call had to wait behind another caller's, when all workers have
 * been busy with the same calls for a while (the main thread looks, serve.c), and when a call is handed to TypeScript. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../thread.h"
#include "serve.h"

enum {
        QUEUED_NS = 2000, /* who receives a call sooner than this had no time to sleep: it was there already */
        LONG_NS = 20000000, /* who executes a call for longer than this may be waiting for something */
        PARK_SECONDS = 10,
        VAIN_POLLS_MAX = 6,
        ARENA_KEPT = 256 << 10,
        RSEQ_SIZE = 32 /* of the first version, which is what gets registered */
};

/* The worker of each journal slot: 0: none, -1: about to start. */
static atomic_int slot_tids[NODEOS_BOARD_SLOTS];

static int keep_only(const int *fds, int count) {
        unsigned int from = 3;

        for (;;) {
                unsigned int next = UINT32_MAX;

                for (int i = 0; i < count; i++)
                        if (fds[i] >= (int) from && (unsigned int) fds[i] < next)
                                next = (unsigned int) fds[i];
                if (next > from && syscall(SYS_close_range, from, next == UINT32_MAX ? next : next - 1, 0) < 0)
                        return -errno;
                if (next == UINT32_MAX)
                        return 0;
                from = next + 1;
        }
}

/* The kernel updates a thread's restartable sequence whenever it was preempted: at each call, for a worker beside its caller.
 * The C library registers one for every thread, and uses it for nothing that a worker does. */
static void leave_restartable_sequence(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
        if (__rseq_size > 0)
                syscall(SYS_rseq, (char *) __builtin_thread_pointer() + __rseq_offset, RSEQ_SIZE, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
#endif
}

/* A working directory, a umask and a descriptor table of its own: what one caller lends us stays out of reach of others. */
static int set_up(struct worker *worker) {
        const int kept[] = { worker->pool->listener, forwarder.wake_fd, forwarder.record_fd, forwarder.self };
        sigset_t wake;
        int error;

        if (unshare(CLONE_FS | CLONE_FILES) < 0)
                return -errno;
        error = keep_only(kept, sizeof(kept) / sizeof(*kept));
        if (error)
                return error;
        worker->listener = worker->pool->listener;
        worker->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (worker->root < 0 || fchdir(worker->root) < 0)
                return -errno;
        sigemptyset(&wake);
        sigaddset(&wake, WAKE_SIGNAL);
        pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
        leave_restartable_sequence();
        become_nobody_known(worker);
        return become_self(worker) == STEP_ON ? 0 : -EPERM;
}

/* Returns false when nobody needed this worker for a long time. */
static bool park(struct worker *worker) {
        struct pool *pool = worker->pool;
        struct timespec until;
        int result;

        if (worker->arena_peak > ARENA_KEPT)
                madvise(worker->arena, ARENA_SIZE, MADV_DONTNEED);
        worker->arena_peak = 0;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += PARK_SECONDS;
        atomic_fetch_add(&pool->parked_count, 1);
        do
                result = sem_timedwait(&pool->parked, &until);
        while (result < 0 && errno == EINTR && !atomic_load(&pool->over));
        atomic_fetch_sub(&pool->parked_count, 1);
        worker->idle_ns = clock_ns();
        return result == 0;
}

/* Looks for a call for a moment without sleeping: it then comes without a wake-up. Whoever shares our CPU goes first. Each time
 * that none came, it is left out for twice as many calls. */
static void spin(struct worker *worker) {
        uint64_t us = __atomic_load_n(&forwarder.board->spin_us, __ATOMIC_RELAXED), end = worker->idle_ns + us * 1000;
        struct pollfd polled = { .fd = worker->listener, .events = POLLIN };
        int found;

        if (!us || worker->calls_unpolled > 0) {
                worker->calls_unpolled -= us > 0;
                return;
        }
        while ((found = poll(&polled, 1, 0)) == 0 && !atomic_load(&worker->pool->over) && clock_ns() < end)
                sched_yield();
        worker->vain_polls = found ? 0 : worker->vain_polls < VAIN_POLLS_MAX ? worker->vain_polls + 1 : VAIN_POLLS_MAX;
        worker->calls_unpolled = (1u << worker->vain_polls) - 1;
}

static bool has_hung_up(const struct worker *worker) {
        struct pollfd polled = { .fd = worker->listener };

        return poll(&polled, 1, 0) > 0 && polled.revents & (POLLHUP | POLLERR | POLLNVAL);
}

/* What is to be done when a call was taken, before it is executed. */
static void after_taking(struct worker *worker, const struct call *call, int still_receiving) {
        struct pool *pool = worker->pool;
        bool was_queued = call->received_ns - worker->idle_ns < QUEUED_NS && call->tid != worker->last_tid;

        atomic_fetch_add(&pool->taken, 1);
        worker->last_tid = call->tid;
        if (was_queued && !still_receiving) {
                atomic_fetch_add(&pool->queued, 1);
                if (atomic_load(&pool->wanted) < NODEOS_BOARD_SLOTS / 8)
                        atomic_fetch_add(&pool->wanted, 1);
                pool_cover(pool);
        }
        if (atomic_load(&forwarder.asleep))
                serve_wake();
}

static void announce(struct pool *pool, int error) {
        atomic_store(&pool->starting, 0);
        if (error)
                atomic_store(&pool->failed, error);
        if (!atomic_exchange(&pool->announced, 1))
                sem_post(&pool->ready);
}

static void serve(struct worker *worker) {
        struct pool *pool = worker->pool;
        struct call call;

        worker->idle_ns = clock_ns();
        while (!atomic_load(&pool->over)) {
                int error, left;

                if (atomic_load(&pool->receiving) >= atomic_load(&pool->wanted) && !park(worker))
                        break;
                atomic_fetch_add(&pool->receiving, 1);
                spin(worker);
                error = journal_receive(worker, &call);
                left = atomic_fetch_sub(&pool->receiving, 1) - 1;
                if (!error) {
                        after_taking(worker, &call, left);
                        call_run(worker, &call);
                } else if (error == -ENOENT ? has_hung_up(worker) : error != -EINTR) {
                        atomic_store(&pool->over, 1);
                }
        }
}

static void *worker_main(void *argument) {
        struct worker *worker = argument;
        struct pool *pool = worker->pool;
        uint32_t slot = worker->slot;
        int error = set_up(worker);

        atomic_store(&slot_tids[slot], gettid());
        if (!error && worker->adopts)
                call_adopt(worker);
        announce(pool, error);
        if (!error)
                serve(worker);
        caller_forget_all(worker);
        munmap(worker->arena, ARENA_SIZE);
        munmap(worker, sizeof(*worker));
        __atomic_fetch_sub(&forwarder.board->threads, 1, __ATOMIC_RELAXED);
        atomic_store(&slot_tids[slot], 0);
        /* The pool may be gone right behind this. */
        atomic_fetch_sub(&pool->workers, 1);
        serve_wake();
        return NULL;
}

static void *map(size_t size) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return memory == MAP_FAILED ? NULL : memory;
}

int pool_start_worker(struct pool *pool, uint32_t slot, bool adopts) {
        struct worker *worker = map(sizeof(*worker));
        pthread_t thread;
        int error = -ENOMEM;

        if (worker && (worker->arena = map(ARENA_SIZE))) {
                worker->pool = pool;
                worker->slot = slot;
                worker->adopts = adopts;
                worker->journal = board_journal(slot);
                worker->journal->listener = pool->number;
                atomic_store(&slot_tids[slot], -1);
                atomic_fetch_add(&pool->workers, 1);
                __atomic_fetch_add(&forwarder.board->threads, 1, __ATOMIC_RELAXED);
                error = thread_start(&thread, worker_main, worker);
                if (!error) {
                        pthread_detach(thread);
                        return 0;
                }
                __atomic_fetch_sub(&forwarder.board->threads, 1, __ATOMIC_RELAXED);
                atomic_fetch_sub(&pool->workers, 1);
                atomic_store(&slot_tids[slot], 0);
                munmap(worker->arena, ARENA_SIZE);
        }
        if (worker)
                munmap(worker, sizeof(*worker));
        return error;
}

int pool_free_slot(const struct pool *pools) {
        for (int pass = 0; pass < 2; pass++)
                for (uint32_t slot = 0; slot < NODEOS_BOARD_SLOTS; slot++) {
                        const struct pool *owner = pools;

                        if (atomic_load(&slot_tids[slot]))
                                continue;
                        if (journal_is_free(slot))
                                return (int) slot;
                        /* A predecessor's call waits for its listener, which may come yet. When there is nothing else: */
                        while (pass && owner && !journal_holds(slot, owner->number))
                                owner = owner->next;
                        if (pass && !owner) {
                                journal_clear(slot);
                                return (int) slot;
                        }
                }
        return -EAGAIN;
}

void pool_cover(struct pool *pool) {
        int none = 0;

        if (atomic_load(&pool->receiving))
                return;
        if (atomic_load(&pool->parked_count))
                sem_post(&pool->parked);
        else if (atomic_compare_exchange_strong(&pool->starting, &none, POOL_ASKED))
                serve_wake();
}

void pool_wake_all(struct pool *pool) {
        int pid = getpid();

        for (uint32_t slot = 0; slot < NODEOS_BOARD_SLOTS; slot++) {
                int tid = atomic_load(&slot_tids[slot]);

                if (tid > 0 && board_journal(slot)->listener == pool->number) {
                        sem_post(&pool->parked);
                        syscall(SYS_tgkill, pid, tid, WAKE_SIGNAL);
                }
        }
}

bool pool_end_waits(struct pool *pool) {
        uint64_t now_ns = clock_ns();
        int pid = getpid();
        bool any = false;

        for (uint32_t slot = 0; slot < NODEOS_BOARD_SLOTS; slot++) {
                const struct nodeos_journal *journal = board_journal(slot);
                int tid = atomic_load(&slot_tids[slot]);
                uint32_t state = __atomic_load_n(&journal->state, __ATOMIC_ACQUIRE);

                if (tid <= 0 || journal->listener != pool->number ||
                    (state != NODEOS_JOURNAL_RECEIVED && state != NODEOS_JOURNAL_RUNNING))
                        continue;
                any = true;
                if (state == NODEOS_JOURNAL_RUNNING && now_ns - journal->received_ns > LONG_NS)
                        syscall(SYS_tgkill, pid, tid, WAKE_SIGNAL);
        }
        return any;
}
