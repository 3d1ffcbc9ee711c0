/* Shares of NUMA nodes: how much of each node's huge pages the programs of a container may have together; not an ABI.
 *
 *      memory_share.c       takes huge pages of nodes on which there is room
 *      memory_share_file.c  what the container says of its shares, and the kernel of what is there
 *
 * The kernel counts huge pages by container, not by node. So the container says in a file ($NODEOS_HUGE_SHARES) how many bytes of
 * which node are its own, and where the kernel tells how many are there. Whoever takes some holds a lock on that file until they
 * are there: what is there is all that counts, and whoever dies leaves nothing to tidy up.
 *
 *      policy bind
 *      near 0 1 2                  a CPU's node, and nodes with shares, the nearest first
 *      pages 2097152 /sys/fs/cgroup/.../hugetlb.2MB.numa_stat 1 67108864 2 33554432
 *
 * Without a line for a size there is nothing to keep: all that the container has is on one node.
 *
 * All of it may be called by malloc: no memory is taken, and no call is one at which a thread could be cancelled. */
#ifndef NODEOS_MEMORY_SHARE_H
#define NODEOS_MEMORY_SHARE_H

#include <stdbool.h>
#include <stddef.h>

enum { SHARES_MAX = 64, SHARE_NODES_MAX = 1024 };

/* Maps huge pages (flags of mmap), which are promised and not there yet. MAP_FAILED and errno. */
void *share_map(size_t bytes, int flags);
/* Makes pages of a new mapping be there, of nodes on which the container's share has room. Returns 1; 0 when no file says
 * anything, and nothing was done; -1 and ENOMEM when they cannot be had. */
int share_populate(void *at, size_t bytes, size_t page);

/* Between the two files; one thread of a process at a time. */
struct shares {
        enum { SHARE_BIND, SHARE_INTERLEAVE, SHARE_PREFERRED } policy;
        int count;
        struct share {
                unsigned node;
                size_t bytes, used;
                bool is_dry; /* the node had no page, whatever the share says */
        } of[SHARES_MAX];
};
extern struct shares shares __attribute__((visibility("hidden")));

/* Whether the environment names a file. */
bool share_file_is_known(void);
/* Opens the file and reads the shares of a page size, with a lock (LOCK_SH or LOCK_EX): LOCK_EX in any case when there are
 * several. Descriptor, or -1 and errno: ETIMEDOUT when somebody has had the lock all the time. */
int share_file_open(int how, size_t page);
void share_file_close(int fd);
/* How much is there of each share. False: the kernel does not say. */
bool share_file_count(void);
/* Calls `is_it` with nodes near this thread, the nearest first, until it is. */
struct share *share_file_nearest(bool (*is_it)(const struct share *share, size_t page, bool is_own), size_t page, bool is_own);

#endif
