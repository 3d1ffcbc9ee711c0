/* The noise sampler: how long the same work takes again and again (fixed work quantum), or when the CPU was somewhere
 * else (selfish detour). While it samples it neither allocates, nor asks the kernel for anything, nor touches a page
 * for the first time. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "internal.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* RDTSCP is there, and its counter neither stops nor follows the frequency of the core. */
static int32_t pick_clock(void) {
        unsigned int a, b, c, d;

        if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(d & 1u << 27))
                return NODEOS_NOISE_CLOCK_SYSTEM;
        if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1u << 8))
                return NODEOS_NOISE_CLOCK_SYSTEM;
        return NODEOS_NOISE_CLOCK_TSC;
}

static inline int64_t counter(void) {
        unsigned int cpu;

        return (int64_t) __builtin_ia32_rdtscp(&cpu);
}
#elif defined(__aarch64__)
static int32_t pick_clock(void) {
        return NODEOS_NOISE_CLOCK_CNTVCT;
}

static inline int64_t counter(void) {
        int64_t value;

        __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
        return value;
}
#else
static int32_t pick_clock(void) {
        return NODEOS_NOISE_CLOCK_SYSTEM;
}

static inline int64_t counter(void) {
        return 0;
}
#endif

static inline int64_t system_ns(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now);
        return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t read_ticks(int32_t clock) {
        return clock == NODEOS_NOISE_CLOCK_SYSTEM ? system_ns(CLOCK_MONOTONIC_RAW) : counter();
}

/* One moment on both clocks. */
struct moment {
        int64_t ticks;
        int64_t ns;
};

/* The tightest of several tries: one that an interrupt splits is never the tightest. */
static struct moment read_moment(int32_t clock) {
        struct moment moment = { 0 };
        int64_t narrowest = INT64_MAX;

        for (int i = 0; i < 16; i++) {
                int64_t before = read_ticks(clock);
                int64_t ns = system_ns(CLOCK_MONOTONIC_RAW);
                int64_t width = read_ticks(clock) - before;

                if (width < narrowest) {
                        narrowest = width;
                        moment = (struct moment) { .ticks = before + width / 2, .ns = ns };
                }
        }
        return moment;
}

static double ns_per_tick(int32_t clock, struct moment from, struct moment to) {
        if (clock == NODEOS_NOISE_CLOCK_SYSTEM || to.ticks <= from.ticks)
                return 1;
        return (double) (to.ns - from.ns) / (double) (to.ticks - from.ticks);
}

/* A chain of multiplications: no memory, and a speed that depends on the frequency of the core alone. The empty asm
 * makes every value look used, so no round can be left out. */
static inline __attribute__((always_inline)) void work(int64_t rounds) {
        uint64_t x = 1;

        for (int64_t i = 0; i < rounds; i++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                __asm__ volatile("" : "+r"(x));
        }
}

static int64_t shortest_work(int32_t clock, int64_t rounds) {
        int64_t shortest = INT64_MAX;

        for (int i = 0; i < 200; i++) {
                int64_t before = read_ticks(clock);
                int64_t length;

                work(rounds);
                length = read_ticks(clock) - before;
                if (length < shortest)
                        shortest = length;
        }
        return shortest;
}

/* Rounds of work that take `quantum` ticks: a line through two short runs, so a long quantum costs no more to find. */
static int64_t rounds_for(int32_t clock, double quantum) {
        const int64_t few = 500, many = 4000;
        double at_few = (double) shortest_work(clock, few), at_many = (double) shortest_work(clock, many);
        double slope = (at_many - at_few) / (double) (many - few);
        int64_t rounds = slope > 0 ? (int64_t) ((quantum - at_few) / slope + (double) few) : many;

        return rounds < 1 ? 1 : rounds;
}

static int64_t shortest_loop(int32_t clock) {
        int64_t shortest = INT64_MAX, before = read_ticks(clock);

        for (int i = 0; i < 10000; i++) {
                int64_t now = read_ticks(clock);

                if (now - before < shortest && now > before)
                        shortest = now - before;
                before = now;
        }
        return shortest == INT64_MAX ? 1 : shortest;
}

/* What the loops fill; everything in ticks until the end. */
struct tally {
        int64_t *samples;
        int32_t capacity;
        int32_t count;
        int64_t truncated;
        int64_t shortest;
        int64_t sum;
};

/* When the room is used up, the last place goes to the longest of those that found none: the worst is never lost. */
static inline void keep(struct tally *tally, int64_t offset, int64_t length) {
        int64_t *sample = tally->samples + 2 * (int64_t) tally->count;

        tally->sum += length;
        if (tally->count < tally->capacity) {
                tally->count++;
        } else {
                tally->truncated++;
                sample -= 2;
                if (length <= sample[1])
                        return;
        }
        sample[0] = offset;
        sample[1] = length;
}

/* Quantum after quantum, each beginning where the last one ended: nothing falls between them. Returns the end. */
static int64_t sample_quanta(int32_t clock, struct tally *tally, int64_t start, int64_t end, int64_t rounds) {
        int64_t previous = start;

        while (previous < end) {
                int64_t now;

                work(rounds);
                now = read_ticks(clock);
                if (now - previous < tally->shortest)
                        tally->shortest = now - previous;
                keep(tally, previous - start, now - previous);
                previous = now;
        }
        return previous;
}

static int64_t sample_detours(int32_t clock, struct tally *tally, int64_t start, int64_t end, int64_t threshold) {
        int64_t previous = start;

        while (previous < end) {
                int64_t now = read_ticks(clock);
                int64_t gap = now - previous;

                if (gap < tally->shortest)
                        tally->shortest = gap;
                if (gap >= threshold)
                        keep(tally, previous - start, gap);
                previous = now;
        }
        return previous;
}

static void to_ns(struct tally *tally, double scale) {
        for (int64_t i = 0; i < 2 * (int64_t) tally->count; i++)
                tally->samples[i] = (int64_t) ((double) tally->samples[i] * scale + 0.5);
}

int32_t nodeos_noise(struct nodeos_noise *noise, int64_t *ret_samples, int32_t capacity) {
        struct tally tally = { .samples = ret_samples, .capacity = capacity, .shortest = INT64_MAX };
        int quanta = noise->mode == NODEOS_NOISE_QUANTUM;
        int64_t start, end, rounds = 0, threshold = 0;
        struct rusage before, after;
        struct moment from;
        size_t bytes;
        double scale;

        if (noise->mode != NODEOS_NOISE_QUANTUM && noise->mode != NODEOS_NOISE_DETOUR)
                return -EINVAL;
        if (capacity < 1 || noise->duration_ns < 1 || (quanta ? noise->quantum_ns : noise->threshold_ns) < 1)
                return -EINVAL;

        bytes = 2 * sizeof(*ret_samples) * (size_t) capacity;
        memset(ret_samples, 0, bytes);
        noise->locked = mlock(ret_samples, bytes) == 0;
        noise->clock = pick_clock();

        /* 20 ms: a few parts in a million, and time for the core to reach its frequency. */
        from = read_moment(noise->clock);
        while (system_ns(CLOCK_MONOTONIC_RAW) - from.ns < 20000000)
                ;
        scale = ns_per_tick(noise->clock, from, read_moment(noise->clock));
        if (quanta) {
                rounds = rounds_for(noise->clock, (double) noise->quantum_ns / scale);
        } else {
                int64_t loop = shortest_loop(noise->clock);

                /* Below a few loops there is nothing but the loop itself. */
                threshold = (int64_t) ((double) noise->threshold_ns / scale);
                if (threshold < 4 * loop)
                        threshold = 4 * loop;
        }

        getrusage(RUSAGE_THREAD, &before);
        noise->start_ns = system_ns(CLOCK_MONOTONIC);
        start = read_ticks(noise->clock);
        end = start + (int64_t) ((double) noise->duration_ns / scale);
        if (quanta)
                end = sample_quanta(noise->clock, &tally, start, end, rounds);
        else
                end = sample_detours(noise->clock, &tally, start, end, threshold);
        getrusage(RUSAGE_THREAD, &after);

        /* The whole time gives a better rate than the first 20 ms did. */
        scale = ns_per_tick(noise->clock, from, read_moment(noise->clock));
        to_ns(&tally, scale);
        if (quanta)
                tally.sum -= tally.shortest * (tally.count + tally.truncated);
        else
                noise->threshold_ns = (int64_t) ((double) threshold * scale + 0.5);
        noise->count = tally.count;
        noise->truncated = tally.truncated;
        noise->duration_ns = (int64_t) ((double) (end - start) * scale + 0.5);
        noise->lost_ns = (int64_t) ((double) tally.sum * scale + 0.5);
        noise->minimum_ns = (int64_t) ((double) tally.shortest * scale + 0.5);
        noise->voluntary = after.ru_nvcsw - before.ru_nvcsw;
        noise->involuntary = after.ru_nivcsw - before.ru_nivcsw;
        if (noise->locked)
                munlock(ret_samples, bytes);
        return tally.count;
}
