/* Of identity.c, for who keeps the status of a thread open. */
#ifndef NODEOS_FORWARDER_IDENTITY_H
#define NODEOS_FORWARDER_IDENTITY_H

#include <stdbool.h>

#include "forwarder.h"

/* Opens /proc/TID/status. Returns the descriptor, or -errno: -ESRCH when the thread is gone. */
int identity_open(int32_t tid);
/* What a status says besides who the thread is. */
struct identity_more {
        bool no_new_privileges; /* it can gain no rights by executing programs */
};

/* Reads an open one anew. The errors of identity_read. */
int identity_read_from(int status_fd, struct identity *ret_identity, struct identity_more *ret_more);

/* What the kernel says of the thread or process of a pidfd: linux/pidfd.h of 6.13; older headers have neither. */
struct identity_info {
        uint64_t mask, cgroup;
        uint32_t tid, tgid, parent;
        uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
        int32_t exit_code;
};
_Static_assert(sizeof(struct identity_info) == 64, "the first version of pidfd_info");

/* Returns 0, or -errno: -ESRCH when the thread is gone, -ENOTTY before Linux 6.13. */
int identity_info_read(int pidfd, struct identity_info *ret_info);

#endif
