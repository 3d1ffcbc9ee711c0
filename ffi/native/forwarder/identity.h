/* Of identity.c, for who keeps the status of a thread open. */
#ifndef NODEOS_FORWARDER_IDENTITY_H
#define NODEOS_FORWARDER_IDENTITY_H

#include <stdbool.h>

#include "forwarder.h"

/* Opens /proc/TID/status. Returns the descriptor, or -errno: -ESRCH when the thread is gone. */
int identity_open(int32_t tid);
/* Reads an open one anew, and whether the thread can gain no rights by executing programs. The errors of identity_read. */
int identity_read_from(int status_fd, struct identity *ret_identity, bool *ret_no_new_privileges);

#endif
