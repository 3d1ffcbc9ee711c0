/* A program born where it belongs: the request is read and everything opened here, birth.c does the rest in the child. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "birth.h"

extern char **environ;

enum { STACK_SIZE = 64 * 1024, STACKS_SIZE = STACK_SIZE + HANDOVER_STACK_SIZE, STRINGS_MAX = 1 << 16 };

/* Points array at count strings that start at offset; -EINVAL when they leave the request, -E2BIG when they are more
 * than there is room for. */
static int split(const struct child *child, uint32_t offset, uint32_t count, char **array, uint32_t room) {
        if (count >= room)
                return -E2BIG;
        if (count && !offset)
                return -EINVAL;
        for (uint32_t i = 0; i < count; i++) {
                const uint8_t *end = offset < child->size ? memchr(child->base + offset, 0, child->size - offset) : NULL;

                if (!end)
                        return -EINVAL;
                array[i] = (char *) child->base + offset;
                offset = (uint32_t) (end - child->base) + 1;
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

static int open_tasks(struct child *child) {
        char *paths[9];
        int error = split(child, child->request->tasks, child->request->task_count, paths, 9);

        for (uint32_t i = 0; error == 0 && i < child->request->task_count; i++) {
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

/* Makes the child, and waits until it has executed its program or ended. No handler of ours may run in the child before it
 * has its own signal table and mask. Returns 0, or -errno. */
static int start(struct child *child, struct clone_args *args, struct nodeos_launched *launched) {
        const struct nodeos_launch *request = child->request;
        int forward = request->flags & NODEOS_LAUNCH_FORWARD_SIGNALS;
        int dumpable = prctl(PR_GET_DUMPABLE);
        sigset_t all, mask;
        long pid;
        int error;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &mask);
        if (!child->is_sibling)
                child->mask = mask;
        error = forward ? forward_start() : 0;
        if (error < 0) {
                pthread_sigmask(SIG_SETMASK, &mask, NULL);
                return refuse(launched, NODEOS_STEP_REQUEST, error);
        }
        launched->exec_ns = nodeos_clock_ns();
        pid = clone_into(args, child_main, child);
        launched->exec_ns = nodeos_clock_ns() - launched->exec_ns;
        if (pid < 0) {
                error = refuse(launched, request->cgroup ? NODEOS_STEP_CGROUP : NODEOS_STEP_CLONE, -errno);
                launched->pidfd = -1;
        } else if (child->step) {
                error = refuse(launched, child->step, -child->error);
        } else if (child->is_held) {
                launched->held = hold_wait(child, (pid_t) pid);
        }
        /* Its change of user made the memory that we shared undumpable. */
        if (request->flags & NODEOS_LAUNCH_CREDENTIALS && dumpable == 1)
                prctl(PR_SET_DUMPABLE, 1);
        if (forward && error == 0)
                forward_to(launched->pidfd);
        else if (forward)
                forward_stop();
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        return error;
}

static int run(struct child *child, char *stack, int cgroup, struct nodeos_launched *launched) {
        struct clone_args args = {
                .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND,
                .pidfd = (uint64_t) (uintptr_t) &launched->pidfd,
                .parent_tid = (uint64_t) (uintptr_t) &launched->pid,
                .exit_signal = SIGCHLD,
                .stack = (uint64_t) (uintptr_t) stack,
                .stack_size = STACK_SIZE,
        };
        siginfo_t info;
        int error;

        if (child->is_sibling) {
                args.flags |= CLONE_PARENT;
                args.exit_signal = 0; /* ours */
        }
        if (child->request->cgroup) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t) cgroup;
        }
        error = child->handover ? handover_start(child->handover) : 0;
        if (error < 0)
                return refuse(launched, NODEOS_STEP_HANDOVER, error);
        error = start(child, &args, launched);
        if (child->handover) {
                handover_end(child->handover);
                launched->listener = child->handover->listener;
        }
        if (error < 0 && !child->is_sibling) {
                while (launched->pidfd >= 0 && waitid(P_PIDFD, (id_t) launched->pidfd, &info, WEXITED) < 0 && errno == EINTR)
                        ;
                close_fd(&launched->listener);
                close_fd(&launched->pidfd);
                launched->listener = launched->pidfd = -1;
        }
        return error;
}

static int is_inside(const struct child *child, uint32_t offset) {
        return offset < child->size;
}

/* Finds everything in the request that is text. */
static int read_strings(struct child *child) {
        const struct nodeos_launch *request = child->request;
        int error = request->argc ? split(child, request->argv, request->argc, child->argv, STRINGS_MAX) : -EINVAL;

        if (error == 0 && request->envp)
                error = split(child, request->envp, request->envc, child->envp, STRINGS_MAX);
        else
                child->envp = environ;
        if (error == 0 && request->envp && request->flags & NODEOS_LAUNCH_ADD_ENV)
                error = add_environment(child->envp, request->envc);
        if (error < 0)
                return error;
        if (!is_inside(child, request->cgroup) || !is_inside(child, request->cwd) || !is_inside(child, request->search) ||
            !is_inside(child, request->control))
                return -EINVAL;
        child->search = request->search ? (const char *) child->base + request->search : getenv("PATH");
        if (!child->search)
                child->search = "/usr/local/bin:/usr/bin:/bin";
        return 0;
}

/* Finds the filter in the request, and connects to the keeper when there will be a listener for it. */
static int read_filter(struct child *child, struct handover *handover, struct nodeos_launched *launched) {
        const struct nodeos_launch *request = child->request;
        int error;

        if (!request->filter)
                return request->filter_count || request->control ? refuse(launched, NODEOS_STEP_REQUEST, -EINVAL) : 0;
        if (request->filter % sizeof(uint64_t) || !is_inside(child, request->filter) ||
            request->filter_count > (child->size - request->filter) / sizeof(struct sock_filter))
                return refuse(launched, NODEOS_STEP_REQUEST, -EINVAL);
        child->filter.program = (const void *) (child->base + request->filter);
        child->filter.count = request->filter_count;
        error = filter_examine(&child->filter);
        if (error < 0)
                return refuse(launched, NODEOS_STEP_FILTER, error);
        if (!child->filter.notifies)
                return 0;
        child->handover = handover;
        if (request->control) {
                handover->control = handover_connect((const char *) child->base + request->control);
                if (handover->control < 0)
                        return refuse(launched, NODEOS_STEP_HANDOVER, handover->control);
        }
        return 0;
}

static int read_and_run(struct child *child, char *stack, struct nodeos_launched *launched) {
        const struct nodeos_launch *request = child->request;
        struct handover handover = {
                .filter = &child->filter,
                .no_new_privileges = request->flags & NODEOS_LAUNCH_NO_NEW_PRIVILEGES,
                .control = -1,
                .launched = launched,
                .sched = request->flags & NODEOS_LAUNCH_SCHED ? &request->sched : NULL,
                .stack = stack + STACK_SIZE,
                .listener = -1,
        };
        CLEANUP_FD int cgroup = -1;
        int error = read_strings(child);

        if (error < 0)
                return refuse(launched, NODEOS_STEP_REQUEST, error);
        if (request->cgroup) {
                cgroup = kernel_open((const char *) child->base + request->cgroup, O_RDONLY | O_DIRECTORY);
                if (cgroup < 0)
                        return refuse(launched, NODEOS_STEP_CGROUP, cgroup);
        }
        error = open_tasks(child);
        if (error < 0)
                return refuse(launched, NODEOS_STEP_CGROUP, error);
        error = read_filter(child, &handover, launched);
        if (error == 0)
                error = run(child, stack, cgroup, launched);
        close_fd(&handover.control);
        return error;
}

int launch_for(const struct launch_origin *origin, const uint8_t *request, int32_t size, struct nodeos_launched *ret_launched) {
        size_t area = STACKS_SIZE + 2 * STRINGS_MAX * sizeof(char *) + sizeof(struct child);
        char *memory = mmap(NULL, area, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct child *child;
        int error;

        if (memory == MAP_FAILED)
                return refuse(ret_launched, NODEOS_STEP_REQUEST, -errno);
        child = (struct child *) (memory + area - sizeof(*child));
        child->request = (const struct nodeos_launch *) request;
        child->base = request;
        child->parent = origin ? origin->parent : getpid();
        child->is_sibling = origin != NULL;
        if (origin)
                child->mask = origin->mask;
        child->size = (uint32_t) size;
        child->argv = (char **) (memory + STACKS_SIZE);
        child->envp = child->argv + STRINGS_MAX;
        error = read_and_run(child, memory, ret_launched);
        for (int i = 0; i < child->task_count; i++)
                close(child->tasks[i]);
        munmap(memory, area);
        return error;
}

int32_t nodeos_launch(struct nodeos_launch_call call, const uint8_t *request, struct nodeos_launched *ret_launched) {
        const struct nodeos_launch *fields = (const struct nodeos_launch *) request;

        memset(ret_launched, 0, sizeof(*ret_launched));
        ret_launched->pidfd = ret_launched->listener = -1;
        if (call.size < (int32_t) sizeof(*fields) || fields->size != sizeof(*fields) || request[call.size - 1])
                return refuse(ret_launched, NODEOS_STEP_REQUEST, -EINVAL);
        if (fields->flags & NODEOS_LAUNCH_OWN_MEMORY && fields->flags & NODEOS_LAUNCH_HELD)
                return refuse(ret_launched, NODEOS_STEP_REQUEST, -EINVAL);
        return fields->flags & NODEOS_LAUNCH_OWN_MEMORY ? apart_launch(request, call.size, ret_launched)
                                                        : launch_for(NULL, request, call.size, ret_launched);
}
