/* What a child of the keeper keeps of it: a few descriptors, some capabilities, and the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

/* What nodeos gave the keeper, and what its children get. */
static int given_niceness;

/* Kernels that group processes by their sessions weigh the groups first. */
static void weigh_session(void) {
        static const char niceness[] = "-20";
        CLEANUP_FD int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

        /* There is none, or it may not be changed: then programs wait a little longer. */
        if (fd >= 0 && write(fd, niceness, sizeof(niceness) - 1) < 0)
                return;
}

void child_hurry(void) {
        given_niceness = getpriority(PRIO_PROCESS, 0);
        setpriority(PRIO_PROCESS, 0, -20);
        weigh_session();
}

void child_follow(pid_t parent) {
        /* A parent that died before sends no signal any more. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(1);
}

pid_t child_fork(const char *name, int *ret_pidfd) {
        pid_t parent = getpid(), pid = fork();
        sigset_t none;

        if (pid < 0)
                return -errno;
        if (pid > 0) {
                int error;

                /* Until we collect it the number is its own. */
                *ret_pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
                if (*ret_pidfd >= 0)
                        return pid;
                error = -errno;
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                return error;
        }
        child_follow(parent);
        prctl(PR_SET_NAME, name);
        setsid();
        setpriority(PRIO_PROCESS, 0, given_niceness);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        return 0;
}

int child_descriptors(const int *from, const int *to, int count) {
        unsigned int next = 0;
        int copies[8];

        /* Out of the way first, above the last of them, so that none overwrites what another one needs. */
        for (int i = 0; i < count; i++) {
                copies[i] = fcntl(from[i], F_DUPFD, to[count - 1] + 1);
                if (copies[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < count; i++) {
                unsigned int number = (unsigned int) to[i];

                if (dup2(copies[i], to[i]) < 0)
                        return -errno;
                if (number > next && syscall(SYS_close_range, next, number - 1, 0) < 0)
                        return -errno;
                next = number + 1;
        }
        return syscall(SYS_close_range, next, ~0U, 0) < 0 ? -errno : 0;
}

int child_bound_capabilities(uint64_t keep) {
        for (int capability = 0; capability < 64; capability++) {
                if (keep >> capability & 1)
                        continue;
                /* The first that the kernel does not know ends the list. */
                if (prctl(PR_CAPBSET_DROP, capability) < 0)
                        return errno == EINVAL && capability > 0 ? 0 : -errno;
        }
        return 0;
}

int child_set_capabilities(uint64_t set) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {
                { .effective = (uint32_t) set, .permitted = (uint32_t) set },
                { .effective = (uint32_t) (set >> 32), .permitted = (uint32_t) (set >> 32) },
        };

        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

uint64_t child_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { 0 };

        syscall(SYS_capget, &header, data);
        return data[0].permitted | (uint64_t) data[1].permitted << 32;
}

/* Without the library's kernel_read: that keeps a descriptor of /proc, whose number a child closes and gives away. */
uint64_t start_ticks_of(int32_t pid) {
        char path[32], text[1024], *at;
        CLEANUP_FD int fd = -1;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = 0;
        /* The name may hold anything, but nothing after it holds a parenthesis. */
        at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at, NULL, 10) : 0;
}

void child_end(int pidfd, int signal, int wait_ms) {
        struct pollfd polled = { .fd = pidfd, .events = POLLIN };

        if (pidfd < 0)
                return;
        syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
        if (poll(&polled, 1, wait_ms) == 0 && signal != SIGKILL) {
                child_end(pidfd, SIGKILL, wait_ms);
                return;
        }
        waitid(P_PIDFD, (id_t) pidfd, &(siginfo_t){ 0 }, WEXITED | WNOHANG);
        close(pidfd);
}

int child_collect(int pidfd, char *ret_words, size_t size) {
        siginfo_t info = { 0 };

        waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG);
        close(pidfd);
        if (info.si_code == CLD_EXITED)
                snprintf(ret_words, size, "ended with status %d", info.si_status);
        else
                snprintf(ret_words, size, "was ended by signal %d", info.si_status);
        return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}
