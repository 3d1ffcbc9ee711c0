/* Locks and events on futexes: those of libc are not for signal handlers. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "paging.h"

static void futex_wait(atomic_uint *word, unsigned value, const struct timespec *timeout) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0);
}

static void futex_wake(atomic_uint *word, int count) {
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void lock_take(struct lock *lock) {
        unsigned free = 0;

        if (atomic_compare_exchange_strong_explicit(&lock->word, &free, 1, memory_order_acquire, memory_order_relaxed))
                return;
        /* It is held for moments: on another CPU, for less than a sleep takes. */
        for (int i = 0; i < 100; i++) {
#if defined(__x86_64__)
                __builtin_ia32_pause();
#endif
                free = 0;
                if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
                    atomic_compare_exchange_weak_explicit(&lock->word, &free, 1, memory_order_acquire, memory_order_relaxed))
                        return;
        }
        while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
                futex_wait(&lock->word, 2, NULL);
}

void lock_release(struct lock *lock) {
        if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
                futex_wake(&lock->word, 1);
}

static bool wait(struct event *event, struct lock *lock, const struct timespec *timeout) {
        unsigned count = atomic_load(&event->count);

        atomic_fetch_add(&event->waiters, 1);
        lock_release(lock);
        handler_waits();
        futex_wait(&event->count, count, timeout);
        handler_goes_on();
        lock_take(lock);
        atomic_fetch_sub(&event->waiters, 1);
        return atomic_load(&event->count) != count;
}

void event_wait(struct event *event, struct lock *lock) {
        wait(event, lock, NULL);
}

bool event_wait_for(struct event *event, struct lock *lock, int milliseconds) {
        struct timespec timeout = { milliseconds / 1000, (long) (milliseconds % 1000) * 1000000 };

        return wait(event, lock, &timeout);
}

void event_happens(struct event *event) {
        if (atomic_load(&event->waiters) == 0)
                return;
        atomic_fetch_add(&event->count, 1);
        futex_wake(&event->count, INT_MAX);
}
