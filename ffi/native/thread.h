/* Threads of our own; apart from internal.h, whose users may have the kernel's own scheduling headers. */
#ifndef NODEOS_THREAD_H
#define NODEOS_THREAD_H

#include <pthread.h>

/* Starts a joinable thread that takes no signals. Returns 0, or -errno. */
int thread_start(pthread_t *ret_thread, void *(*main)(void *), void *argument);

#endif
