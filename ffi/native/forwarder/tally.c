/* What agents did, on its way to the counters: an agent cannot write to the board. */
#include <unistd.h>

#include "keeper.h"

static void count(struct nodeos_board *board, const struct tally *tally) {
        struct nodeos_counter *counter = (struct nodeos_counter *) ((uint8_t *) board + NODEOS_BOARD_COUNTERS_AT) + tally->call;
        uint64_t *outcome[] = { NULL, &counter->forwarded, &counter->returned, &counter->denied };
        int bucket = tally->ns < 512 ? 0 : 63 - __builtin_clzll(tally->ns) - 8;

        __atomic_fetch_add(&counter->calls, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(outcome[tally->outcome & 3], 1, __ATOMIC_RELAXED);
        if (tally->outcome & TALLY_FAILED)
                __atomic_fetch_add(&counter->failed, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&counter->total_ns, tally->ns, __ATOMIC_RELAXED);
        __atomic_fetch_add(&counter->buckets[bucket < NODEOS_BOARD_BUCKETS ? bucket : NODEOS_BOARD_BUCKETS - 1], 1, __ATOMIC_RELAXED);
}

/* An agent is its user's: what it says is looked at first. */
static int is_fine(const struct tally *tally) {
        return tally->call < NODEOS_BOARD_CALLS && (tally->outcome & 3) && !(tally->outcome & ~(3U | TALLY_FAILED));
}

void tally_read(struct keeper *keeper) {
        static struct tally tallies[4096];
        ssize_t n, left = TALLY_ROOM;

        /* Somebody may write faster than we read: so much, and no more at a time. */
        do {
                n = read(keeper->tally_fds[0], tallies, sizeof(tallies));
                for (ssize_t i = 0; i < n / (ssize_t) sizeof(*tallies); i++)
                        if (is_fine(&tallies[i]))
                                count(keeper->board, &tallies[i]);
                left -= n;
        } while (n > 0 && left > 0);
}
