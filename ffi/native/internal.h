/* Shared by the .c files of libnodeos; not part of the ABI. */
#ifndef NODEOS_INTERNAL_H
#define NODEOS_INTERNAL_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "nodeos.h"

static inline void close_fd(const int *fd) {
        int saved = errno;

        if (*fd >= 0)
                close(*fd);
        errno = saved;
}

#define CLEANUP_FD __attribute__((cleanup(close_fd)))

/* Opens a kernel file below the allowed roots; flags are those of open(2). Returns the descriptor, or -errno. */
int kernel_open(const char *path, int flags);

/* Reads a whole kernel file into ret_data and ends it with a NUL, by its path. */
int32_t kernel_read_path(const char *path, uint8_t *ret_data, int32_t size);

/* Reads a whole kernel file into ret_data and ends it with a NUL. Returns the byte count, or -errno. */
int32_t kernel_read(int fd, uint8_t *ret_data, int32_t size);

/* Fills ret_names with the names in a directory, each behind d, l or f and with its NUL, and closes the descriptor. Returns the
 * byte count, or -errno: that of a descriptor that is none, -EFBIG. */
int32_t directory_list(int fd, uint8_t *ret_names, int32_t size);

/* What /proc says of a process or one thread. Returns 0, or -errno. */
struct thread_stat {
        char state;
        int32_t cpu; /* it runs there, or ran there last */
        uint64_t start_ticks;
};
int thread_stat_read(int32_t tid, struct thread_stat *ret_stat);

/* Placement of a container's threads, in place.c; threads_path has to outlive it. NULL when there is no memory. */
struct placer;
struct placer *placer_new(const char *threads_path, const uint64_t *cpus);
/* Looks at the threads once. Returns how many were new or moved, or -errno. */
int placer_look(struct placer *placer);
void placer_free(struct placer *placer);

/* Forwarding of signals, in forward.c: handlers in place (what comes is kept), a program to pass it on to, and back.
 * forward_start returns 0 or -errno: -EBUSY while it is on for another program. */
int forward_start(void);
void forward_to(int pidfd);
void forward_stop(void);
/* The same, if it is this program that signals are passed on to. */
void forward_stop_for(int pidfd);

#endif
