/* Waiting for several programs with one call at a time: a thread for each one waits and places, and whoever asks gets the
 * endings in their order. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "thread.h"

struct ending {
        struct ending *next;
        int32_t token;
        int32_t pidfd;
        int32_t result;
        char *threads_path;
        uint64_t cpus[NODEOS_CPU_WORDS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
/* Endings that nobody has asked for yet, the first one first. */
static struct ending *first;
static struct ending **last = &first;

static void *watch_main(void *argument) {
        struct ending *ending = argument;

        ending->result = nodeos_wait((struct nodeos_wait_call){ ending->pidfd, -1 }, ending->threads_path, ending->cpus);
        /* Unless that number stands for nothing, or soon for something else. */
        if (ending->result < 0 && ending->result != -EBADF)
                close(ending->pidfd);
        pthread_mutex_lock(&lock);
        *last = ending;
        last = &ending->next;
        pthread_cond_signal(&came);
        pthread_mutex_unlock(&lock);
        return NULL;
}

static void ending_free(struct ending *ending) {
        free(ending->threads_path);
        free(ending);
}

int32_t nodeos_ending_watch(int32_t token, int32_t pidfd, const char *threads_path, const uint64_t *cpus) {
        struct ending *ending = calloc(1, sizeof(*ending));
        pthread_t thread;
        int error;

        if (!ending)
                return -ENOMEM;
        ending->token = token;
        ending->pidfd = pidfd;
        ending->threads_path = strdup(threads_path);
        memcpy(ending->cpus, cpus, sizeof(ending->cpus));
        error = ending->threads_path ? thread_start(&thread, watch_main, ending) : -ENOMEM;
        if (error) {
                ending_free(ending);
                return error;
        }
        pthread_detach(thread);
        return 0;
}

int32_t nodeos_ending_next(int32_t *ret_token) {
        struct ending *ending;
        int32_t result;

        pthread_mutex_lock(&lock);
        while (!first)
                pthread_cond_wait(&came, &lock);
        ending = first;
        first = ending->next;
        if (!first)
                last = &first;
        pthread_mutex_unlock(&lock);
        *ret_token = ending->token;
        result = ending->result;
        ending_free(ending);
        return result;
}
