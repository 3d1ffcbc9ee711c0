/* One thread's scheduling, affinity and memory policy, as the kernel's own calls see them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "internal.h"

int32_t nodeos_sched_get(int32_t tid, struct nodeos_sched_attr *ret_attr) {
        memset(ret_attr, 0, sizeof(*ret_attr));
        return syscall(SYS_sched_getattr, tid, ret_attr, sizeof(*ret_attr), 0) < 0 ? -errno : 0;
}

int32_t nodeos_sched_set(int32_t tid, const struct nodeos_sched_attr *attr) {
        return syscall(SYS_sched_setattr, tid, attr, 0) < 0 ? -errno : 0;
}

int32_t nodeos_affinity_get(int32_t tid, uint64_t *ret_mask) {
        memset(ret_mask, 0, NODEOS_CPU_WORDS * sizeof(*ret_mask));
        if (syscall(SYS_sched_getaffinity, tid, NODEOS_CPU_WORDS * sizeof(*ret_mask), ret_mask) < 0)
                return -errno;
        for (int32_t word = NODEOS_CPU_WORDS - 1; word >= 0; word--)
                if (ret_mask[word])
                        return word * 64 + 63 - __builtin_clzll(ret_mask[word]);
        return -ENODATA;
}

int32_t nodeos_affinity_set(int32_t tid, const uint64_t *mask) {
        return syscall(SYS_sched_setaffinity, tid, NODEOS_CPU_WORDS * sizeof(*mask), mask) < 0 ? -errno : 0;
}

int32_t nodeos_mempolicy_get(int32_t *ret_mode, uint64_t *ret_mask) {
        unsigned long bits = NODEOS_NODE_WORDS * 64;

        memset(ret_mask, 0, NODEOS_NODE_WORDS * sizeof(*ret_mask));
        return syscall(SYS_get_mempolicy, ret_mode, ret_mask, bits, NULL, 0) < 0 ? -errno : 0;
}

int32_t nodeos_mempolicy_set(int32_t mode, const uint64_t *mask) {
        /* The kernel takes the highest bit number plus one here. */
        unsigned long bits = NODEOS_NODE_WORDS * 64 + 1;

        return syscall(SYS_set_mempolicy, mode, mode ? mask : NULL, mode ? bits : 0) < 0 ? -errno : 0;
}

/* Fields 3, 39 and 22 of /proc/TID/stat, counted behind the last ')' since a name may hold anything. */
int thread_stat_read(int32_t tid, struct thread_stat *ret_stat) {
        char path[32], text[1024], *field;
        int32_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", tid);
        n = kernel_read_path(path, (uint8_t *) text, sizeof(text));
        if (n < 0)
                return n;
        field = strrchr(text, ')');
        for (int number = 3; field && number <= 39; number++) {
                field = strchr(field + 1, ' ');
                if (!field)
                        break;
                if (number == 3)
                        ret_stat->state = field[1];
                else if (number == 22)
                        ret_stat->start_ticks = strtoull(field + 1, NULL, 10);
                else if (number == 39)
                        ret_stat->cpu = (int32_t) strtol(field + 1, NULL, 10);
        }
        return field ? 0 : -EPROTO;
}

int32_t nodeos_signal(int32_t pid, uint64_t start_ticks, int32_t signal) {
        CLEANUP_FD int fd = (int) syscall(SYS_pidfd_open, pid, 0);
        struct thread_stat stat;
        int error;

        if (fd < 0)
                return -errno;
        /* The pidfd now names one process for good: if its start agrees, no reuse can come between. */
        error = thread_stat_read(pid, &stat);
        if (error < 0)
                return error == -ENOENT ? -ESRCH : error;
        if (stat.start_ticks != start_ticks)
                return -ESRCH;
        return syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) < 0 ? -errno : 0;
}

int32_t nodeos_signal_ignore(int32_t signal) {
        struct sigaction action = { .sa_handler = SIG_IGN };

        return sigaction(signal, &action, NULL) < 0 ? -errno : 0;
}

int32_t nodeos_uid(void) {
        return (int32_t) geteuid();
}

int64_t nodeos_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        return (int64_t) (data[0].effective | (uint64_t) data[1].effective << 32);
}

/* Probes for nodeos doctor: 0 userfaultfd, 1 seccomp user notification, 2 clone3, 3 pidfd_open, 4 openat2,
 * 5 Landlock (the answer is its ABI version). */
int32_t nodeos_syscall_probe(int32_t which) {
        unsigned int notify = 1u << 31; /* never a valid action, SECCOMP_RET_KILL_PROCESS apart */
        long n;

        switch (which) {
        case 0: {
                CLEANUP_FD int fd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

                return fd >= 0 ? 1 : -errno;
        }
        case 1:
                notify = 0x7fc00000u; /* SECCOMP_RET_USER_NOTIF */
                n = syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &notify);
                return n == 0 ? 1 : errno == EOPNOTSUPP ? 0 : -errno;
        case 2:
                n = syscall(SYS_clone3, NULL, 0);
                return errno != ENOSYS;
        case 3: {
                CLEANUP_FD int fd = (int) syscall(SYS_pidfd_open, getpid(), 0);

                return fd >= 0 ? 1 : errno == ENOSYS ? 0 : -errno;
        }
        case 4:
                n = syscall(SYS_openat2, -1, NULL, NULL, 0);
                return errno != ENOSYS;
        case 5:
                n = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* version */);
                return n >= 0 ? (int32_t) n : errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
        default:
                return -EINVAL;
        }
}
