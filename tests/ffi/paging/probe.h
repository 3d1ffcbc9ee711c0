/* What the test programs of the engine share: checks, a store in memory that can fail or be slow, and a choice of probes by name.
 *         program PROBE MODE          MODE: 1 signal, 2 thread
 * prints nothing and ends with 0 if all is as it should be. */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nodeos_paging.h"

#define PAGE 4096ul
#define WORDS (PAGE / 8)

static uint32_t mode;

#define CHECK(condition)                                                                     \
        do {                                                                                 \
                if (!(condition)) {                                                          \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
                        _exit(1);                                                            \
                }                                                                            \
        } while (0)
#define EQUAL(found, wanted)                                                                                            \
        do {                                                                                                            \
                long long found_ = (long long) (found), wanted_ = (long long) (wanted);                                 \
                if (found_ != wanted_) {                                                                                \
                        fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #found, found_, wanted_);  \
                        _exit(1);                                                                                       \
                }                                                                                                       \
        } while (0)

/* A store in memory. `bad` pages fail with their errno, `slow_us` delays each read. */
struct memory {
        struct nodeos_store base;
        uint64_t *words;
        _Atomic int read_error[1024], write_error[1024];
        atomic_int slow_us, reads, writes, syncs;
        atomic_bool is_closed;
};

static inline uint64_t value_of(uint64_t page, unsigned word) {
        uint64_t x = page * 0x9e3779b97f4a7c15 + word * 0xc2b2ae3d27d4eb4f + 1;

        return (x ^ x >> 29) * 0xbf58476d1ce4e5b9;
}

static inline int memory_find_error(_Atomic int *errors, uint64_t bytes, uint64_t offset) {
        for (uint64_t page = offset / PAGE; page * PAGE < offset + bytes; page++)
                if (page < 1024 && errors[page])
                        return -errors[page];
        return 0;
}

static inline int memory_read(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        struct memory *memory = (struct memory *) store;
        struct timespec pause = { 0, memory->slow_us * 1000l };
        int error = memory_find_error(memory->read_error, bytes, offset);

        memory->reads++;
        if (memory->slow_us)
                nanosleep(&pause, NULL);
        if (!error)
                memcpy(buffer, (char *) memory->words + offset, bytes);
        return error;
}

static inline int memory_write(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        struct memory *memory = (struct memory *) store;
        int error = memory_find_error(memory->write_error, bytes, offset);

        memory->writes++;
        if (!error)
                memcpy((char *) memory->words + offset, buffer, bytes);
        return error;
}

static inline int memory_sync(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        (void) bytes, (void) offset;
        ((struct memory *) store)->syncs++;
        return 0;
}

static inline void memory_close(struct nodeos_store *store) {
        ((struct memory *) store)->is_closed = true;
}

/* The program frees it; closing only notes that it was. */
static inline struct memory *memory_store(uint64_t pages, uint32_t flags) {
        static const struct nodeos_store_calls calls = { memory_read, memory_write, memory_sync, memory_close };
        struct memory *memory = calloc(1, sizeof *memory);

        memory->base = (struct nodeos_store) { .calls = &calls, .bytes = pages * PAGE, .block_bytes = 1, .flags = flags, .plain_fd = -1 };
        memory->words = malloc(pages * PAGE);
        for (uint64_t i = 0; i < pages * WORDS; i++)
                memory->words[i] = value_of(i / WORDS, (unsigned) (i % WORDS));
        return memory;
}

#define WRITE_SAFE (NODEOS_STORE_WRITE | NODEOS_STORE_SIGNAL_SAFE)

static inline struct nodeos_buffer *new_buffer(uint64_t pages) {
        struct nodeos_buffer_options options = { .size = sizeof options, .bytes = pages * PAGE };
        struct nodeos_buffer *buffer;

        EQUAL(nodeos_buffer_create(&options, &buffer), 0);
        return buffer;
}

static inline struct nodeos_region_options new_options(void) {
        return (struct nodeos_region_options) { .size = sizeof(struct nodeos_region_options), .mode = mode, .shared_fd = -1 };
}

static inline struct nodeos_region *map_store(struct nodeos_buffer *buffer, struct nodeos_store *store) {
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region = NULL;

        EQUAL(nodeos_region_map(buffer, store, &options, &region), 0);
        return region;
}

static inline volatile uint64_t *words_of(struct nodeos_region *region) {
        return nodeos_region_address(region);
}

static inline struct nodeos_region_statistics statistics_of(struct nodeos_region *region) {
        struct nodeos_region_statistics statistics;

        nodeos_region_statistics(region, &statistics);
        return statistics;
}

/* Signals of accesses, caught: 0 or the number of the signal. */
static __thread sigjmp_buf caught_at;
static __thread volatile bool catches;
static __thread void *volatile caught_address;

static inline void on_fault(int number, siginfo_t *info, void *context) {
        (void) context;
        caught_address = info->si_addr;
        if (catches)
                siglongjmp(caught_at, number);
        signal(number, SIG_DFL);
}

static inline void catch_faults(void) {
        struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

        sigaction(SIGBUS, &action, NULL);
        sigaction(SIGSEGV, &action, NULL);
}

static inline int signal_of_read(volatile const void *address, uint64_t *ret) {
        int number = sigsetjmp(caught_at, 1);

        if (number == 0) {
                catches = true;
                *ret = *(volatile const uint64_t *) address;
        }
        catches = false;
        return number;
}

static inline int signal_of_write(volatile void *address, uint64_t value) {
        int number = sigsetjmp(caught_at, 1);

        if (number == 0) {
                catches = true;
                *(volatile uint64_t *) address = value;
        }
        catches = false;
        return number;
}

struct probe {
        const char *name;
        void (*run)(void);
};

static inline int run_probe(const struct probe *probes, int count, char **args) {
        if (count < 3)
                return 2;
        mode = (uint32_t) atoi(args[2]);
        for (; probes->name; probes++)
                if (!strcmp(probes->name, args[1])) {
                        probes->run();
                        return 0;
                }
        fprintf(stderr, "no probe %s\n", args[1]);
        return 2;
}

#endif
