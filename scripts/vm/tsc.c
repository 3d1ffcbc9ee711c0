/* Prints how fast this machine's time stamp counter runs, in kHz: emulated CPUs have the same one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

enum { rounds = 11, round_ns = 10 * 1000 * 1000 };

static int64_t now_ns(void) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

static int64_t measure_khz(void) {
        int64_t start_ns = now_ns(), ns;
        uint64_t start = __rdtsc();

        do
                ns = now_ns() - start_ns;
        while (ns < round_ns);
        return (int64_t) ((__rdtsc() - start) * 1000000 / (uint64_t) ns);
}

static int ascending(const void *a, const void *b) {
        int64_t left = *(const int64_t *) a, right = *(const int64_t *) b;

        return (left > right) - (left < right);
}

/* The median: in some of the rounds another program may have had the CPU between the two clocks. */
int main(void) {
        int64_t khz[rounds];

        for (int i = 0; i < rounds; i++)
                khz[i] = measure_khz();
        qsort(khz, rounds, sizeof(khz[0]), ascending);
        printf("%lld\n", (long long) khz[rounds / 2]);
        return 0;
}
