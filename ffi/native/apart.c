/* Asks nodeos-helper to do in its own small memory what would move ours. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "apart.h"

extern char **environ;

enum { INTERNAL_FIRST = 32, INTERNAL_COUNT = 2 };

/* As the kernel has it. */
struct kernel_action {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
};

uint32_t internal_signals_ignored(void) {
        uint32_t ignored = 0;

        for (int i = 0; i < INTERNAL_COUNT; i++) {
                struct kernel_action found = { .handler = SIG_DFL };

                if (syscall(SYS_rt_sigaction, INTERNAL_FIRST + i, NULL, &found, sizeof(found.mask)) == 0 && found.handler == SIG_IGN)
                        ignored |= 1u << i;
        }
        return ignored;
}

void internal_signals_set(uint32_t ignored) {
        for (int i = 0; i < INTERNAL_COUNT; i++) {
                struct kernel_action action = { .handler = ignored & 1u << i ? SIG_IGN : SIG_DFL };

                syscall(SYS_rt_sigaction, INTERNAL_FIRST + i, &action, NULL, sizeof(action.mask));
        }
}

union control {
        char bytes[CMSG_SPACE(APART_FDS_MAX * sizeof(int))];
        struct cmsghdr header;
};

ssize_t apart_send(int socket, const void *data, size_t size, const int *fds, int count) {
        struct iovec part = { (void *) data, size };
        union control control = { .bytes = { 0 } };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t sent;

        if (count > 0) {
                control.header = (struct cmsghdr) { CMSG_LEN((size_t) count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.header), fds, (size_t) count * sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE((size_t) count * sizeof(int));
        }
        do
                sent = sendmsg(socket, &message, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        return sent < 0 ? -errno : sent;
}

ssize_t apart_receive(int socket, void *data, size_t size, int *ret_fds, int *ret_count) {
        struct iovec part = { data, size };
        union control control;
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        struct cmsghdr *header;
        ssize_t received;

        *ret_count = 0;
        do
                received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        while (received < 0 && errno == EINTR);
        if (received < 0)
                return -errno;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
                *ret_count = (int) ((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
                memcpy(ret_fds, CMSG_DATA(header), (size_t) *ret_count * sizeof(int));
        }
        return received;
}

/* It lies beside the library. */
static int helper_path(char *ret_path) {
        Dl_info facts;
        const char *slash;
        int length;

        if (!dladdr((void *) (uintptr_t) helper_path, &facts) || !facts.dli_fname || !(slash = strrchr(facts.dli_fname, '/')))
                return -ENOENT;
        length = snprintf(ret_path, PATH_MAX, "%.*s/nodeos-helper", (int) (slash - facts.dli_fname), facts.dli_fname);
        return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Signals of the terminal are not for it: it would leave a program half started. */
static int spawn(const char *path, int socket, pid_t *ret_pid) {
        char number[16], *argv[] = { "nodeos-helper", "apart", number, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t all;
        int error;

        snprintf(number, sizeof(number), "%d", socket);
        sigfillset(&all);
        error = posix_spawnattr_init(&attributes);
        if (error)
                return -error;
        error = posix_spawn_file_actions_init(&actions);
        if (!error) {
                /* To itself: the one that stays open. */
                error = posix_spawn_file_actions_adddup2(&actions, socket, socket);
                if (!error)
                        error = posix_spawnattr_setsigmask(&attributes, &all);
                if (!error)
                        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
                if (!error)
                        error = posix_spawn(ret_pid, path, &actions, &attributes, argv, environ);
                posix_spawn_file_actions_destroy(&actions);
        }
        posix_spawnattr_destroy(&attributes);
        return -error;
}

static void reap(pid_t pid) {
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
                ;
}

/* Sends a request, waits for the answer and for the end of the helper. */
static int ask(struct apart_request *request, const int *fds, int count, struct apart_answer *ret_answer, int *ret_fds, int *ret_count) {
        char path[PATH_MAX];
        int sockets[2], error = helper_path(path);
        ssize_t size;
        pid_t pid = 0;

        *ret_count = 0;
        if (error < 0)
                return error;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        request->parent = getpid();
        request->ignored = internal_signals_ignored();
        error = spawn(path, sockets[1], &pid);
        close(sockets[1]);
        if (error == 0) {
                size = apart_send(sockets[0], request, sizeof(*request), fds, count);
                if (size >= 0)
                        size = apart_receive(sockets[0], ret_answer, sizeof(*ret_answer), ret_fds, ret_count);
                error = size == sizeof(*ret_answer) ? 0 : size < 0 && size != -EPIPE ? (int) size : -ECHILD;
        }
        /* It ends when it has no request and nobody who could send one. */
        close(sockets[0]);
        if (pid > 0)
                reap(pid);
        return error;
}

int32_t apart_populate(struct apart_request *request) {
        struct apart_answer answer;
        int fds[APART_FDS_MAX], count, error;

        request->kind = APART_POPULATE;
        error = ask(request, NULL, 0, &answer, fds, &count);
        return error < 0 ? error : answer.result;
}

/* The request in a file of its own, and the descriptors that the program gets. Returns how many there are, or -errno: -EBADF for one
 * that is not open. */
static int pack(const uint8_t *request, int32_t size, int *ret_fds) {
        const struct nodeos_launch *fields = (const struct nodeos_launch *) request;
        int fd = memfd_create("nodeos-launch", MFD_CLOEXEC), count = 1;

        if (fd < 0)
                return -errno;
        if (write(fd, request, (size_t) size) != size) {
                close(fd);
                return -EIO;
        }
        ret_fds[0] = fd;
        for (int i = 0; i < 3; i++) {
                if (fields->stdio[i] < 0)
                        continue;
                if (fcntl(fields->stdio[i], F_GETFD) < 0) {
                        close(fd);
                        return -EBADF;
                }
                ret_fds[count++] = fields->stdio[i];
        }
        return count;
}

static int refuse(struct nodeos_launched *launched, int step, int error) {
        launched->step = step;
        launched->error = -error;
        return error;
}

static int take_answer(const struct apart_answer *answer, const int *fds, int count, struct nodeos_launched *ret_launched) {
        int next = 0;

        *ret_launched = answer->launched;
        ret_launched->pidfd = answer->launched.pidfd >= 0 && next < count ? fds[next++] : -1;
        ret_launched->listener = answer->launched.listener >= 0 && next < count ? fds[next++] : -1;
        if (answer->result == 0)
                return 0;
        close_fd(&ret_launched->pidfd);
        close_fd(&ret_launched->listener);
        ret_launched->pidfd = ret_launched->listener = -1;
        /* It is our child, and has ended. */
        if (ret_launched->pid > 0)
                reap(ret_launched->pid);
        /* The helper came not so far as to try. */
        return ret_launched->error ? answer->result : refuse(ret_launched, NODEOS_STEP_CLONE, answer->result);
}

int apart_launch(const uint8_t *request, int32_t size, struct nodeos_launched *ret_launched) {
        int forwards = ((const struct nodeos_launch *) request)->flags & NODEOS_LAUNCH_FORWARD_SIGNALS;
        struct apart_request message = { .kind = APART_LAUNCH, .size = (uint32_t) size };
        struct apart_answer answer;
        int fds[APART_FDS_MAX], count = pack(request, size, fds), received[APART_FDS_MAX], received_count, error;
        sigset_t all;

        if (count < 0)
                return refuse(ret_launched, count == -EBADF ? NODEOS_STEP_STDIO : NODEOS_STEP_REQUEST, count);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &message.mask);
        error = forwards ? forward_start() : 0;
        if (error == 0) {
                error = ask(&message, fds, count, &answer, received, &received_count);
                error = error < 0 ? refuse(ret_launched, NODEOS_STEP_CLONE, error) : take_answer(&answer, received, received_count, ret_launched);
                if (forwards && error == 0)
                        forward_to(ret_launched->pidfd);
                else if (forwards)
                        forward_stop();
        } else {
                refuse(ret_launched, NODEOS_STEP_REQUEST, error);
        }
        pthread_sigmask(SIG_SETMASK, &message.mask, NULL);
        close(fds[0]);
        return error;
}
