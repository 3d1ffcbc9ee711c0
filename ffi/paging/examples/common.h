/* What the examples have in common: arrays in files, and threads. */
#ifndef COMMON_H
#define COMMON_H

#define _GNU_SOURCE

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nodeos_paging.h"

enum { THREADS_MOST = 64 };

static inline _Noreturn void fail(const char *what, int error) {
        fprintf(stderr, "Cannot %s: %s\n", what, strerror(-error));
        exit(1);
}

/* An array of zeroes in a new file, of which as much is in memory as the buffer has room for. */
static inline struct nodeos_region *array_make(struct nodeos_buffer *buffer, const char *directory, const char *name, uint64_t bytes) {
        char path[4096];
        struct nodeos_store *store;
        struct nodeos_region *region;
        int error;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        unlink(path);
        error = nodeos_store_file(path, NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, 0, bytes, &store);
        if (error == 0)
                error = nodeos_region_map(buffer, store, NULL, &region);
        if (error < 0)
                fail("map an array", error);
        return region;
}

static inline struct nodeos_buffer *buffer_make(uint64_t bytes) {
        struct nodeos_buffer_options options = { .size = sizeof(options), .bytes = bytes };
        struct nodeos_buffer *buffer;
        int error = nodeos_buffer_create(&options, &buffer);

        if (error < 0)
                fail("make a buffer of that size", error);
        return buffer;
}

struct share {
        void (*work)(unsigned index, void *argument);
        void *argument;
        unsigned index;
};

static inline void *share_run(void *argument) {
        struct share *share = argument;

        share->work(share->index, share->argument);
        return NULL;
}

/* Runs work(0) to work(threads - 1) side by side, to their end. */
static inline void in_parallel(unsigned threads, void (*work)(unsigned index, void *argument), void *argument) {
        pthread_t ids[THREADS_MOST];
        struct share shares[THREADS_MOST];

        for (unsigned i = 0; i < threads; i++) {
                shares[i] = (struct share) { work, argument, i };
                if (pthread_create(&ids[i], NULL, share_run, &shares[i]))
                        fail("start a thread", -11);
        }
        for (unsigned i = 0; i < threads; i++)
                pthread_join(ids[i], NULL);
}

/* Where the share of a thread begins. */
static inline uint64_t share_of(uint64_t count, unsigned index, unsigned threads) {
        return count / threads * index + count % threads * index / threads;
}

static inline uint64_t mix(uint64_t value) {
        value += 0x9E3779B97F4A7C15u;
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
        value = (value ^ value >> 27) * 0x94D049BB133111EBu;
        return value ^ value >> 31;
}

static inline double seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

#endif
