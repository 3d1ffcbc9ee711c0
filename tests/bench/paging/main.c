/* paging make FILE PAGES
 * paging run WAY PATTERN THREADS CPUS FILE PAGES BUFFER_PAGES WINDOW SEED
 *
 * Fills the buffer, then times a touch of as many other pages: each has to be read, and another one has to go. Prints microseconds
 * of time and of CPU time, voluntary and other context switches, all for each page, and how long the rest of the writing took.
 * Every touch looks at what it reads; what was written is read again from the file after the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { WORDS = PAGE / 8, READ_WORD = 3, WRITTEN_WORD = 5, MAKE_PAGES = 256 };

struct run {
        struct setting setting;
        char *range;
        uint64_t seed;
        uint32_t *order; /* pages, in the order of touching */
        bool reads;
        atomic_ulong wrong;
};

static struct run run;
static pthread_barrier_t start;

_Noreturn void die(const char *what) {
        fprintf(stderr, "Cannot measure: %s: %s\n", what, strerror(errno));
        _exit(2);
}

static uint64_t value_of(uint64_t page, uint64_t word) {
        return (page * WORDS + word) * 0x9E3779B97F4A7C15u;
}

static int make(const char *path, uint64_t pages) {
        static uint64_t words[WORDS * MAKE_PAGES];
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0)
                die(path);
        for (uint64_t page = 0; page < pages; page += MAKE_PAGES) {
                for (uint64_t i = 0; i < WORDS * MAKE_PAGES; i++)
                        words[i] = value_of(page, i);
                if (write(fd, words, sizeof(words)) != sizeof(words))
                        die("write");
        }
        if (fsync(fd) < 0)
                die("fsync");
        for (uint64_t page = 0; page < pages; page += MAKE_PAGES)
                if (pread(fd, words, sizeof(words), (off_t) (page * PAGE)) < 0)
                        die("read");
        return close(fd);
}

static void shuffle(uint32_t *order, uint64_t count) {
        uint64_t state = 88172645463325252u;

        for (uint64_t i = count - 1; i > 0; i--) {
                uint64_t other;
                uint32_t kept = order[i];

                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                other = state % (i + 1);
                order[i] = order[other];
                order[other] = kept;
        }
}

/* Touches pages [from, to) of the order, each once. */
static void touch(uint64_t from, uint64_t to) {
        uint64_t wrong = 0;

        for (uint64_t i = from; i < to; i++) {
                uint64_t page = run.order[i];
                volatile uint64_t *words = (volatile uint64_t *) (run.range + page * PAGE);

                if (run.reads)
                        wrong += words[READ_WORD] != value_of(page, READ_WORD);
                if (run.setting.writes)
                        words[WRITTEN_WORD] = value_of(page, run.seed);
        }
        run.wrong += wrong;
}

static void *touch_share(void *argument) {
        uint64_t count = run.setting.buffer_pages, index = (uintptr_t) argument, threads = run.setting.threads;

        pthread_barrier_wait(&start);
        touch(count + count * index / threads, count + count * (index + 1) / threads);
        return NULL;
}

static uint64_t count_wrong(void) {
        uint64_t words[WORDS], wrong = 0;
        int fd = open(run.setting.path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die(run.setting.path);
        for (uint64_t i = 0; i < 2 * run.setting.buffer_pages; i++) {
                uint64_t page = run.order[i];

                if (pread(fd, words, PAGE, (off_t) (page * PAGE)) != PAGE)
                        die("read");
                wrong += words[WRITTEN_WORD] != value_of(page, run.seed) || words[0] != value_of(page, 0) ||
                         words[WORDS - 1] != value_of(page, WORDS - 1);
        }
        close(fd);
        return wrong;
}

static double seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static double cpu_seconds(const struct rusage *usage) {
        long whole = usage->ru_utime.tv_sec + usage->ru_stime.tv_sec, micro = usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;

        return (double) whole + 1e-6 * (double) micro;
}

/* One CPU: the last, which has less to do for the rest of the machine. */
static void choose_cpus(const char *cpus) {
        cpu_set_t set;

        if (strcmp(cpus, "1"))
                return;
        CPU_ZERO(&set);
        CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                die("sched_setaffinity");
}

static void choose_pattern(const char *pattern) {
        bool is_random = strstr(pattern, "random") || strstr(pattern, "modify");
        uint64_t pages = run.setting.pages;

        run.reads = strstr(pattern, "read") != NULL;
        run.setting.writes = strstr(pattern, "write") != NULL;
        run.order = malloc(pages * sizeof(*run.order));
        if (!run.order)
                die("malloc");
        for (uint64_t i = 0; i < pages; i++)
                run.order[i] = (uint32_t) i;
        if (is_random)
                shuffle(run.order, pages);
}

static const struct way *way_of(const char *name) {
        for (const struct way *way = ways; way->name; way++)
                if (!strcmp(way->name, name))
                        return way;
        errno = EINVAL;
        die(name);
}

static int measure(const struct way *way) {
        pthread_t threads[64];
        struct rusage before, after;
        double from, to, end, pages = (double) run.setting.buffer_pages;

        run.range = way->open(&run.setting);
        touch(0, run.setting.buffer_pages);
        pthread_barrier_init(&start, NULL, run.setting.threads + 1);
        for (uintptr_t i = 0; i < run.setting.threads; i++)
                if (pthread_create(&threads[i], NULL, touch_share, (void *) i))
                        die("pthread_create");
        getrusage(RUSAGE_SELF, &before);
        from = seconds();
        pthread_barrier_wait(&start);
        for (unsigned i = 0; i < run.setting.threads; i++)
                pthread_join(threads[i], NULL);
        to = seconds();
        getrusage(RUSAGE_SELF, &after);
        way->close();
        end = seconds();
        if (run.setting.writes)
                run.wrong += count_wrong();
        if (run.wrong) {
                fprintf(stderr, "Cannot trust %s: %lu pages are not what they should be\n", way->name, (unsigned long) run.wrong);
                return 1;
        }
        printf("%f %f %f %f %f\n", 1e6 * (to - from) / pages, 1e6 * (cpu_seconds(&after) - cpu_seconds(&before)) / pages,
               (double) (after.ru_nvcsw - before.ru_nvcsw) / pages, (double) (after.ru_nivcsw - before.ru_nivcsw) / pages, end - to);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 4 && !strcmp(argv[1], "make"))
                return make(argv[2], strtoull(argv[3], NULL, 10));
        if (argc != 11 || strcmp(argv[1], "run"))
                return fprintf(stderr, "usage: see main.c\n"), 2;
        run.setting = (struct setting) {
                .threads = (unsigned) atoi(argv[4]),
                .path = argv[6],
                .pages = strtoull(argv[7], NULL, 10),
                .buffer_pages = strtoull(argv[8], NULL, 10),
                .window = strtoull(argv[9], NULL, 10),
        };
        run.seed = strtoull(argv[10], NULL, 10) + WORDS;
        if (run.setting.threads < 1 || run.setting.threads > 64 || 2 * run.setting.buffer_pages > run.setting.pages)
                return fprintf(stderr, "1 to 64 threads, and a buffer of at most half the file\n"), 2;
        choose_cpus(argv[5]);
        choose_pattern(argv[3]);
        /* What a way leaves running ends with the process. */
        fflush(stdout);
        argc = measure(way_of(argv[2]));
        fflush(stdout);
        _exit(argc);
}
