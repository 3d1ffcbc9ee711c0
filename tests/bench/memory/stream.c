/* A STREAM-like program: three static arrays, and temporaries of the same size that each step allocates and frees, as codes do that
 * have one from every call. stream STEPS. Prints, of the steps after the first two: all faults, and the CPU time of a step in ns. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define CELLS ((size_t) 2 << 20)

static double a[CELLS], b[CELLS], c[CELLS];

static void step(double scale) {
        double *half = malloc(CELLS * sizeof(*half)), *whole = malloc(CELLS * sizeof(*whole));

        if (!half || !whole)
                abort();
        for (size_t i = 0; i < CELLS; i++)
                half[i] = b[i] + scale * c[i];
        for (size_t i = 0; i < CELLS; i++)
                whole[i] = half[i] + a[i];
        for (size_t i = 0; i < CELLS; i++)
                a[i] = whole[i] * 0.5;
        free(whole);
        free(half);
}

static long faults(void) {
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_minflt + usage.ru_majflt;
}

static double now_ns(void) {
        struct timespec time;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

int main(int argc, char **argv) {
        long steps = argc > 1 ? atol(argv[1]) : 10, before = 0;
        double from = 0;

        for (size_t i = 0; i < CELLS; i++) {
                b[i] = (double) i;
                c[i] = 1;
        }
        for (long i = -2; i < steps; i++) {
                if (i == 0) {
                        before = faults();
                        from = now_ns();
                }
                step((double) i);
        }
        from = (now_ns() - from) / (double) steps;
        fprintf(stderr, "%g\n", a[CELLS / 2]);
        printf("%ld %.0f\n", faults() - before, from);
        return 0;
}
