/* The forwarder process: its main thread takes listeners and handlers from the keeper, and looks after the pools. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../internal.h"
#include "serve.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#error "the forwarder knows x86-64 and aarch64"
#endif

enum {
        TICK_MS = 2,      /* how long all workers of a pool may be busy with the same calls before another one comes */
        QUIET_TICKS = 5,  /* without a call, until we look no more */
        WAIT_TICKS = 8,   /* between two looks for calls that wait for something */
        CALM_TICKS = 5    /* without a call that had to wait, until one worker less waits for calls */
};

struct forwarder forwarder;

static struct pool *pools;
static int poller;

uint64_t clock_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

void serve_wake(void) {
        uint64_t one = 1;

        atomic_store(&forwarder.asleep, 0);
        /* It cannot fail but by being full, and then the main thread is awake. */
        if (write(forwarder.wake_fd, &one, sizeof(one)) < 0)
                return;
}

/* --- one pool ------------------------------------------------------------------------------------------------------------ */

static int start_worker(struct pool *pool) {
        int slot = pool_free_slot(pools);

        return slot < 0 ? slot : pool_start_worker(pool, (uint32_t) slot, false);
}

/* Finishes what a predecessor left, and waits for calls. */
static int start_workers(struct pool *pool) {
        int error = 0;

        for (uint32_t slot = 0; slot < NODEOS_BOARD_SLOTS && !error; slot++)
                if (journal_holds(slot, pool->number))
                        error = pool_start_worker(pool, slot, true);
        if (!error)
                error = start_worker(pool);
        if (error)
                return error;
        while (sem_wait(&pool->ready) < 0)
                ;
        return atomic_load(&pool->failed);
}

/* Closing alone would not do: the keeper has the same listener open. */
static void unwatch(const struct pool *pool) {
        epoll_ctl(poller, EPOLL_CTL_DEL, pool->listener, NULL);
}

static void hang_up(struct pool *pool) {
        unwatch(pool);
        atomic_store(&pool->over, 1);
}

static void pool_free(struct pool *pool) {
        for (struct pool **place = &pools; *place; place = &(*place)->next)
                if (*place == pool) {
                        *place = pool->next;
                        __atomic_fetch_sub(&forwarder.board->listeners, 1, __ATOMIC_RELAXED);
                        break;
                }
        unwatch(pool);
        close(pool->listener);
        sem_destroy(&pool->ready);
        sem_destroy(&pool->parked);
        free(pool);
}

static struct pool *pool_of(uint32_t number) {
        struct pool *pool = pools;

        while (pool && pool->number != number)
                pool = pool->next;
        return pool;
}

/* Takes a listener; the descriptor is the pool's from now on. Returns 0, or -errno. */
static int listen_to(uint32_t number, int listener) {
        struct epoll_event event = { 0 }; /* its hanging up is reported in any case */
        struct pool *pool;
        int error;

        if (forwarder.board->magic != NODEOS_BOARD_MAGIC || forwarder.board->audit_arch != OWN_ARCH)
                error = -ENOEXEC;
        else
                error = pool_of(number) ? -EEXIST : 0;
        pool = error ? NULL : calloc(1, sizeof(*pool));
        if (!pool) {
                close(listener);
                return error ? error : -ENOMEM;
        }
        pool->number = number;
        pool->listener = listener;
        pool->wanted = 1;
        sem_init(&pool->ready, 0, 0);
        sem_init(&pool->parked, 0, 0);
        pool->next = pools;
        pools = pool;
        __atomic_fetch_add(&forwarder.board->listeners, 1, __ATOMIC_RELAXED);
        event.data.ptr = pool;
        error = epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0 ? -errno : start_workers(pool);
        /* Workers that did start end, and the last one's end frees it. */
        if (error)
                atomic_store(&pool->over, 1);
        return error;
}

/* Starts the worker that a pool asked for. */
static void start_asked(struct pool *pool) {
        int asked = POOL_ASKED;

        if (atomic_compare_exchange_strong(&pool->starting, &asked, POOL_STARTING) && start_worker(pool) < 0)
                atomic_store(&pool->starting, POOL_CONTENT);
}

/* Looks at what a pool did for a tick. Returns whether it may be left alone until something happens. */
static bool look_after(struct pool *pool) {
        uint32_t taken = atomic_load(&pool->taken), queued = atomic_load(&pool->queued);
        bool moved = taken != pool->seen_taken, waited = queued != pool->seen_queued;

        pool->seen_taken = taken;
        pool->seen_queued = queued;
        pool->quiet = moved ? 0 : pool->quiet + 1;
        pool->calm = waited ? 0 : pool->calm + 1;
        if (pool->calm >= CALM_TICKS) {
                pool->calm = 0;
                if (atomic_load(&pool->wanted) > 1)
                        atomic_fetch_sub(&pool->wanted, 1);
        }
        if (!moved)
                pool_cover(pool);
        pool->executing |= moved;
        if (pool->executing && ++pool->ticks % WAIT_TICKS == 0)
                pool->executing = pool_end_waits(pool);
        return pool->quiet > QUIET_TICKS && !pool->executing && atomic_load(&pool->receiving) > 0 && atomic_load(&pool->wanted) == 1;
}

/* Looks after all pools, after an event or a tick. Returns whether the main thread may sleep. */
static bool look_after_all(bool is_tick) {
        struct pool *next;
        bool quiet = is_tick;

        for (struct pool *pool = pools; pool; pool = next) {
                next = pool->next;
                if (!atomic_load(&pool->over)) {
                        if (is_tick)
                                quiet &= look_after(pool);
                        start_asked(pool);
                } else if (atomic_load(&pool->workers)) {
                        /* Kernels before 6.11 do not wake who waits for calls that cannot come. */
                        pool_wake_all(pool);
                        quiet = false;
                } else {
                        pool_free(pool);
                }
        }
        return quiet;
}

/* Whether something happened that a sleeping main thread would have been woken for. */
static bool has_missed(void) {
        for (struct pool *pool = pools; pool; pool = pool->next)
                if (atomic_load(&pool->taken) != pool->seen_taken || atomic_load(&pool->starting) == POOL_ASKED || atomic_load(&pool->over))
                        return true;
        return false;
}

/* --- the keeper's messages -------------------------------------------------------------------------------------------------- */

/* Returns the size of the message, 0 at the end, or -errno; the descriptor is -1 when it has none. */
static ssize_t receive_message(int channel, struct keeper_message *ret_message, int *ret_fd) {
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec part = { ret_message, sizeof(*ret_message) };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
        struct cmsghdr *first;
        ssize_t n;

        *ret_fd = -1;
        do
                n = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        first = CMSG_FIRSTHDR(&header);
        if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
                memcpy(ret_fd, CMSG_DATA(first), sizeof(int));
        return n;
}

static void obey(int channel) {
        struct keeper_message message;
        int32_t result = -EINVAL;
        int fd;
        ssize_t n = receive_message(channel, &message, &fd);

        /* The keeper has gone, or wants us to: it holds what must survive, and workers end with the process. */
        if (n <= 0)
                _exit(0);
        if (n == sizeof(message) && fd >= 0 && message.kind == NODEOS_CONTROL_LISTEN) {
                result = listen_to(message.number, fd);
                fd = -1;
        } else if (n == sizeof(message) && fd >= 0 && message.kind == NODEOS_CONTROL_HANDLE) {
                result = handler_connect(fd);
                fd = -1;
        }
        if (fd >= 0)
                close(fd);
        if (send(channel, &result, sizeof(result), MSG_NOSIGNAL) < 0 && errno != EINTR)
                _exit(0);
}

/* --- the process --------------------------------------------------------------------------------------------------------------- */

static void ignore_wake(int signal) {
        (void) signal;
}

static void set_signals(void) {
        struct sigaction ignore = { .sa_handler = SIG_IGN }, wake = { .sa_handler = ignore_wake };
        sigset_t blocked;

        sigaction(SIGPIPE, &ignore, NULL);
        sigaction(SIGXFSZ, &ignore, NULL);
        sigaction(WAKE_SIGNAL, &wake, NULL);
        sigemptyset(&blocked);
        sigaddset(&blocked, WAKE_SIGNAL);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static uint64_t own_capabilities(void) {
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
        struct __user_cap_data_struct sets[2] = { 0 };

        syscall(SYS_capget, &header, sets);
        return sets[0].permitted | (uint64_t) sets[1].permitted << 32;
}

static bool notification_fits(void) {
        struct seccomp_notif_sizes sizes;

        return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 && sizes.seccomp_notif <= sizeof(struct seccomp_notif);
}

static int watch(int fd, uint32_t events, void *data) {
        struct epoll_event event = { .events = events, .data.ptr = data };

        return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void prepare(struct nodeos_board *board, int channel, int record_fd) {
        /* Nobody reads what callers lend us: not by ptrace, not in /proc, not in a core. */
        prctl(PR_SET_DUMPABLE, 0);
        prctl(PR_SET_NAME, "forwarder");
        set_signals();
        forwarder = (struct forwarder){
                .board = board,
                .record_fd = record_fd,
                .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                .self = (int) syscall(SYS_pidfd_open, getpid(), 0),
                .permitted = own_capabilities(),
                .receives_in_place = notification_fits(),
        };
        poller = epoll_create1(EPOLL_CLOEXEC);
        if (chdir("/") < 0 || forwarder.wake_fd < 0 || poller < 0 || watch(channel, EPOLLIN, &forwarder) < 0 ||
            watch(forwarder.wake_fd, EPOLLIN, NULL) < 0)
                _exit(1);
        caller_probe();
        __atomic_store_n(&board->threads, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&board->listeners, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&board->handlers, 0, __ATOMIC_RELAXED);
}

static void handle_event(const struct epoll_event *event, int channel) {
        uint64_t count;

        if (event->data.ptr == &forwarder)
                obey(channel);
        else if (event->data.ptr)
                hang_up(event->data.ptr);
        else if (read(forwarder.wake_fd, &count, sizeof(count)) < 0)
                return;
}

_Noreturn void forwarder_run(struct nodeos_board *board, int channel, int record_fd) {
        bool quiet = true;

        prepare(board, channel, record_fd);
        for (;;) {
                struct epoll_event event;
                int n;

                atomic_store(&forwarder.asleep, quiet);
                if (quiet && has_missed())
                        quiet = false;
                n = epoll_wait(poller, &event, 1, quiet ? -1 : TICK_MS);
                atomic_store(&forwarder.asleep, 0);
                /* One event at a time: a pool may be freed by what follows. */
                if (n > 0)
                        handle_event(&event, channel);
                quiet = look_after_all(n == 0);
        }
}
