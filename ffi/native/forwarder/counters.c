/* What happened, on the board. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../internal.h"
#include "serve.h"

static void add(uint64_t *counter, uint64_t value) {
        __atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

static int bucket_of(uint64_t ns) {
        int bucket = ns < 512 ? 0 : 63 - __builtin_clzll(ns) - 8;

        return bucket < NODEOS_BOARD_BUCKETS ? bucket : NODEOS_BOARD_BUCKETS - 1;
}

void counters_add(const struct call *call, enum outcome outcome, uint64_t now_ns) {
        struct nodeos_counter *counter = (struct nodeos_counter *) ((char *) forwarder.board + NODEOS_BOARD_COUNTERS_AT) + call->number;
        uint64_t ns = now_ns > call->received_ns ? now_ns - call->received_ns : 0;
        uint64_t *of_outcome;

        if (call->number >= NODEOS_BOARD_CALLS)
                return;
        of_outcome = outcome == OUTCOME_FORWARDED  ? &counter->forwarded
                     : outcome == OUTCOME_RETURNED ? &counter->returned
                     : outcome == OUTCOME_ALLOWED  ? &counter->allowed
                     : outcome == OUTCOME_DENIED   ? &counter->denied
                     : outcome == OUTCOME_HANDLED  ? &counter->handled
                                                   : &counter->stale;
        add(&counter->calls, 1);
        add(of_outcome, 1);
        if (call->failed_with && (outcome == OUTCOME_FORWARDED || outcome == OUTCOME_HANDLED))
                add(&counter->failed, 1);
        add(&counter->total_ns, ns);
        __atomic_fetch_add(&counter->buckets[bucket_of(ns)], 1, __ATOMIC_RELAXED);
}

static void read_command(int32_t tid, char *ret_command, size_t size) {
        char path[64];
        CLEANUP_FD int fd = -1;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/comm", tid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, ret_command, size - 1);
        if (n > 0 && ret_command[n - 1] == '\n')
                n--;
        memset(ret_command + (n > 0 ? n : 0), 0, size - (size_t) (n > 0 ? n : 0));
}

static uint64_t real_time_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

void counters_refuse(struct pool *pool, const struct call *call, int error) {
        uint64_t bit = 1ULL << call->number % 64, number;
        struct nodeos_refusal *refusal;

        if (atomic_load(&pool->refused[call->number / 64]) & bit || atomic_fetch_or(&pool->refused[call->number / 64], bit) & bit)
                return;
        number = __atomic_add_fetch(&forwarder.board->refusal_count, 1, __ATOMIC_RELAXED);
        refusal = (struct nodeos_refusal *) ((char *) forwarder.board + NODEOS_BOARD_REFUSALS_AT) + number % NODEOS_BOARD_REFUSALS;
        __atomic_store_n(&refusal->number, 0, __ATOMIC_RELEASE);
        refusal->time_ns = real_time_ns();
        refusal->call = call->number;
        refusal->tid = (uint32_t) call->tid;
        refusal->error = error;
        refusal->listener = pool->number;
        read_command(call->tid, refusal->command, sizeof(refusal->command));
        __atomic_store_n(&refusal->number, number, __ATOMIC_RELEASE);
}
