/* A program of OpenMP that knows of no governor: for each word on its standard input it runs regions of one kind, and prints how many
 * threads worked, and a sum that does not depend on that. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { N = 100000 };

static volatile int bound = N;

static int plain(long *sum) {
        int threads = 0;
        long all = 0;

#pragma omp parallel reduction(+ : all)
        {
                int count = omp_get_num_threads(), own = omp_get_thread_num();

                for (int i = own; i < N; i += count)
                        all += i;
#pragma omp single
                threads = count;
        }
        *sum = all;
        return threads;
}

#define LOOP(name, clauses)                                                                                                            \
        static int name(long *sum) {                                                                                                   \
                int threads = 0;                                                                                                       \
                long all = 0;                                                                                                          \
                                                                                                                                       \
                _Pragma(clauses) for (int i = 0; i < bound; i++) {                                                                     \
                        all += i;                                                                                                      \
                        if (i == 0)                                                                                                    \
                                threads = omp_get_num_threads();                                                                       \
                }                                                                                                                      \
                *sum = all;                                                                                                            \
                return threads;                                                                                                        \
        }

LOOP(fixed, "omp parallel for schedule(static) reduction(+ : all)")
LOOP(dynamic, "omp parallel for schedule(dynamic, 100) reduction(+ : all)")
LOOP(guided, "omp parallel for schedule(monotonic : guided, 10) reduction(+ : all)")
LOOP(runtime, "omp parallel for schedule(runtime) reduction(+ : all)")
LOOP(clause, "omp parallel for num_threads(6) reduction(+ : all)")
LOOP(alone, "omp parallel for num_threads(1) reduction(+ : all)")

static int sections(long *sum) {
        int threads = 0;
        long first = 0, second = 0;

#pragma omp parallel sections reduction(+ : first, second)
        {
#pragma omp section
                for (int i = 0; i < N / 2; i++, threads = omp_get_num_threads())
                        first += i;
#pragma omp section
                for (int i = N / 2; i < N; i++)
                        second += i;
        }
        *sum = first + second;
        return threads;
}

/* Two threads, each with as many of its own as it gets. */
static int nested(long *sum) {
        int threads = 0;
        long all = 0;

        omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2) reduction(+ : all)
        {
                int outer = omp_get_thread_num();

#pragma omp parallel for reduction(+ : all)
                for (int i = outer * (N / 2); i < (outer + 1) * (N / 2); i++) {
                        all += i;
                        if (i == 0)
                                threads = 2 * omp_get_num_threads();
                }
        }
        omp_set_max_active_levels(1);
        *sum = all;
        return threads;
}

int main(void) {
        static const struct {
                const char *name;
                int (*run)(long *sum);
        } kinds[] = {
                { "plain", plain },   { "static", fixed }, { "dynamic", dynamic },   { "guided", guided }, { "runtime", runtime },
                { "clause", clause }, { "alone", alone },  { "sections", sections }, { "nested", nested },
        };
        char word[32];

        while (scanf("%31s", word) == 1)
                for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
                        if (!strcmp(word, kinds[i].name)) {
                                long sum = 0;
                                int threads = kinds[i].run(&sum);

                                printf("%d %ld\n", threads, sum);
                                fflush(stdout);
                        }
        return 0;
}
