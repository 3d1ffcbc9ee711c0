/* Children, which have no regions: what they read is the kernel's mapping of the same files. And the end, when what was written has to
 * be in its file as the kernel would have it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

static int copied[2] = { -1, -1 }; /* the child closes its end when it has copied what it needs of the parent's second files */

static void flush_all(void) {
        for (struct mapping *mapping = preload.mappings; mapping; mapping = mapping->next)
                if (mapping->is_writable)
                        nodeos_region_flush(mapping->region, 0, 0);
}

/* What both are to see has to be the kernel's, for both; threads of the program could be using it just now, and keep what they have. */
static void hand_over_shared(void) {
        struct mapping *next;

        for (struct mapping *mapping = preload.mappings; mapping; mapping = next) {
                next = mapping->next;
                if (!mapping->is_shared || !mapping->is_writable || mapping->is_not_for_children)
                        continue;
                if (preload.has_threads)
                        say("a child will not see what is written to a shared mapping of %zu KiB, nor be seen", mapping->left >> 10);
                else
                        mapping_hand_over(mapping, "a child shares it");
        }
}

static void before_fork(void) {
        table_lock();
        hand_over_shared();
        flush_all();
        if (preload.mappings && pipe2(copied, O_CLOEXEC) < 0)
                copied[0] = copied[1] = -1;
}

static void close_end(int index) {
        if (copied[index] >= 0)
                syscall(SYS_close, copied[index]);
        copied[index] = -1;
}

/* Until then nothing may be written to the second files. */
static void after_fork_in_parent(void) {
        int kept = errno;
        char nothing;

        close_end(1);
        while (copied[0] >= 0 && syscall(SYS_read, copied[0], &nothing, 1) < 0 && errno == EINTR)
                ;
        close_end(0);
        errno = kept;
        table_unlock();
}

static void after_fork_in_child(void) {
        int kept = errno;

        for (struct mapping *mapping = preload.mappings; mapping; mapping = mapping->next)
                if (!mapping->is_not_for_children)
                        mapping_parts(mapping, mapping_replace, 0);
        preload.is_on = false;
        preload.count = 0;
        preload.mappings = NULL;
        close_end(0);
        close_end(1);
        errno = kept;
        table_unlock();
}

PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
        static int (*next)(pthread_t *, const pthread_attr_t *, void *(*) (void *), void *);

        if (!next)
                next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*) (void *), void *)) dlsym(RTLD_NEXT, "pthread_create");
        if (!IS_OURS)
                preload.has_threads = true;
        return next(thread, attributes, run, argument);
}

/* Whichever way the program ends. What it writes after this from other libraries' destructors is in the file only if it ends by _exit. */
static void end(void) {
        static bool is_said;

        if (!preload.is_on || getpid() != preload.started)
                return;
        table_lock();
        flush_all();
        for (struct mapping *mapping = preload.mappings; mapping && !is_said; mapping = mapping->next)
                mapping_count(mapping);
        table_unlock();
        if (!is_said && preload.mapped)
                say("%" PRIu64 " mappings through regions, %" PRIu64 " of them handed over; %" PRIu64 " faults; pages of 4 KiB: %" PRIu64
                    " read, %" PRIu64 " written, %" PRIu64 " evicted",
                    preload.mapped, preload.handed_over, preload.statistics.faults, preload.statistics.read_pages,
                    preload.statistics.written_pages, preload.statistics.evicted_pages);
        is_said = true;
}

PUBLIC _Noreturn void _exit(int status) {
        end();
        for (;;)
                syscall(SYS_exit_group, status);
}

PUBLIC _Noreturn void _Exit(int status) __attribute__((alias("_exit")));

__attribute__((destructor)) static void stop(void) {
        end();
}

void fork_start(void) {
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
