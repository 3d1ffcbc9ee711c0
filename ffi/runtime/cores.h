/* The page of shared memory that a governor and the processes of a program have together; lib/power/governor/cores_page.ts is its
 * other side, which reads and writes the file: a program that cuts its own file off takes the ground from under itself alone.
 *
 * A number that may change carries its complement in the upper half, so that a reader who sees half of a change takes it for
 * none. The governor writes header and wish, a process its own slot and heartbeats. Nobody believes the other. */
#ifndef CORES_H
#define CORES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CORES_SLOTS = 64, CORES_BEATS = 256, CORES_PAGE_BYTES = 8192 };
#define CORES_MAGIC "nodeosC1"

/* One process. */
struct cores_slot {
        _Atomic uint64_t owner;  /* its process id; 0: free */
        _Atomic uint64_t answer; /* see cores_word(): the wish that it answers, and how many cores it uses */
        uint64_t unused[6];
};

struct cores_page {
        char magic[8];
        uint32_t cores_max; /* cores of the program */
        uint32_t unused;
        _Alignas(64) _Atomic uint64_t wish;     /* see cores_word(); 0: all cores */
        _Atomic uint64_t lease_ns;              /* CLOCK_MONOTONIC until which the wish counts: a governor that was killed asks nothing */
        _Alignas(64) _Atomic uint64_t beats;    /* heartbeats so far */
        _Alignas(64) struct cores_slot slots[CORES_SLOTS];
        _Atomic uint64_t beat_ns[CORES_BEATS];  /* when the last ones were, by their number modulo the size */
};

/* A request, from 1 to 65535, and a number of cores. */
static inline uint64_t cores_word(uint32_t request, uint32_t cores) {
        uint32_t low = request << 16 | (cores & 0xffff);

        return (uint64_t) ~low << 32 | low;
}

static inline bool cores_is_word(uint64_t word) {
        return (uint32_t) (word >> 32) == (uint32_t) ~word;
}

static inline uint32_t cores_request(uint64_t word) {
        return (uint32_t) word >> 16;
}

static inline uint32_t cores_count(uint64_t word) {
        return (uint32_t) word & 0xffff;
}

#endif
