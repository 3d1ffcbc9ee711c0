/* Waiting that a signal handler may do; between the store*.c files. */
#ifndef NODEOS_STORE_WAIT_H
#define NODEOS_STORE_WAIT_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOREVER INT64_MAX

static inline int64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Waits while *word is `seen`, at most until deadline_ns. Returns false when that has passed. */
static inline bool wait_while(uint32_t *word, uint32_t seen, int64_t deadline_ns) {
        struct timespec until = { .tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000 };
        long n = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline_ns == FOREVER ? NULL : &until, NULL,
                         FUTEX_BITSET_MATCH_ANY);

        return n == 0 || errno != ETIMEDOUT;
}

static inline void wake(uint32_t *word, int count) {
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* A lock: 0 free, 1 taken, 2 somebody waits. */
static inline void lock_take(uint32_t *lock) {
        uint32_t seen = 0;

        if (__atomic_compare_exchange_n(lock, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return;
        while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
                wait_while(lock, 2, FOREVER);
}

static inline void lock_give(uint32_t *lock) {
        if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
                wake(lock, 1);
}

#endif
