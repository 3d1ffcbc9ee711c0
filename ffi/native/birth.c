/* The child of a launch: what it does between the clone and the program.
 *
 * It shares our memory until it executes (CLONE_VM | CLONE_VFORK): no page table is copied, which for a process of Deno's
 * size is most of the cost of fork, and a failed step is reported by plain stores into the parent's memory. That needs
 * care: the child runs on a stack of its own, calls the kernel only, and changes nothing of the process that outlives it.
 * Credentials, scheduling, memory policy, the signal table and the filter belong to the child's task; whether the process
 * may be dumped belongs to the memory, and is put back. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "birth.h"

enum { SEARCH_MAX = 4096 };

IN_CHILD static int fail(struct child *child, int step) {
        child->step = step;
        child->error = errno ? errno : EIO;
        return -1;
}

/* On cgroup v1 a single thread that moves itself ("0") takes no global lock: 20 us instead of a grace period. */
IN_CHILD static int join_cgroups(struct child *child) {
        for (int i = 0; i < child->task_count; i++)
                if (write(child->tasks[i], "0", 1) < 0)
                        return fail(child, NODEOS_STEP_CGROUP);
        return 0;
}

IN_CHILD static int set_stdio(struct child *child) {
        int fds[3];

        for (int i = 0; i < 3; i++) {
                fds[i] = child->request->stdio[i];
                if (fds[i] == NODEOS_STDIO_NULL && (fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
                        return fail(child, NODEOS_STEP_STDIO);
                /* Out of the way first, so that no dup2 overwrites what a later one needs. */
                if (fds[i] >= 0 && fds[i] < 3 && fds[i] != i && (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3)) < 0)
                        return fail(child, NODEOS_STEP_STDIO);
        }
        for (int i = 0; i < 3; i++) {
                if (fds[i] < 0)
                        continue;
                if (fds[i] == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(fds[i], i) < 0)
                        return fail(child, NODEOS_STEP_STDIO);
        }
        return 0;
}

IN_CHILD static int set_credentials(struct child *child) {
        uid_t uid = child->request->uid;
        gid_t gid = child->request->gid;
        int keep = child->filter.count && uid && !(child->request->flags & NODEOS_LAUNCH_NO_NEW_PRIVILEGES);

        if (keep)
                filter_keep_right();
        if (syscall(SYS_setgroups, 1, &gid) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0)
                return fail(child, NODEOS_STEP_CREDENTIALS);
        if (syscall(SYS_setresuid, uid, uid, uid) < 0)
                return fail(child, NODEOS_STEP_CREDENTIALS);
        if (keep)
                filter_use_right();
        return 0;
}

/* After the credentials: a change of user clears it. A parent that died before sends no signal any more. */
IN_CHILD static int follow_parent(struct child *child) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == child->parent)
                return 0;
        errno = ESRCH;
        return fail(child, NODEOS_STEP_CREDENTIALS);
}

/* Handlers go by CLONE_CLEAR_SIGHAND; ignored signals stay ignored, as under nohup. SIGPIPE alone is set back: it is
 * the Rust runtime that ignores it, not the user. */
IN_CHILD static void reset_signals(const struct child *child) {
        struct sigaction action = { .sa_handler = SIG_DFL };

        sigaction(SIGPIPE, &action, NULL);
        sigprocmask(SIG_SETMASK, &child->mask, NULL);
}

/* execvp without its allocations: tries each directory of `search` and remembers a refusal, as shells do. */
IN_CHILD static int execute(struct child *child) {
        char path[SEARCH_MAX];
        const char *name = child->argv[0], *from = child->search;
        size_t name_length = strlen(name);
        int denied = 0;

        if (strchr(name, '/')) {
                execve(name, child->argv, child->envp);
                return fail(child, NODEOS_STEP_EXEC);
        }
        for (;;) {
                size_t length = strcspn(from, ":");

                if (name_length && length + name_length + 2 <= sizeof(path)) {
                        memcpy(path, length ? from : ".", length ? length : 1);
                        path[length ? length : 1] = '/';
                        memcpy(path + (length ? length : 1) + 1, name, name_length + 1);
                        execve(path, child->argv, child->envp);
                        if (errno == EACCES)
                                denied = 1;
                        else if (errno != ENOENT && errno != ENOTDIR)
                                return fail(child, NODEOS_STEP_EXEC);
                }
                if (!from[length])
                        break;
                from += length + 1;
        }
        errno = denied ? EACCES : ENOENT;
        return fail(child, NODEOS_STEP_EXEC);
}

IN_CHILD static int prepare(struct child *child) {
        const struct nodeos_launch *request = child->request;

        if (join_cgroups(child) < 0)
                return -1;
        if (request->flags & NODEOS_LAUNCH_AFFINITY && nodeos_affinity_set(0, request->cpus) < 0)
                return fail(child, NODEOS_STEP_AFFINITY);
        if (request->flags & NODEOS_LAUNCH_MEMPOLICY && nodeos_mempolicy_set(request->memory_mode, request->nodes) < 0)
                return fail(child, NODEOS_STEP_MEMPOLICY);
        if (request->data_bytes && setrlimit(RLIMIT_DATA, &(struct rlimit){ request->data_bytes, request->data_bytes }) < 0)
                return fail(child, NODEOS_STEP_DATA);
        /* A deadline allows no second thread: where one is needed, handover.c sets it afterwards. */
        if (request->flags & NODEOS_LAUNCH_SCHED && !child->handover && nodeos_sched_set(0, &request->sched) < 0)
                return fail(child, NODEOS_STEP_SCHED);
        if (set_stdio(child) < 0)
                return -1;
        if (request->flags & NODEOS_LAUNCH_CREDENTIALS && set_credentials(child) < 0)
                return -1;
        if (request->flags & NODEOS_LAUNCH_DIE_WITH_PARENT && follow_parent(child) < 0)
                return -1;
        if (request->cwd && chdir((const char *) child->base + request->cwd) < 0)
                return fail(child, NODEOS_STEP_CWD);
        if (request->flags & NODEOS_LAUNCH_HELD)
                hold_child(child);
        return 0;
}

/* The last step before the program: from here on the filter judges what we do. */
IN_CHILD static int put_filter(struct child *child) {
        if (child->handover && handover_offer(child->handover) < 0) {
                errno = child->handover->error;
                return fail(child, child->handover->step);
        }
        if (child->handover || !child->filter.count)
                return 0;
        if (filter_install(&child->filter, child->request->flags & NODEOS_LAUNCH_NO_NEW_PRIVILEGES) < 0)
                return fail(child, NODEOS_STEP_FILTER);
        return 0;
}

IN_CHILD _Noreturn void child_main(void *argument) {
        struct child *child = argument;

        reset_signals(child);
        if (prepare(child) == 0 && put_filter(child) == 0)
                execute(child);
        for (;;)
                syscall(SYS_exit, 127);
}

IN_CHILD long clone_into(struct clone_args *args, void (*entry)(void *), void *argument) {
        long result;
#if defined(__x86_64__)
        register void *kept __asm__("r12") = argument;
        register void (*called)(void *) __asm__("r13") = entry;

        __asm__ volatile("syscall\n\t"
                         "testq %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xorl %%ebp, %%ebp\n\t"
                         "movq %%r12, %%rdi\n\t"
                         "callq *%%r13\n\t"
                         "1:"
                         : "=a"(result)
                         : "0"((long) SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(kept), "r"(called)
                         : "rcx", "r11", "memory");
#elif defined(__aarch64__)
        register long x8 __asm__("x8") = SYS_clone3;
        register long x0 __asm__("x0") = (long) args;
        register long x1 __asm__("x1") = sizeof(*args);
        register void *x19 __asm__("x19") = argument;
        register void (*x20)(void *) __asm__("x20") = entry;

        __asm__ volatile("svc 0\n\t"
                         "cbnz x0, 1f\n\t"
                         "mov x29, xzr\n\t"
                         "mov x0, x19\n\t"
                         "blr x20\n\t"
                         "1:"
                         : "+r"(x0)
                         : "r"(x8), "r"(x1), "r"(x19), "r"(x20)
                         : "memory", "x30");
        result = x0;
#else
#error "the launcher knows x86-64 and aarch64"
#endif
        if (result < 0 && result > -4096) {
                errno = (int) -result;
                return -1;
        }
        return result;
}
