/* Stops a program before its first instruction, so that somebody can look at it, or count what it does: the child lets us trace it,
 * and executing stops it then. Nothing of it is changed, and it is not traced any more when it runs. */
#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "birth.h"

/* What the kernel takes for a set of signals. */
enum { KERNEL_SIGSET_SIZE = 8 };

/* A signal would stop it as well, before it has executed and while we wait for just that. It gets its mask when it has stopped;
 * SIGTRAP is what it stops with. */
IN_CHILD void hold_child(struct child *child) {
        sigset_t mask;

        sigfillset(&mask);
        sigdelset(&mask, SIGTRAP);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        if (syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) == 0)
                child->is_held = 1;
        else
                sigprocmask(SIG_SETMASK, &child->mask, NULL);
}

int hold_wait(const struct child *child, pid_t pid) {
        siginfo_t info = { 0 };
        int result;

        do
                result = waitid(P_PID, (id_t) pid, &info, WSTOPPED | WEXITED | WNOWAIT);
        while (result < 0 && errno == EINTR);
        /* One that was killed is for whoever waits for its end. */
        if (result < 0 || info.si_code != CLD_TRAPPED)
                return 0;
        return ptrace(PTRACE_SETSIGMASK, pid, KERNEL_SIGSET_SIZE, &child->mask) == 0;
}

int32_t nodeos_launch_release(int32_t pid) {
        if (ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0 || errno == ESRCH)
                return 0;
        return -errno;
}
