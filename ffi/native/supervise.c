/* Waiting for a program: placing its threads, reporting its end. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "internal.h"

/* --- placement ---------------------------------------------------------------------------------------------------- */

enum { PLACED_MAX = 4096, CPUS_MAX = NODEOS_CPU_WORDS * 64 };

struct placed {
        int32_t tid;
        int16_t cpu;     /* where it belongs; -1: on several of its own choice */
        uint16_t seen;
        uint8_t settled; /* it was seen there: without load balancing it stays */
};

/* Which thread belongs where. */
struct placer {
        const char *threads_path;
        const uint64_t *cpus;
        int count;
        struct placed placed[PLACED_MAX];
        uint16_t look;
        uint16_t use[CPUS_MAX];
        uint8_t list[1 << 16];
};

static int same_mask(const uint64_t *a, const uint64_t *b) {
        return !memcmp(a, b, NODEOS_CPU_WORDS * sizeof(*a));
}

/* The one CPU of a mask, or -1 when it has several or none. */
static int only_cpu(const uint64_t *mask) {
        int cpu = -1;

        for (int word = 0; word < NODEOS_CPU_WORDS; word++) {
                if (!mask[word])
                        continue;
                if (cpu >= 0 || mask[word] & (mask[word] - 1))
                        return -1;
                cpu = word * 64 + __builtin_ctzll(mask[word]);
        }
        return cpu;
}

static int least_used(const struct placer *placer) {
        int best = -1;

        for (int word = 0; word < NODEOS_CPU_WORDS; word++)
                for (uint64_t bits = placer->cpus[word]; bits; bits &= bits - 1) {
                        int cpu = word * 64 + __builtin_ctzll(bits);

                        if (best < 0 || placer->use[cpu] < placer->use[best])
                                best = cpu;
                }
        return best;
}

/* The CPU that a thread runs on or ran on last, field 39 of its stat; ret_runs says whether it wants to run now. The
 * name before it may hold anything but ends with the last ')'. */
static int last_cpu(int32_t tid, int *ret_runs) {
        char path[32], text[1024], *field;
        int32_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", tid);
        n = kernel_read_path(path, (uint8_t *) text, sizeof(text));
        if (n < 0)
                return n;
        field = strrchr(text, ')');
        *ret_runs = field && field[1] == ' ' && field[2] == 'R';
        for (int i = 0; field && i < 37; i++)
                field = strchr(field + 1, ' ');
        return field ? (int) strtol(field + 1, NULL, 10) : -EPROTO;
}

/* Moves a thread to a CPU and gives it back its whole mask: nothing balances it away again, and a program that counts
 * its CPUs (OpenMP does) still finds all of them. A program that pinned the thread itself meanwhile is left alone. */
static int nudge(int32_t tid, int cpu, const uint64_t *mask) {
        uint64_t one[NODEOS_CPU_WORDS] = { 0 }, now[NODEOS_CPU_WORDS];
        int error;

        one[cpu / 64] = 1ull << (cpu % 64);
        error = nodeos_affinity_set(tid, one);
        if (error >= 0)
                error = nodeos_affinity_get(tid, now);
        if (error < 0)
                return error;
        return same_mask(now, one) ? nodeos_affinity_set(tid, mask) : 0;
}

/* A nudge moves only who runs or waits for a CPU: one that sleeps goes on where it fell asleep, and one that is being
 * born where its parent is. So it is repeated until the thread was seen where it belongs. Returns 1 when it moved one. */
static int settle(struct placer *placer, struct placed *placed) {
        uint64_t mask[NODEOS_CPU_WORDS];
        int runs, now = last_cpu(placed->tid, &runs);

        if (now < 0 || placed->cpu < 0)
                return 0;
        placed->settled = now == placed->cpu;
        if (placed->settled || !runs || nodeos_affinity_get(placed->tid, mask) < 0)
                return 0;
        if (same_mask(mask, placer->cpus))
                return nudge(placed->tid, placed->cpu, mask) >= 0;
        /* It has chosen for itself since. */
        placer->use[placed->cpu]--;
        placed->cpu = (int16_t) only_cpu(mask);
        placed->settled = 1;
        if (placed->cpu >= 0)
                placer->use[placed->cpu]++;
        return 0;
}

/* Decides where a thread belongs: where it is, if no other CPU has fewer, and else where the fewest are. */
static int place_new(struct placer *placer, int32_t tid) {
        struct placed *placed = &placer->placed[placer->count];
        uint64_t mask[NODEOS_CPU_WORDS];
        int runs, cpu, now = last_cpu(tid, &runs);

        if (placer->count == PLACED_MAX || now < 0 || now >= CPUS_MAX || nodeos_affinity_get(tid, mask) < 0)
                return 0;
        cpu = only_cpu(mask);
        *placed = (struct placed) { .tid = tid, .seen = placer->look, .settled = 1 };
        if (same_mask(mask, placer->cpus)) {
                cpu = least_used(placer);
                if (cpu >= 0 && placer->cpus[now / 64] >> (now % 64) & 1 && placer->use[now] == placer->use[cpu])
                        cpu = now;
                placed->settled = 0;
        }
        placed->cpu = (int16_t) cpu;
        placer->count++;
        if (cpu >= 0)
                placer->use[cpu]++;
        if (!placed->settled)
                settle(placer, placed);
        return 1;
}

static void forget_ended(struct placer *placer) {
        int kept = 0;

        for (int i = 0; i < placer->count; i++) {
                if (placer->placed[i].seen == placer->look)
                        placer->placed[kept++] = placer->placed[i];
                else if (placer->placed[i].cpu >= 0)
                        placer->use[placer->placed[i].cpu]--;
        }
        placer->count = kept;
}

/* Looks at the threads once. Returns how many were new or moved. */
static int place(struct placer *placer) {
        int placed = 0;

        if (kernel_read_path(placer->threads_path, placer->list, sizeof(placer->list)) < 0)
                return 0;
        placer->look++;
        for (char *at = (char *) placer->list; *at;) {
                char *end;
                int32_t tid = (int32_t) strtol(at, &end, 10);
                int known = 0;

                if (end == at)
                        break; /* not a list of threads */
                for (at = end; *at == '\n';)
                        at++;
                while (known < placer->count && placer->placed[known].tid != tid)
                        known++;
                if (known == placer->count) {
                        placed += place_new(placer, tid);
                        continue;
                }
                placer->placed[known].seen = placer->look;
                if (!placer->placed[known].settled)
                        placed += settle(placer, &placer->placed[known]);
        }
        forget_ended(placer);
        return placed;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* Programs start their threads early: look often at first, then ten times a second. */
static int next_look_ms(int now_ms, int placed) {
        if (placed > 0)
                return 1;
        return now_ms < 100 ? now_ms * 2 : 100;
}

static int32_t collect(int pidfd) {
        siginfo_t info = { 0 };

        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return -errno;
        /* Before the number of the descriptor can stand for something else. */
        forward_stop_for(pidfd);
        close(pidfd);
        return info.si_code == CLD_EXITED ? info.si_status : 256 + info.si_status;
}

static int32_t wait_placing(int32_t pidfd, int32_t stop_fd, struct placer *placer) {
        struct pollfd polled[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
        int look_ms = placer ? 1 : -1;

        for (;;) {
                int n;

                if (placer)
                        look_ms = next_look_ms(look_ms, place(placer));
                n = poll(polled, 2, look_ms);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0 && polled[0].revents)
                        return collect(pidfd);
                if (n > 0 && polled[1].revents)
                        return -ECANCELED;
        }
}

int32_t nodeos_wait(struct nodeos_wait_call call, const char *threads_path, const uint64_t *cpus) {
        struct placer *placer = NULL;
        int32_t result;

        if (threads_path && *threads_path) {
                placer = calloc(1, sizeof(*placer));
                if (!placer)
                        return -ENOMEM;
                placer->threads_path = threads_path;
                placer->cpus = cpus;
        }
        result = wait_placing(call.pidfd, call.stop_fd, placer);
        free(placer);
        return result;
}

struct waiter {
        int pidfd;
        int stop_fd;
        int socket_fd;
        char *threads_path;
        uint64_t cpus[NODEOS_CPU_WORDS];
};

static void *wait_main(void *argument) {
        struct waiter *waiter = argument;
        int32_t result = nodeos_wait((struct nodeos_wait_call){ waiter->pidfd, waiter->stop_fd }, waiter->threads_path, waiter->cpus);

        if (result < 0)
                close(waiter->pidfd);
        /* Nobody listens any more when this fails: there is nobody to tell. */
        (void) !send(waiter->socket_fd, &result, sizeof(result), MSG_NOSIGNAL);
        close(waiter->socket_fd);
        free(waiter->threads_path);
        free(waiter);
        return NULL;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                int error = -errno;

                close(fd);
                return error;
        }
        return fd;
}

int32_t nodeos_wait_start(int32_t pidfd, const char *threads_path, const uint64_t *cpus, const char *socket_path) {
        struct waiter *waiter = calloc(1, sizeof(*waiter));
        pthread_attr_t attributes;
        sigset_t all, old;
        pthread_t thread;
        int error = 0, stop_fd;

        if (!waiter)
                return -ENOMEM;
        waiter->pidfd = pidfd;
        waiter->socket_fd = connect_to(socket_path);
        waiter->stop_fd = stop_fd = eventfd(0, EFD_CLOEXEC);
        waiter->threads_path = strdup(threads_path);
        memcpy(waiter->cpus, cpus, sizeof(waiter->cpus));
        if (waiter->socket_fd < 0 || stop_fd < 0 || !waiter->threads_path)
                error = waiter->socket_fd < 0 ? -waiter->socket_fd : stop_fd < 0 ? errno : ENOMEM;
        if (!error) {
                /* Signals are the main thread's. */
                sigfillset(&all);
                pthread_attr_init(&attributes);
                pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
                pthread_attr_setstacksize(&attributes, 256 * 1024);
                pthread_sigmask(SIG_SETMASK, &all, &old);
                error = pthread_create(&thread, &attributes, wait_main, waiter);
                pthread_sigmask(SIG_SETMASK, &old, NULL);
                pthread_attr_destroy(&attributes);
        }
        if (error) {
                if (waiter->socket_fd >= 0)
                        close(waiter->socket_fd);
                if (stop_fd >= 0)
                        close(stop_fd);
                free(waiter->threads_path);
                free(waiter);
                return -error;
        }
        return stop_fd;
}

int32_t nodeos_wait_stop(int32_t stop_fd) {
        uint64_t one = 1;

        return write(stop_fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

int32_t nodeos_wait_close(int32_t stop_fd) {
        return close(stop_fd) < 0 ? -errno : 0;
}
