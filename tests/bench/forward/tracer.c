/* The other way to have calls answered by somebody else: ptrace. The least that a tracer can do with a call, which is to be
 * stopped for and to let it go on.
 *
 * tracer OUT CPU CLIENT CALL...
 *
 * Executes CLIENT OUT CALL... where it runs itself, under a filter that stops it at getppid, and serves it on CPU. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
        exit(1);
}

static _Noreturn void execute(char **argv) {
        struct sock_filter stops[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof(stops) / sizeof(*stops), stops };

        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                fail("filter");
        execv(argv[0], argv);
        fail(argv[0]);
}

int main(int argc, char **argv) {
        cpu_set_t service;
        int status;
        pid_t pid;

        if (argc < 5)
                return 2;
        CPU_ZERO(&service);
        CPU_SET(atoi(argv[2]), &service);
        /* CLIENT OUT CALL... */
        argv[2] = argv[3];
        argv[3] = argv[1];
        pid = fork();
        if (pid == 0)
                execute(argv + 2);
        if (pid < 0 || sched_setaffinity(0, sizeof(service), &service) < 0 || waitpid(pid, &status, 0) < 0 ||
            ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) < 0)
                fail("start");
        setpriority(PRIO_PROCESS, 0, -20);
        do
                ptrace(PTRACE_CONT, pid, NULL, NULL);
        while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
