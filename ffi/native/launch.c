/* A program born where it belongs.
 *
 * The child shares our memory until it executes (CLONE_VM | CLONE_VFORK): no page table is copied, which for a process
 * of Deno's size is most of the cost of fork, and a failed step is reported by plain stores into the parent's memory.
 * That needs care: the child runs on a stack of its own, calls the kernel only, and changes nothing of the process
 * that outlives it. Credentials, scheduling, memory policy and the signal table belong to the child's task; whether
 * the process may be dumped belongs to the memory, and is put back. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "internal.h"

extern char **environ;

enum { STACK_SIZE = 64 * 1024, STRINGS_MAX = 1 << 16, SEARCH_MAX = 4096 };

/* The child never returns from its stack, which is unmapped under it: an address sanitizer would remember the frames. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined")))

/* All that the child needs, prepared before the clone: it allocates nothing. */
struct child {
        const struct nodeos_launch *request;
        const uint8_t *base;
        char **argv;
        char **envp;
        const char *search;
        int tasks[8];
        int task_count;
        pid_t parent;
        sigset_t mask; /* what the program inherits */
        volatile int step;
        volatile int error;
};

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
        gid_t gid = child->request->gid;

        if (syscall(SYS_setgroups, 1, &gid) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0)
                return fail(child, NODEOS_STEP_CREDENTIALS);
        if (syscall(SYS_setresuid, child->request->uid, child->request->uid, child->request->uid) < 0)
                return fail(child, NODEOS_STEP_CREDENTIALS);
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
        if (request->flags & NODEOS_LAUNCH_SCHED && nodeos_sched_set(0, &request->sched) < 0)
                return fail(child, NODEOS_STEP_SCHED);
        if (set_stdio(child) < 0)
                return -1;
        if (request->flags & NODEOS_LAUNCH_CREDENTIALS && set_credentials(child) < 0)
                return -1;
        if (request->flags & NODEOS_LAUNCH_DIE_WITH_PARENT && follow_parent(child) < 0)
                return -1;
        if (request->cwd && chdir((const char *) child->base + request->cwd) < 0)
                return fail(child, NODEOS_STEP_CWD);
        return 0;
}

IN_CHILD static _Noreturn void child_main(struct child *child) {
        reset_signals(child);
        if (prepare(child) == 0)
                execute(child);
        for (;;)
                syscall(SYS_exit, 127);
}

/* clone3 with a new stack cannot return through C in the child: there it calls child_main and never comes back. */
static long clone_child(struct clone_args *args, struct child *child) {
        long result;
#if defined(__x86_64__)
        register struct child *kept __asm__("r12") = child;
        register void (*entry)(struct child *) __asm__("r13") = (void (*)(struct child *)) child_main;

        __asm__ volatile("syscall\n\t"
                         "testq %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xorl %%ebp, %%ebp\n\t"
                         "movq %%r12, %%rdi\n\t"
                         "callq *%%r13\n\t"
                         "1:"
                         : "=a"(result)
                         : "0"((long) SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(kept), "r"(entry)
                         : "rcx", "r11", "memory");
#elif defined(__aarch64__)
        register long x8 __asm__("x8") = SYS_clone3;
        register long x0 __asm__("x0") = (long) args;
        register long x1 __asm__("x1") = sizeof(*args);
        register struct child *x19 __asm__("x19") = child;
        register void (*x20)(struct child *) __asm__("x20") = (void (*)(struct child *)) child_main;

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

/* Points array at count strings that start at offset; -EINVAL when they leave the request, -E2BIG when they are more
 * than there is room for. */
static int split(const uint8_t *base, uint32_t size, uint32_t offset, uint32_t count, char **array, uint32_t room) {
        if (count >= room)
                return -E2BIG;
        if (count && !offset)
                return -EINVAL;
        for (uint32_t i = 0; i < count; i++) {
                const uint8_t *end = offset < size ? memchr(base + offset, 0, size - offset) : NULL;

                if (!end)
                        return -EINVAL;
                array[i] = (char *) base + offset;
                offset = (uint32_t) (end - base) + 1;
        }
        array[count] = NULL;
        return 0;
}

/* Whether an environment has the variable of an assignment already. */
static int has_variable(char **envp, const char *assignment) {
        size_t length = strcspn(assignment, "=") + 1;

        while (*envp && strncmp(*envp, assignment, length))
                envp++;
        return *envp != NULL;
}

/* Appends our own environment, but for the variables that envp has. */
static int add_environment(char **envp, uint32_t count) {
        for (char **own = environ; own && *own; own++) {
                if (has_variable(envp, *own))
                        continue;
                if (count + 1 >= STRINGS_MAX)
                        return -E2BIG;
                envp[count++] = *own;
                envp[count] = NULL;
        }
        return 0;
}

static int open_tasks(struct child *child, const struct nodeos_launch *request, uint32_t size) {
        char *paths[9];
        int error = split(child->base, size, request->tasks, request->task_count, paths, 9);

        for (uint32_t i = 0; error == 0 && i < request->task_count; i++) {
                int fd = kernel_open(paths[i], O_WRONLY);

                if (fd < 0)
                        error = fd;
                else
                        child->tasks[child->task_count++] = fd;
        }
        return error;
}

static int refuse(struct nodeos_launched *launched, int step, int error) {
        launched->step = step;
        launched->error = -error;
        return error;
}

static int run(struct child *child, const struct nodeos_launch *request, char *stack, int cgroup, struct nodeos_launched *launched) {
        struct clone_args args = {
                .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                .pidfd = (uint64_t) (uintptr_t) &launched->pidfd,
                .exit_signal = SIGCHLD,
                .stack = (uint64_t) (uintptr_t) stack,
                .stack_size = STACK_SIZE,
        };
        int dumpable = prctl(PR_GET_DUMPABLE);
        sigset_t all;
        long pid;

        if (request->cgroup) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t) cgroup;
        }
        /* No handler of ours may run in the child before it has its own signal table and mask. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &child->mask);
        if (request->flags & NODEOS_LAUNCH_FORWARD_SIGNALS) {
                int error = forward_start();

                if (error < 0) {
                        pthread_sigmask(SIG_SETMASK, &child->mask, NULL);
                        return refuse(launched, NODEOS_STEP_REQUEST, error);
                }
        }
        launched->exec_ns = nodeos_clock_ns();
        pid = clone_child(&args, child);
        launched->exec_ns = nodeos_clock_ns() - launched->exec_ns;
        /* Its change of user made the memory that we shared undumpable. */
        if (request->flags & NODEOS_LAUNCH_CREDENTIALS && dumpable == 1)
                prctl(PR_SET_DUMPABLE, 1);
        if (pid < 0) {
                int error = -errno;

                if (request->flags & NODEOS_LAUNCH_FORWARD_SIGNALS)
                        forward_stop();
                pthread_sigmask(SIG_SETMASK, &child->mask, NULL);
                return refuse(launched, request->cgroup ? NODEOS_STEP_CGROUP : NODEOS_STEP_CLONE, error);
        }
        launched->pid = (int32_t) pid;
        if (child->step) {
                siginfo_t info;

                while (waitid(P_PIDFD, (id_t) launched->pidfd, &info, WEXITED) < 0 && errno == EINTR)
                        ;
                close(launched->pidfd);
                launched->pidfd = -1;
                if (request->flags & NODEOS_LAUNCH_FORWARD_SIGNALS)
                        forward_stop();
        } else if (request->flags & NODEOS_LAUNCH_FORWARD_SIGNALS) {
                forward_to(launched->pidfd);
        }
        pthread_sigmask(SIG_SETMASK, &child->mask, NULL);
        return child->step ? refuse(launched, child->step, -child->error) : 0;
}

int32_t nodeos_launch(struct nodeos_launch_call call, const uint8_t *request_bytes, struct nodeos_launched *ret_launched) {
        const struct nodeos_launch *request = (const struct nodeos_launch *) request_bytes;
        struct child child = { .request = request, .base = request_bytes, .parent = getpid() };
        CLEANUP_FD int cgroup = -1;
        size_t area = STACK_SIZE + 2 * STRINGS_MAX * sizeof(char *);
        int32_t size = call.size;
        char *memory;
        int error;

        memset(ret_launched, 0, sizeof(*ret_launched));
        ret_launched->pidfd = -1;
        if (size < (int32_t) sizeof(*request) || request->size != sizeof(*request) || request_bytes[size - 1])
                return refuse(ret_launched, NODEOS_STEP_REQUEST, -EINVAL);
        memory = mmap(NULL, area, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED)
                return refuse(ret_launched, NODEOS_STEP_REQUEST, -errno);
        child.argv = (char **) (memory + STACK_SIZE);
        child.envp = child.argv + STRINGS_MAX;
        child.search = request->search && request->search < (uint32_t) size ? (const char *) request_bytes + request->search : getenv("PATH");
        if (!child.search)
                child.search = "/usr/local/bin:/usr/bin:/bin";

        error = request->argc ? split(request_bytes, (uint32_t) size, request->argv, request->argc, child.argv, STRINGS_MAX) : -EINVAL;
        if (error == 0 && request->envp)
                error = split(request_bytes, (uint32_t) size, request->envp, request->envc, child.envp, STRINGS_MAX);
        else
                child.envp = environ;
        if (error == 0 && request->envp && request->flags & NODEOS_LAUNCH_ADD_ENV)
                error = add_environment(child.envp, request->envc);
        if (error == 0 && (request->cgroup >= (uint32_t) size || request->cwd >= (uint32_t) size || request->search >= (uint32_t) size))
                error = -EINVAL;
        if (error < 0)
                error = refuse(ret_launched, NODEOS_STEP_REQUEST, error);
        if (error == 0 && request->cgroup) {
                cgroup = kernel_open((const char *) request_bytes + request->cgroup, O_RDONLY | O_DIRECTORY);
                error = cgroup < 0 ? refuse(ret_launched, NODEOS_STEP_CGROUP, cgroup) : 0;
        }
        if (error == 0) {
                error = open_tasks(&child, request, (uint32_t) size);
                error = error < 0 ? refuse(ret_launched, NODEOS_STEP_CGROUP, error) : 0;
        }
        if (error == 0)
                error = run(&child, request, memory, cgroup, ret_launched);
        for (int i = 0; i < child.task_count; i++)
                close(child.tasks[i]);
        munmap(memory, area);
        return error;
}
