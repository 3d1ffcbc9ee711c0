/* Between the .c files of nodeos-forwarder. The keeper (keeper.c) holds what must survive: listeners, board, sockets. It
 * forks the forwarder (serve.c and what it uses), the agents (agent.c), and executes the sidecar. */
#ifndef NODEOS_FORWARDER_H
#define NODEOS_FORWARDER_H

#include <stdint.h>

#include "../board.h"

/* What the keeper sends to the forwarder, on a SOCK_SEQPACKET pair, with a descriptor. The forwarder answers each with an
 * int32 result. */
struct keeper_message {
        uint32_t kind;   /* NODEOS_CONTROL_LISTEN or NODEOS_CONTROL_HANDLE */
        uint32_t number; /* of the listener; never used again for another one of this keeper */
};

/* The forwarder: serves the listeners that come over `channel` until that one is closed. record_fd takes the lines of
 * NODEOS_ACTION_RECORD, or is -1. Never returns. */
_Noreturn void forwarder_run(struct nodeos_board *board, int channel, int record_fd);

/* --- identity.c: who a thread is ---------------------------------------------------------------------------------- */

enum { IDENTITY_GROUPS = 4096 };

struct identity {
        int32_t tgid;
        uint32_t ruid, euid, suid, fsuid;
        uint32_t rgid, egid, sgid, fsgid;
        uint32_t umask;
        uint64_t effective, permitted, inheritable; /* capabilities */
        uint32_t group_count;
        uint32_t groups[IDENTITY_GROUPS];
};

/* Reads /proc/TID/status. Returns 0, or -errno: -ESRCH when the thread is gone, -E2BIG with too many groups. */
int identity_read(int32_t tid, struct identity *ret_identity);
/* 1 when the thread has another root directory, or another user, mount or network namespace than we; 0; or -errno. */
int identity_is_foreign(int32_t tid);

/* --- agent.c -------------------------------------------------------------------------------------------------------- */

/* The agent: executes call frames that come over `socket`, with the rights of a process, until the socket is closed. Called
 * in a child of the keeper, with everything else closed. Never returns. */
_Noreturn void agent_run(const struct nodeos_board *board, int socket, const struct identity *identity, int32_t pid);

#endif
