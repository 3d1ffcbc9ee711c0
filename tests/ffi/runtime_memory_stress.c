/* Blocks of random sizes in 8 threads, each filled with a pattern that is looked at before the block changes or goes; some go to
 * other threads to be freed there, and processes are made in the middle. Prints "fine" and what the arena says at the end.
 *
 *         runtime_memory_stress STEPS SEED       an arena; compiled with -DMALLOC: malloc and its family
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, BLOCKS = 150, BOXES = 64 };

#ifdef MALLOC
#define TAKE(bytes) malloc(bytes)
#define TAKE_ZEROED(count, bytes) calloc(count, bytes)
#define TAKE_ALIGNED(alignment, bytes) memalign(alignment, bytes)
#define CHANGE(block, bytes) realloc(block, bytes)
#define GIVE(block) free(block)
#define USABLE(block) malloc_usable_size(block)
#else
#include "nodeos_memory.h"
static struct nodeos_arena *arena;
#define TAKE(bytes) nodeos_arena_malloc(arena, bytes)
#define TAKE_ZEROED(count, bytes) nodeos_arena_calloc(arena, count, bytes)
#define TAKE_ALIGNED(alignment, bytes) nodeos_arena_aligned(arena, alignment, bytes)
#define CHANGE(block, bytes) nodeos_arena_realloc(arena, block, bytes)
#define GIVE(block) nodeos_arena_free(arena, block)
#define USABLE(block) nodeos_arena_usable_size(arena, block)
#endif

static long steps;
static uint64_t seed;
static atomic_long refusals;
/* Blocks on their way to another thread; the first 8 bytes say how large they are. */
static _Atomic(unsigned char *) boxes[BOXES];

static void fail(const char *what, const void *block) {
        fprintf(stderr, "%s: %p\n", what, block);
        _exit(1);
}

static uint64_t next(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        return *state ^= *state << 17;
}

static size_t random_size(uint64_t *state) {
        uint64_t random = next(state), kind = random % 100;

        random >>= 16;
        return kind < 60 ? random % 256 : kind < 90 ? random % 4096 : kind < 99 ? random % 65536 : random % (2 << 20);
}

static unsigned char pattern(const void *block, size_t bytes) {
        return (unsigned char) ((uintptr_t) block >> 4) ^ (unsigned char) bytes ^ 0x5a;
}

/* The pattern at both ends, all of it where it is short. */
static void fill(unsigned char *block, size_t bytes) {
        if (USABLE(block) < bytes || (uintptr_t) block % 16)
                fail("too small, or askew", block);
        memset(block, pattern(block, bytes), bytes < 2048 ? bytes : 2048);
        if (bytes > 2048)
                memset(block + bytes - 1024, pattern(block, bytes), 1024);
}

static void check(const unsigned char *block, size_t bytes, unsigned char expected) {
        for (size_t i = 0; i < (bytes < 1024 ? bytes : 1024); i++)
                if (block[i] != expected || (bytes >= 3072 && block[bytes - 1 - i] != expected))
                        fail("somebody wrote into it", block + i);
}

static void check_own(const unsigned char *block, size_t bytes) {
        check(block, bytes, pattern(block, bytes));
}

struct own {
        unsigned char *block;
        size_t bytes;
};

static void take(struct own *own, uint64_t *random) {
        size_t alignment = (size_t) 1 << next(random) % 16;

        own->bytes = random_size(random);
        switch (next(random) % 8) {
        case 0:
                own->block = TAKE_ZEROED(1, own->bytes);
                for (size_t i = 0; own->block && i < own->bytes; i += i < 64 ? 1 : 512)
                        if (own->block[i])
                                fail("not zero", own->block + i);
                break;
        case 1:
                own->block = TAKE_ALIGNED(alignment, own->bytes);
                if ((uintptr_t) own->block % alignment)
                        fail("not aligned", own->block);
                break;
        default:
                own->block = TAKE(own->bytes);
        }
        if (own->block)
                fill(own->block, own->bytes);
        else if (errno != ENOMEM)
                fail(strerror(errno), NULL);
        else
                atomic_fetch_add(&refusals, 1);
}

static void change(struct own *own, uint64_t *random) {
        size_t bytes = random_size(random) + 1;
        unsigned char *changed, before;

        if (!own->block)
                return;
        before = pattern(own->block, own->bytes);
        changed = CHANGE(own->block, bytes);
        if (!changed) {
                atomic_fetch_add(&refusals, 1);
                return;
        }
        for (size_t i = 0; i < 1024 && i < own->bytes && i < bytes; i++)
                if (changed[i] != before)
                        fail("realloc lost it", changed + i);
        *own = (struct own) { changed, bytes };
        fill(changed, bytes);
}

/* A block goes into a box, and what was there is freed here. */
static void swap(struct own *own, uint64_t *random) {
        unsigned char *other;
        size_t bytes;

        if (own->block && own->bytes < sizeof(bytes))
                return;
        if (own->block) {
                check_own(own->block, own->bytes);
                memcpy(own->block, &own->bytes, sizeof(own->bytes));
        }
        other = atomic_exchange(&boxes[next(random) % BOXES], own->block);
        own->block = NULL;
        if (!other)
                return;
        memcpy(&bytes, other, sizeof(bytes));
        memset(other, pattern(other, bytes), sizeof(bytes));
        check_own(other, bytes);
        GIVE(other);
}

/* A child has what its parent had, and changes it without the parent's seeing it. */
__attribute__((unused)) static void divide(struct own *blocks, uint64_t *random) {
        pid_t child = fork();
        int status;

        if (child < 0)
                fail("fork", NULL);
        if (child == 0) {
                for (int i = 0; i < BLOCKS; i++) {
                        if (blocks[i].block) {
                                check_own(blocks[i].block, blocks[i].bytes);
                                memset(blocks[i].block, 0, blocks[i].bytes);
                                GIVE(blocks[i].block);
                        }
                        take(&blocks[i], random);
                }
                _exit(0);
        }
        if (waitpid(child, &status, 0) != child || status != 0)
                fail("the child", NULL);
}

static void *work(void *number) {
        uint64_t random = seed + (uintptr_t) number * 0x9e3779b97f4a7c15u;
        struct own blocks[BLOCKS] = { 0 };

        for (long step = 0; step < steps; step++) {
                struct own *own = &blocks[next(&random) % BLOCKS];

                if (own->block)
                        check_own(own->block, own->bytes);
                switch (next(&random) % 8) {
                case 0:
                        change(own, &random);
                        break;
                case 1:
                        swap(own, &random);
                        break;
                default:
                        GIVE(own->block);
                        take(own, &random);
                }
#ifndef NO_FORK
                if (step % (steps / 4 + 1) == steps / 8 && (uintptr_t) number % 4 == 0)
                        divide(blocks, &random);
#endif
        }
        for (int i = 0; i < BLOCKS; i++) {
                if (blocks[i].block)
                        check_own(blocks[i].block, blocks[i].bytes);
                GIVE(blocks[i].block);
        }
        return NULL;
}

static void work_in_threads(void) {
        pthread_t threads[THREADS];

        for (uintptr_t i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, work, (void *) i))
                        fail("pthread_create", NULL);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        for (int i = 0; i < BOXES; i++) {
                GIVE(boxes[i]);
                boxes[i] = NULL;
        }
}

#ifdef MALLOC
int main(int argc, char **argv) {
        steps = argc > 1 ? atol(argv[1]) : 10000;
        seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        work_in_threads();
        puts("fine");
        return 0;
}
#else
/* The arena's neighbourhood; a write there is an arena's fault. */
static void guard(unsigned char *range, size_t bytes, size_t margin) {
        for (size_t i = 0; i < margin; i++)
                if (range[i] != 0x77 || range[margin + bytes + i] != 0x77)
                        fail("outside of the range", range + i);
}

static void run(size_t bytes) {
        const size_t margin = 4096 + 8;
        unsigned char *range = mmap(NULL, bytes + 2 * margin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct nodeos_arena_stats before, after;

        if (range == MAP_FAILED)
                fail("mmap", NULL);
        memset(range, 0x77, bytes + 2 * margin);
        arena = nodeos_arena_new(range + margin, bytes);
        if (!arena)
                fail("nodeos_arena_new", NULL);
        /* What this thread's own cache takes stays until it ends. */
        nodeos_arena_free(arena, nodeos_arena_malloc(arena, 1));
        nodeos_arena_flush(arena);
        nodeos_arena_stats(arena, &before);
        refusals = 0;
        work_in_threads();
        nodeos_arena_flush(arena);
        nodeos_arena_stats(arena, &after);
        guard(range, bytes, margin);
        if (after.cached_bytes != 0 || before.free_bytes != after.free_bytes || before.largest_bytes != after.largest_bytes)
                fail("not all came back", (void *) (before.free_bytes - after.free_bytes));
        printf("%zu MiB: peak %zu MiB, %s\n", bytes >> 20, after.peak_bytes >> 20, refusals ? "exhausted at times" : "never exhausted");
        nodeos_arena_destroy(arena);
        munmap(range, bytes + 2 * margin);
}

int main(int argc, char **argv) {
        steps = argc > 1 ? atol(argv[1]) : 10000;
        seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        /* Without caches, with caches that fill it, and with room for everything. */
        run(1 << 20);
        run(10 << 20);
        run(128 << 20);
        puts("fine");
        return 0;
}
#endif
