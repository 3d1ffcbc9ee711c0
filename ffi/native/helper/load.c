/* nodeos-helper load: what else a node does while an application runs on it. Each thread multiplies small matrices,
 * streams through memory larger than a cache and sleeps for a moment, in changing turns: the sleeps make the kernel
 * prefer it when it wakes, so it preempts whoever runs there. Ends at SIGTERM, or when its time is over. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "helper.h"

#define THREADS_MAX 1024
#define ORDER 48
#define STREAM_BYTES (8u << 20)

static const char usage[] =
        "usage: nodeos-helper load [options]\n"
        "\n"
        "Computes, streams memory and sleeps in turns, until SIGTERM or until its time is over.\n"
        "\n"
        "  --threads N   threads, 1 to 1024; default 2\n"
        "  --seconds S   how long at most, 0.01 to 3600; default 10\n";

static atomic_int stopped;
static double end_seconds;

static void stop(int signal) {
        (void) signal;
        atomic_store(&stopped, 1);
}

static int is_over(void) {
        return atomic_load(&stopped) || now_seconds() >= end_seconds;
}

static void multiply(double (*a)[ORDER], double (*b)[ORDER], double (*c)[ORDER]) {
        for (int i = 0; i < ORDER; i++)
                for (int j = 0; j < ORDER; j++) {
                        double sum = 0;

                        for (int k = 0; k < ORDER; k++)
                                sum += a[i][k] * b[k][j];
                        c[i][j] = sum * 0.5;
                }
}

static void doze(unsigned int us) {
        struct timespec time = { .tv_nsec = (long) us * 1000 };

        nanosleep(&time, NULL);
}

static void *work(void *argument) {
        /* A linear congruence per thread: threads differ, runs do not. */
        uint32_t random = (uint32_t) (uintptr_t) argument * 2654435761u + 1;
        double (*matrix)[ORDER][ORDER] = calloc(3, sizeof(*matrix));
        unsigned char *stream = malloc(STREAM_BYTES);

        for (int i = 0; matrix && i < ORDER * ORDER; i++)
                matrix[0][i / ORDER][i % ORDER] = matrix[1][i / ORDER][i % ORDER] = 1.0 / (i + 1);
        while (matrix && stream && !is_over()) {
                random = random * 1664525u + 1013904223u;
                for (uint32_t i = 0; i < 8 + (random >> 24) % 120 && !is_over(); i++)
                        multiply(matrix[i % 3], matrix[(i + 1) % 3], matrix[(i + 2) % 3]);
                if (random >> 31 && !is_over())
                        memset(stream, (int) (random & 255), STREAM_BYTES);
                doze(50 + (random >> 16) % 1000);
        }
        free(stream);
        free(matrix);
        return NULL;
}

int load_main(int argc, char **argv) {
        double threads = 2, seconds = 10;
        const struct option_spec options[] = {
                { "threads", &threads, 1, THREADS_MAX, NULL },
                { "seconds", &seconds, 0.01, 3600, NULL },
        };
        int status = parse_options(argc, argv, options, sizeof(options) / sizeof(*options), usage);
        struct sigaction action = { .sa_handler = stop };
        pthread_t ids[THREADS_MAX];
        int started = 0;

        if (status >= 0)
                return status;
        end_seconds = now_seconds() + seconds;
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        for (int i = 1, error; i < (int) threads; i++, started++) {
                error = pthread_create(&ids[started], NULL, work, (void *) (uintptr_t) i);
                if (error) {
                        fail(1, "Cannot start thread %d of %d: %s", i + 1, (int) threads, strerror(error));
                        status = 1;
                        stop(SIGTERM);
                        break;
                }
        }
        work(NULL);
        for (int i = 0; i < started; i++)
                pthread_join(ids[i], NULL);
        return status < 0 ? 0 : status;
}
