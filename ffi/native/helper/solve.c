/* nodeos-helper solve: a small HPC application of our own. Conjugate gradients on the 5-point Laplacian of a square,
 * rows dealt out to threads; three barriers and two global sums in every iteration, so that a detour on one CPU is
 * waited for on all of them. The same size, threads and iterations are the same work, to the last bit. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"

#define THREADS_MAX 1024
#define TOLERANCE 1e-12

static const char usage[] =
        "usage: nodeos-helper solve [options]\n"
        "\n"
        "Solves a Poisson problem by conjugate gradients and prints how long that took.\n"
        "\n"
        "  --threads N      threads, 1 to 1024; default 2. They stay where the kernel puts them\n"
        "  --size M         grid of M by M unknowns, 8 to 8192; default 256\n"
        "  --iterations K   iterations at most, 1 to 1000000; default 2000; ends at a residual of 1e-12\n";

/* Spins, as MPI and OpenMP do while they wait, and yields when others may need the CPU to get here at all. */
struct barrier {
        atomic_int waiting;
        atomic_int phase;
        int threads;
};

/* One thread's part of a sum, on a cache line of its own. */
struct partial {
        _Alignas(128) double value;
};

struct problem {
        int threads, size, iterations;
        size_t stride;            /* doubles in a row: the unknowns and the boundary at both ends */
        double *x, *r, *p, *ap;   /* size + 2 rows each; the outermost stay 0 */
        double sum, residual, seconds, worst_seconds;
        int done;
        struct barrier barrier;
        struct partial pap[THREADS_MAX], rr[THREADS_MAX];
};

struct worker {
        struct problem *problem;
        int index;
};

static inline void relax(void) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
}

static void wait_all(struct barrier *barrier) {
        int phase = atomic_load_explicit(&barrier->phase, memory_order_acquire);

        if (atomic_fetch_add_explicit(&barrier->waiting, 1, memory_order_acq_rel) + 1 == barrier->threads) {
                atomic_store_explicit(&barrier->waiting, 0, memory_order_relaxed);
                atomic_store_explicit(&barrier->phase, phase + 1, memory_order_release);
                return;
        }
        for (int spins = 0; atomic_load_explicit(&barrier->phase, memory_order_acquire) == phase; spins++) {
                if (spins < 10000)
                        relax();
                else
                        sched_yield();
        }
}

/* In the order of the threads, so every thread gets the same sum in every run. */
static double total(const struct problem *problem, const struct partial *parts) {
        double sum = 0;

        for (int i = 0; i < problem->threads; i++)
                sum += parts[i].value;
        return sum;
}

/* The 5-point Laplacian of one row. */
static void apply(const double *restrict in, double *restrict out, size_t stride, int size) {
        for (int j = 1; j <= size; j++)
                out[j] = 4 * in[j] - in[j - 1] - in[j + 1] - in[j - (ptrdiff_t) stride] - in[j + (ptrdiff_t) stride];
}

static double dot(const double *a, const double *b, int size) {
        double sum = 0;

        for (int j = 1; j <= size; j++)
                sum += a[j] * b[j];
        return sum;
}

/* Rows first to last of one iteration; returns the new squared residual. */
static double iterate(struct problem *q, int index, int first, int last, double rr) {
        size_t stride = q->stride;
        double sum = 0, alpha, beta, rr_new;

        for (int i = first; i < last; i++) {
                apply(q->p + (size_t) i * stride, q->ap + (size_t) i * stride, stride, q->size);
                sum += dot(q->p + (size_t) i * stride, q->ap + (size_t) i * stride, q->size);
        }
        q->pap[index].value = sum;
        wait_all(&q->barrier);

        alpha = rr / total(q, q->pap);
        sum = 0;
        for (int i = first; i < last; i++) {
                double *x = q->x + (size_t) i * stride, *r = q->r + (size_t) i * stride;
                const double *p = q->p + (size_t) i * stride, *ap = q->ap + (size_t) i * stride;

                for (int j = 1; j <= q->size; j++) {
                        x[j] += alpha * p[j];
                        r[j] -= alpha * ap[j];
                }
                sum += dot(r, r, q->size);
        }
        q->rr[index].value = sum;
        wait_all(&q->barrier);

        rr_new = total(q, q->rr);
        beta = rr_new / rr;
        for (int i = first; i < last; i++) {
                double *p = q->p + (size_t) i * stride;
                const double *r = q->r + (size_t) i * stride;

                for (int j = 1; j <= q->size; j++)
                        p[j] = r[j] + beta * p[j];
        }
        wait_all(&q->barrier);
        return rr_new;
}

/* A NaN wins, so that a broken solution never looks like a good one. */
static double larger(double a, double b) {
        return b <= a ? a : b;
}

/* The residual as it is, the largest |b - A x|, and not as the recurrence believes it to be; b is 1 everywhere. */
static double true_residual(struct problem *q, int index, int first, int last) {
        double worst = 0;

        for (int i = first; i < last; i++) {
                double *ap = q->ap + (size_t) i * q->stride;

                apply(q->x + (size_t) i * q->stride, ap, q->stride, q->size);
                for (int j = 1; j <= q->size; j++)
                        worst = larger(worst, fabs(1 - ap[j]));
        }
        q->rr[index].value = worst;
        wait_all(&q->barrier);
        for (int i = 0; i < q->threads; i++)
                worst = larger(worst, q->rr[i].value);
        return worst;
}

static void *work(void *argument) {
        const struct worker *worker = argument;
        struct problem *q = worker->problem;
        int first = 1 + (int) ((int64_t) q->size * worker->index / q->threads);
        int last = 1 + (int) ((int64_t) q->size * (worker->index + 1) / q->threads);
        double rr = (double) q->size * q->size, start, before, worst = 0, residual;
        int done = 0;

        /* The thread that works on a page is the first to touch it: it lies on that thread's memory node. */
        for (int i = first; i < last; i++)
                for (int j = 1; j <= q->size; j++)
                        q->r[(size_t) i * q->stride + (size_t) j] = q->p[(size_t) i * q->stride + (size_t) j] = 1;
        wait_all(&q->barrier);

        start = before = now_seconds();
        while (done < q->iterations && rr > TOLERANCE * TOLERANCE * q->size * q->size) {
                double now;

                rr = iterate(q, worker->index, first, last, rr);
                done++;
                now = now_seconds();
                worst = larger(worst, now - before);
                before = now;
        }
        residual = true_residual(q, worker->index, first, last);
        if (worker->index == 0) {
                q->seconds = before - start;
                q->worst_seconds = worst;
                q->done = done;
                q->residual = residual;
        }
        return NULL;
}

static int run(struct problem *q) {
        pthread_t threads[THREADS_MAX];
        struct worker workers[THREADS_MAX];

        for (int i = 0; i < q->threads; i++)
                workers[i] = (struct worker) { .problem = q, .index = i };
        for (int i = 1; i < q->threads; i++) {
                int error = pthread_create(&threads[i], NULL, work, &workers[i]);

                /* Those that run would wait for ever at the first barrier: the process ends, and they with it. */
                if (error)
                        return fail(1, "Cannot start thread %d of %d: %s", i + 1, q->threads, strerror(error));
        }
        work(&workers[0]);
        for (int i = 1; i < q->threads; i++)
                pthread_join(threads[i], NULL);
        return 0;
}

int solve_main(int argc, char **argv) {
        double threads = 2, size = 256, iterations = 2000;
        const struct option_spec options[] = {
                { "threads", &threads, 1, THREADS_MAX, NULL },
                { "size", &size, 8, 8192, NULL },
                { "iterations", &iterations, 1, 1e6, NULL },
        };
        int status = parse_options(argc, argv, options, sizeof(options) / sizeof(*options), usage);
        struct problem *q;
        size_t cells;

        if (status >= 0)
                return status;
        q = aligned_alloc(128, sizeof(*q));
        if (!q)
                return fail(1, "Cannot get memory for %d threads", (int) threads);
        memset(q, 0, sizeof(*q));
        q->threads = threads > size ? (int) size : (int) threads;
        q->barrier.threads = q->threads;
        q->size = (int) size;
        q->iterations = (int) iterations;
        q->stride = (size_t) q->size + 2;
        cells = q->stride * q->stride;
        q->x = calloc(4 * cells, sizeof(double));
        if (!q->x) {
                free(q);
                return fail(1, "Cannot get memory for a grid of %d by %d", (int) size, (int) size);
        }
        q->r = q->x + cells;
        q->p = q->r + cells;
        q->ap = q->p + cells;
        status = run(q);
        if (status == 0)
                printf("seconds=%.6f iterationsPerSecond=%.1f worstIterationSeconds=%.6f residual=%.3e iterations=%d threads=%d size=%d\n",
                       q->seconds, q->done / q->seconds, q->worst_seconds, q->residual, q->done, q->threads, q->size);
        free(q->x);
        free(q);
        return status;
}
