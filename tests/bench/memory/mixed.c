/* How long an allocation of mixed sizes and its end take: mixed ALLOCATOR PATTERN STEPS. Blocks are touched at both ends. Prints
 * nanoseconds of CPU time, of all threads, for one malloc and one free together; waiting for each other is not in it.
 *
 *         ALLOCATOR  libc, or arena (128 MiB of private memory, populated)
 *         PATTERN    random, fifo, lifo: which of 2000 live blocks goes next; pair: each goes at once; two: random in two threads;
 *                    crossing: one thread allocates, another one frees, 500 blocks at a time */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "nodeos_memory.h"

enum { LIVE = 2000, TRAY = 500 };

static struct nodeos_arena *arena;
static long steps;
static const char *pattern;

static inline void *take(size_t bytes) {
        char *block = arena ? nodeos_arena_malloc(arena, bytes) : malloc(bytes);

        if (!block)
                abort();
        block[0] = block[bytes - 1] = 1;
        return block;
}

static inline void give(void *block) {
        if (arena)
                nodeos_arena_free(arena, block);
        else
                free(block);
}

static uint64_t next(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        return *state ^= *state << 17;
}

/* Most are small: 60 % below 128 bytes, 25 % below 1 KiB, 11 % below 8 KiB, 3.5 % below 64 KiB, 0.5 % up to 1 MiB. */
static uint32_t random_size(uint64_t *state) {
        uint64_t random = next(state), kind = random % 1000;

        random >>= 20;
        return (uint32_t) (kind < 600   ? 16 + random % 112
                           : kind < 850 ? 128 + random % 896
                           : kind < 960 ? 1024 + random % 7168
                           : kind < 995 ? 8192 + random % 57344
                                        : 65536 + random % 983041);
}

struct plan {
        uint32_t bytes;
        uint32_t pick;
};

static struct plan *plan_new(uint64_t seed) {
        struct plan *plan = mmap(NULL, (size_t) steps * sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        for (long i = 0; i < steps; i++)
                plan[i] = (struct plan) { random_size(&seed), (uint32_t) next(&seed) };
        return plan;
}

static void *replace(void *argument) {
        const struct plan *plan = argument;
        void *live[LIVE] = { 0 };

        for (long i = 0; i < steps; i++) {
                uint32_t k = !strcmp(pattern, "fifo") ? (uint32_t) (i % LIVE) : plan[i].pick % LIVE;

                if (live[k])
                        give(live[k]);
                live[k] = take(plan[i].bytes);
        }
        for (int i = 0; i < LIVE; i++)
                if (live[i])
                        give(live[i]);
        return NULL;
}

/* Up and down a stack, as calls have temporaries; each block that is taken is given back. */
static void *stack(void *argument) {
        const struct plan *plan = argument;
        void *live[LIVE];
        int top = 0;

        for (long i = 0, taken = 0; taken < steps; i++) {
                if (top > 0 && (top == LIVE || plan[i % steps].pick % 2))
                        give(live[--top]);
                else
                        live[top++] = take(plan[taken++].bytes);
        }
        while (top > 0)
                give(live[--top]);
        return NULL;
}

static void *give_at_once(void *argument) {
        const struct plan *plan = argument;

        for (long i = 0; i < steps; i++)
                give(take(plan[i].bytes));
        return NULL;
}

/* Two trays go round: one is filled while the other is emptied. */
static struct {
        void *blocks[TRAY];
        sem_t is_full, is_empty;
} trays[2];

static void *consume(void *unused) {
        (void) unused;
        for (long i = 0; i < steps / TRAY; i++) {
                sem_wait(&trays[i % 2].is_full);
                for (int k = 0; k < TRAY; k++)
                        give(trays[i % 2].blocks[k]);
                sem_post(&trays[i % 2].is_empty);
        }
        return NULL;
}

static void *produce(void *argument) {
        const struct plan *plan = argument;

        for (long i = 0; i < steps / TRAY; i++) {
                sem_wait(&trays[i % 2].is_empty);
                for (int k = 0; k < TRAY; k++)
                        trays[i % 2].blocks[k] = take(plan[i * TRAY + k].bytes);
                sem_post(&trays[i % 2].is_full);
        }
        return NULL;
}

static void once(struct plan *first, struct plan *second) {
        pthread_t thread;
        int is_two = !strcmp(pattern, "two"), crosses = !strcmp(pattern, "crossing");

        if ((is_two && pthread_create(&thread, NULL, replace, second)) || (crosses && pthread_create(&thread, NULL, consume, NULL)))
                abort();
        if (crosses)
                produce(first);
        else if (!strcmp(pattern, "lifo"))
                stack(first);
        else if (!strcmp(pattern, "pair"))
                give_at_once(first);
        else
                replace(first);
        if (is_two || crosses)
                pthread_join(thread, NULL);
}

static double now_ns(void) {
        struct timespec time;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

int main(int argc, char **argv) {
        size_t bytes = (size_t) 128 << 20;
        struct plan *first, *second;
        double from;

        if (argc != 4)
                return 2;
        pattern = argv[2];
        steps = atol(argv[3]);
        if (!strcmp(argv[1], "arena")) {
                void *range = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

                arena = nodeos_arena_new(range, bytes);
                if (!arena)
                        return perror("nodeos_arena_new"), 1;
        }
        for (int i = 0; i < 2; i++)
                if (sem_init(&trays[i].is_full, 0, 0) || sem_init(&trays[i].is_empty, 0, 1))
                        return 1;
        first = plan_new(88172645463325252u);
        second = plan_new(12345678987654321u);
        once(first, second);
        from = now_ns();
        once(first, second);
        printf("%.2f\n", (now_ns() - from) / (double) steps / (strcmp(pattern, "two") ? 1 : 2));
        return 0;
}
