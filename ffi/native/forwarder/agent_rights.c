/* Becoming somebody: an agent turns from root into the process that it works for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../internal.h"
#include "agent.h"

static rlim_t least(rlim_t one, rlim_t other) {
        return one < other ? one : other;
}

/* The same limits as the peer's, as far as they are about what an agent does: what root may is no measure for others. Only a
 * process of the same user may ask for them without CAP_SYS_RESOURCE, which root may lack. */
static int take_limits(int32_t pid) {
        static const int kinds[] = { RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU };
        struct rlimit limit, own, no_core = { 0, 0 };

        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
                if (prlimit(pid, kinds[i], NULL, &limit) < 0 || getrlimit(kinds[i], &own) < 0)
                        return -errno;
                if (kinds[i] == RLIMIT_NOFILE)
                        own.rlim_max = least(own.rlim_max, AGENT_SOCKET);
                limit.rlim_max = least(limit.rlim_max, own.rlim_max);
                limit.rlim_cur = least(limit.rlim_cur, limit.rlim_max);
                if (setrlimit(kinds[i], &limit) < 0)
                        return -errno;
        }
        return setrlimit(RLIMIT_CORE, &no_core) < 0 ? -errno : 0;
}

/* The peer may stand in a directory that it could not enter: for the first try we still can. */
static int enter(int directory, int *ret_is_late) {
        *ret_is_late = fchdir(directory) < 0;
        return *ret_is_late && errno != EACCES ? -errno : 0;
}

static int take_ids(const struct identity *identity, uint64_t capabilities) {
        const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
        int error;

        if (prctl(PR_SET_SECUREBITS, bits) < 0)
                return -errno;
        error = child_bound_capabilities(capabilities);
        if (error < 0)
                return error;
        if (syscall(SYS_setgroups, identity->group_count, identity->groups) < 0 ||
            syscall(SYS_setresgid, identity->egid, identity->egid, identity->egid) < 0 ||
            syscall(SYS_setresuid, identity->euid, identity->euid, identity->euid) < 0)
                return -errno;
        return child_set_capabilities(capabilities);
}

int agent_become(const struct identity *identity, int32_t pid) {
        uint64_t capabilities = identity->euid == 0 ? identity->effective & child_capabilities() : 0;
        CLEANUP_FD int directory = -1;
        pid_t parent = getppid();
        int error, is_late;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
        directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return -errno;
        error = enter(directory, &is_late);
        /* The directory was not that of another program, which it may have executed meanwhile. */
        if (error == 0)
                error = agent_peer_know(identity, pid);
        if (error == 0 && !peer_is(identity, pid))
                error = -EPERM;
        if (error < 0)
                return error;
        umask((mode_t) identity->umask);
        /* A keyring of its own: that of root opens doors as well. Kernels without keys have none to lose. */
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
                return -errno;
        error = take_ids(identity, capabilities);
        if (error == 0)
                error = take_limits(pid);
        if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                error = -errno;
        /* What root left in our memory is not for the peer, who could trace a process of its own. */
        if (error == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
                error = -errno;
        if (error == 0 && is_late && fchdir(directory) < 0)
                error = -errno;
        child_follow(parent);
        return error;
}
