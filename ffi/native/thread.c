/* Threads of ours: they take no signals, which are the main thread's, and need little stack. */
#define _GNU_SOURCE
#include <signal.h>

#include "thread.h"

int thread_start(pthread_t *ret_thread, void *(*main)(void *), void *argument) {
        pthread_attr_t attributes;
        sigset_t all, old;
        int error;

        sigfillset(&all);
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 256 * 1024);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        error = pthread_create(ret_thread, &attributes, main, argument);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        pthread_attr_destroy(&attributes);
        return -error;
}
