/* libnodeos-cores.so, preloaded: a program that gcc compiled with -fopenmp follows without knowing of it. At each parallel region
 * it gets as many threads as are wanted, and says how many it got. CORES.md tells which regions follow. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos_cores.h"

#define API __attribute__((visibility("default")))

typedef void body(void *);

/* What libgomp has. It may have come with a library that was opened for itself, where nothing else sees it. */
static void *find(const char *name) {
        void *function = dlsym(RTLD_NEXT, name), *library;

        if (function)
                return function;
        library = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
        function = library ? dlsym(library, name) : NULL;
        if (!function) {
                fprintf(stderr, "libnodeos-cores: there is no %s in libgomp\n", name);
                abort();
        }
        return function;
}

/* Its questions about the region around. */
static struct {
        pthread_once_t once;
        int (*level)(void), (*active_level)(void), (*active_most)(void), (*threads_most)(void), (*is_dynamic)(void);
        int (*team_size)(int level);
} openmp = { .once = PTHREAD_ONCE_INIT };

static void find_openmp(void) {
        *(void **) &openmp.level = find("omp_get_level");
        *(void **) &openmp.active_level = find("omp_get_active_level");
        *(void **) &openmp.active_most = find("omp_get_max_active_levels");
        *(void **) &openmp.threads_most = find("omp_get_max_threads");
        *(void **) &openmp.is_dynamic = find("omp_get_dynamic");
        *(void **) &openmp.team_size = find("omp_get_team_size");
}

/* NODEOS_CORES_OPENMP: "off" leaves all regions alone, "all" takes those with a num_threads() clause as well. */
static enum follow { FOLLOW_OFF, FOLLOW_FREE, FOLLOW_ALL } following(void) {
        static _Atomic int known = -1;

        if (known < 0) {
                const char *text = getenv("NODEOS_CORES_OPENMP");

                known = !text ? FOLLOW_FREE : !strcmp(text, "off") ? FOLLOW_OFF : !strcmp(text, "all") ? FOLLOW_ALL : FOLLOW_FREE;
        }
        return (enum follow) known;
}

/* Threads of all regions around this one together: so many of it run side by side. */
static int threads_around(int level) {
        int count = 1;

        for (int one = 1; one <= level; one++)
                count *= openmp.team_size(one);
        return count < 1 ? 1 : count;
}

/* How many threads a region gets. A clause is a promise that the program may rely on, unless it said otherwise by OMP_DYNAMIC. */
static unsigned threads_of(unsigned clause) {
        int wanted, level, around, usual, threads;
        bool is_promise;

        wanted = following() == FOLLOW_OFF ? 0 : nodeos_cores_wanted();
        if (wanted == 0)
                return clause;
        pthread_once(&openmp.once, find_openmp);
        level = openmp.level();
        // A region within another one has a single thread, unless nesting is on.
        if (level > 0 && openmp.active_level() >= openmp.active_most())
                return clause;
        around = threads_around(level);
        usual = clause ? (int) clause : openmp.threads_most();
        is_promise = clause && following() != FOLLOW_ALL && !openmp.is_dynamic();
        threads = wanted / around < 1 ? 1 : wanted / around;
        if (threads > usual || is_promise)
                threads = usual;
        nodeos_cores_active(around * threads);
        return threads == usual ? clause : (unsigned) threads;
}

#define BEHIND(type, name)                                                                                                             \
        static _Atomic(void *) found;                                                                                                  \
        __typeof__(type) function;                                                                                                     \
                                                                                                                                       \
        if (!found)                                                                                                                    \
                found = find(name);                                                                                                    \
        *(void **) &function = found

#define LOOP(kind)                                                                                                                     \
        API void GOMP_parallel_loop_##kind(body *work, void *data, unsigned threads, long start, long end, long step, long chunk,      \
                                           unsigned flags) {                                                                           \
                BEHIND(void (*)(body *, void *, unsigned, long, long, long, long, unsigned), "GOMP_parallel_loop_" #kind);             \
                function(work, data, threads_of(threads), start, end, step, chunk, flags);                                             \
        }

/* Loops whose schedule is chosen elsewhere have no chunk. */
#define LOOP_RUNTIME(kind)                                                                                                             \
        API void GOMP_parallel_loop_##kind(body *work, void *data, unsigned threads, long start, long end, long step, unsigned flags) { \
                BEHIND(void (*)(body *, void *, unsigned, long, long, long, unsigned), "GOMP_parallel_loop_" #kind);                   \
                function(work, data, threads_of(threads), start, end, step, flags);                                                    \
        }

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

API void GOMP_parallel(body *work, void *data, unsigned threads, unsigned flags) {
        BEHIND(void (*)(body *, void *, unsigned, unsigned), "GOMP_parallel");
        function(work, data, threads_of(threads), flags);
}

API unsigned GOMP_parallel_reductions(body *work, void *data, unsigned threads, unsigned flags) {
        BEHIND(unsigned (*)(body *, void *, unsigned, unsigned), "GOMP_parallel_reductions");
        return function(work, data, threads_of(threads), flags);
}

API void GOMP_parallel_sections(body *work, void *data, unsigned threads, unsigned count, unsigned flags) {
        BEHIND(void (*)(body *, void *, unsigned, unsigned, unsigned), "GOMP_parallel_sections");
        function(work, data, threads_of(threads), count, flags);
}

LOOP(static)
LOOP(dynamic)
LOOP(guided)
LOOP(nonmonotonic_dynamic)
LOOP(nonmonotonic_guided)
LOOP_RUNTIME(runtime)
LOOP_RUNTIME(nonmonotonic_runtime)
LOOP_RUNTIME(maybe_nonmonotonic_runtime)
