/* Work that joins a cgroup with other NUMA nodes than ours is done by a small process that is not us: the kernel moves the memory
 * of who joins, shared or copied on write, and ours is Deno's. apart.c asks nodeos-helper, helper/apart.c is the other side. */
#ifndef NODEOS_APART_H
#define NODEOS_APART_H

#include <signal.h>
#include <sys/types.h>

#include "internal.h"

enum apart_kind { APART_LAUNCH = 1, APART_POPULATE };

enum { APART_TEXT_MAX = 8192, APART_FDS_MAX = 4 };

/* One message to nodeos-helper. To launch, the request comes as a memfd, and behind it the descriptors for 0, 1 and 2 that are
 * not to be kept, in this order. */
struct apart_request {
        uint32_t kind; /* enum apart_kind */
        int32_t parent;
        sigset_t mask; /* what a program inherits */
        uint32_t ignored; /* which of the C library's own signals it inherits as ignored: bit 0 is signal 32 */
        int64_t from, to, keep; /* the arguments of memory_populate_here */
        int32_t node;
        uint32_t uid, gid;
        uint32_t size; /* of the launch request, or of text */
        char text[APART_TEXT_MAX]; /* path and cgroups, each with its NUL */
};

/* Its answer; descriptors are those of `launched` that are not -1, in the order pidfd, listener. */
struct apart_answer {
        int32_t result;
        struct nodeos_launched launched;
};

/* Does it in a process of its own. Results are those of nodeos_launch and memory_populate_here; -ENOENT and others when there is
 * no nodeos-helper beside the library, -ECHILD when it was killed. */
int apart_launch(const uint8_t *request, int32_t size, struct nodeos_launched *ret_launched);
int32_t apart_populate(struct apart_request *request);

/* The C library ignores its own two signals, 32 and 33, in what it spawns, and lets nobody look or change that: bits of those
 * that are ignored in this process, and makes them so. */
uint32_t internal_signals_ignored(void);
void internal_signals_set(uint32_t ignored);

/* One message with descriptors, of which receiving closes those that there is no room for. Both return bytes, or -errno. */
ssize_t apart_send(int socket, const void *data, size_t size, const int *fds, int count);
ssize_t apart_receive(int socket, void *data, size_t size, int *ret_fds, int *ret_count);

/* For whom somebody else starts a program: its parent, and the signal mask that it inherits. */
struct launch_origin {
        pid_t parent;
        sigset_t mask;
};

/* nodeos_launch, without NODEOS_LAUNCH_OWN_MEMORY; origin NULL: for ourselves. A child of somebody else is theirs to wait for, and
 * ret_launched has its pid and pidfd even when it failed. */
int launch_for(const struct launch_origin *origin, const uint8_t *request, int32_t size, struct nodeos_launched *ret_launched);

#endif
