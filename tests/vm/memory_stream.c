/* A program like STREAM, for the tests of units; it knows nothing of them. Static arrays, arrays from malloc and from mmap, small
 * pieces, and threads with stacks of their own.
 *
 *   memory_stream run ROUNDS STATUS      touches all of it, then goes over it ROUNDS times, counts the page faults of that, writes
 *                                        "faults N after M first, sum S" to STATUS, and sleeps
 *   memory_stream exhaust STATUS         asks for more until it is refused, by malloc and by mmap, in turn with what it has being
 *                                        used; writes "malloc ENOMEM after N MiB, mmap ENOMEM after M MiB" to STATUS, gives all
 *                                        back, takes some again, and sleeps
 *   memory_stream keep STATUS            as soon as STATUS.max is there, takes all there is by malloc, keeps it, and tries for
 *                                        ever to get more; writes "has N MiB" to STATUS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LENGTH = 256 << 10, THREADS = 2, PIECES = 4000, STEP = 4 << 20, STEPS_MAX = 512 };

static double a[LENGTH], b[LENGTH], c[LENGTH];
static double initialised[LENGTH / 4] = { 1 };
static double *heap[3], *mapped;
static char *pieces[PIECES];
static pthread_barrier_t barrier;
static int rounds;
static long faults_first, faults_after;

static void report(const char *path, const char *format, ...) {
        FILE *file = fopen(path, "we");
        va_list list;

        if (!file)
                exit(3);
        va_start(list, format);
        vfprintf(file, format, list);
        va_end(list);
        fclose(file);
}

static long faults(void) {
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_minflt + usage.ru_majflt;
}

static void *allocate(size_t bytes) {
        void *memory = malloc(bytes);

        if (!memory) {
                fprintf(stderr, "memory_stream: no %zu bytes: %s\n", bytes, strerrorname_np(errno));
                exit(4);
        }
        return memory;
}

static void pass(double *x, double *y, double *z, size_t from, size_t to) {
        for (size_t i = from; i < to; i++)
                z[i] = x[i];
        for (size_t i = from; i < to; i++)
                y[i] = 3 * z[i];
        for (size_t i = from; i < to; i++)
                z[i] = x[i] + y[i];
        for (size_t i = from; i < to; i++)
                x[i] = y[i] + 3 * z[i] > 1e100 ? 1 : y[i] + 3 * z[i];
}

static void all(size_t thread) {
        size_t from = thread * LENGTH / THREADS, to = (thread + 1) * LENGTH / THREADS;

        pass(a, b, c, from, to);
        pass(heap[0], heap[1], heap[2], from, to);
        pass(mapped, mapped + LENGTH, mapped + 2 * LENGTH, from, to);
        for (size_t i = thread; i < PIECES; i += THREADS)
                pieces[i][0]++;
        for (size_t i = thread; i < LENGTH / 4; i += THREADS)
                initialised[i] += 1;
}

static void *work(void *argument) {
        size_t thread = (size_t) argument;

        all(thread);
        all(thread);
        pthread_barrier_wait(&barrier);
        if (thread == 0)
                faults_first = faults();
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < rounds; i++)
                all(thread);
        pthread_barrier_wait(&barrier);
        if (thread == 0)
                faults_after = faults();
        pthread_barrier_wait(&barrier);
        for (;;)
                pause();
        return NULL;
}

static int run(const char *path) {
        pthread_t threads[THREADS];

        for (int i = 0; i < 3; i++)
                heap[i] = allocate(LENGTH * sizeof(double));
        mapped = mmap(NULL, 3 * LENGTH * sizeof(double), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED)
                return 4;
        for (size_t i = 0; i < LENGTH; i++)
                a[i] = heap[0][i] = mapped[i] = 1;
        for (int i = 0; i < PIECES; i++)
                pieces[i] = memset(allocate(16 + (size_t) i % 1500), 1, 16);
        pthread_barrier_init(&barrier, NULL, THREADS + 1);
        for (size_t i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, work, (void *) i))
                        return 4;
        for (int i = 0; i < 4; i++)
                pthread_barrier_wait(&barrier);
        report(path, "faults %ld after %ld first, sum %g\n", faults_after - faults_first, faults_first,
               a[1] + heap[0][2] + mapped[3] + pieces[5][0] + initialised[6]);
        for (;;)
                pause();
}

/* How much there is, in pieces that are all used; 0 and what errno says. */
static int fill(void *steps[], int is_mapped, const char **ret_error) {
        int count = 0;

        for (; count < STEPS_MAX; count++) {
                void *memory = is_mapped ? mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : malloc(STEP - 64);

                if (!memory || memory == MAP_FAILED) {
                        *ret_error = strerrorname_np(errno);
                        return count;
                }
                steps[count] = memset(memory, count | 1, STEP - 64);
        }
        *ret_error = "nothing";
        return count;
}

static void empty(void *steps[], int count, int is_mapped) {
        for (int i = 0; i < count; i++) {
                if (((unsigned char *) steps[i])[STEP / 2] != (unsigned char) (i | 1))
                        abort();
                if (is_mapped)
                        munmap(steps[i], STEP);
                else
                        free(steps[i]);
        }
}

static int exhaust(const char *path) {
        static void *steps[STEPS_MAX];
        const char *by_malloc, *by_mmap;
        int malloced, mmapped, again;

        malloced = fill(steps, 0, &by_malloc);
        empty(steps, malloced, 0);
        mmapped = fill(steps, 1, &by_mmap);
        empty(steps, mmapped, 1);
        again = malloced / 2;
        for (int i = 0; i < again; i++)
                steps[i] = memset(allocate(STEP - 64), i | 1, STEP - 64);
        report(path, "malloc %s after %d MiB, mmap %s after %d MiB\n", by_malloc,
               malloced * (STEP >> 20), by_mmap, mmapped * (STEP >> 20));
        return pause();
}

/* Down to the last huge page. */
static _Noreturn void keep(const char *path) {
        static void *volatile last;
        size_t has = 0;
        char go[200];

        snprintf(go, sizeof(go), "%s.max", path);
        for (report(path, "ready\n"); access(go, F_OK) < 0;)
                usleep(20 * 1000);
        for (;;) {
                for (size_t size = STEP; size >= 64 << 10;) {
                        void *memory = malloc(size - 64);

                        if (memory) {
                                last = memset(memory, 1, size - 64);
                                has += size;
                        } else {
                                size /= 2;
                        }
                }
                report(path, "has %zu MiB%s\n", has >> 20, last ? "" : ", nothing");
                usleep(100 * 1000);
        }
}

int main(int argc, char **argv) {
        if (argc == 4 && !strcmp(argv[1], "run")) {
                rounds = atoi(argv[2]);
                return run(argv[3]);
        }
        if (argc == 3 && !strcmp(argv[1], "exhaust"))
                return exhaust(argv[2]);
        if (argc == 3 && !strcmp(argv[1], "keep"))
                keep(argv[2]);
        fputs("usage: memory_stream run ROUNDS STATUS | exhaust STATUS | keep STATUS\n", stderr);
        return 2;
}
