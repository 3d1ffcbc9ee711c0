/* The forwarder and its successors: what it is given, and given again when it died. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

_Noreturn static void forwarder_main(struct keeper *keeper, int channel, int null_fd) {
        int from[] = { null_fd, null_fd, LOG_FD, channel, keeper->record_fd }, to[] = { 0, 1, 2, 3, 4 };
        int count = keeper->record_fd < 0 ? 4 : 5;

        child_hurry();
        if (child_descriptors(from, to, count) < 0)
                _exit(1);
        forwarder_run(keeper->board, 3, count == 5 ? 4 : -1);
}

void forwarder_start(struct keeper *keeper) {
        CLEANUP_FD int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int pair[2], pid;

        pace_pay(&keeper->forwarder_pace, keeper_now_ns());
        keeper->forwarder_ns = pace_next_ns(&keeper->forwarder_pace, keeper_now_ns());
        if (null_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                keeper_say("Cannot start the forwarder: %s", strerror(errno));
                return;
        }
        pid = child_fork("nodeos-forward", &keeper->forwarder_pidfd);
        if (pid == 0)
                forwarder_main(keeper, pair[1], null_fd);
        close(pair[1]);
        if (pid < 0) {
                keeper_say("Cannot start the forwarder: %s", strerror(-pid));
                keeper->forwarder_pidfd = -1;
                close(pair[0]);
                return;
        }
        keeper->channel = pair[0];
        __atomic_store_n(&keeper->board->forwarder_pid, pid, __ATOMIC_RELAXED);
        __atomic_fetch_add(&keeper->board->forwarder_starts, 1, __ATOMIC_RELAXED);
        forwarder_supply(keeper);
}

static void close_channel(struct keeper *keeper) {
        if (keeper->channel >= 0)
                close(keeper->channel);
        keeper->channel = -1;
        keeper->asked_kind = 0;
}

/* Callers wait meanwhile: their listeners are open here. The successor gets them all, and finds the journal on the board. */
void forwarder_ended(struct keeper *keeper) {
        char words[64];

        child_collect(keeper->forwarder_pidfd, words, sizeof(words));
        keeper_say("the forwarder (process %d) %s", keeper->board->forwarder_pid, words);
        close_channel(keeper);
        keeper->forwarder_pidfd = -1;
        for (int i = 0; i < keeper->listener_count; i++)
                keeper->listeners[i].is_sent = 0;
        __atomic_store_n(&keeper->board->forwarder_pid, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&keeper->board->threads, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&keeper->board->handlers, 0, __ATOMIC_RELAXED);
        keeper->forwarder_ns = pace_next_ns(&keeper->forwarder_pace, keeper_now_ns());
}

static int send_message(int channel, uint32_t kind, uint32_t number, int fd) {
        struct keeper_message message = { .kind = kind, .number = number };
        struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space) };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        return sendmsg(channel, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* One at a time: an answer needs no number then, and a message never finds the channel full. */
void forwarder_supply(struct keeper *keeper) {
        if (keeper->channel < 0 || keeper->asked_kind)
                return;
        if (keeper->handle_count > 0) {
                /* One that died says nothing more; its end is seen at the next look. */
                if (send_message(keeper->channel, NODEOS_CONTROL_HANDLE, 0, keeper->handles[0].fd) == 0)
                        keeper->asked_kind = NODEOS_CONTROL_HANDLE;
                return;
        }
        for (int i = 0; i < keeper->listener_count; i++) {
                struct listener *listener = &keeper->listeners[i];

                if (listener->is_sent)
                        continue;
                if (send_message(keeper->channel, NODEOS_CONTROL_LISTEN, listener->number, listener->fd) == 0) {
                        listener->is_sent = 1;
                        keeper->asked_kind = NODEOS_CONTROL_LISTEN;
                        keeper->asked_number = listener->number;
                }
                return;
        }
}

static void handle_drop(struct keeper *keeper, int32_t result) {
        struct handle handle = keeper->handles[0];

        memmove(keeper->handles, keeper->handles + 1, (size_t) --keeper->handle_count * sizeof(handle));
        close(handle.fd);
        control_answer(keeper, handle.client, result, -1);
}

static void listener_served(struct keeper *keeper, uint32_t number, int32_t result) {
        for (int i = 0; i < keeper->listener_count; i++) {
                struct listener *listener = &keeper->listeners[i];

                if (listener->number != number)
                        continue;
                if (result < 0) {
                        keeper_say("the forwarder cannot serve listener %u: %s", number, strerror(-result));
                        listener_drop(keeper, i, result);
                } else if (listener->client) {
                        control_answer(keeper, listener->client, (int32_t) number, -1);
                        listener->client = 0;
                }
                return;
        }
}

void forwarder_answered(struct keeper *keeper) {
        uint32_t kind = keeper->asked_kind;
        int32_t result;
        ssize_t n = recv(keeper->channel, &result, sizeof(result), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n != sizeof(result)) {
                /* It died, or it will: without the channel it is of no use. */
                syscall(SYS_pidfd_send_signal, keeper->forwarder_pidfd, SIGKILL, NULL, 0);
                close_channel(keeper);
                return;
        }
        keeper->asked_kind = 0;
        if (kind == NODEOS_CONTROL_HANDLE)
                handle_drop(keeper, result);
        else if (kind == NODEOS_CONTROL_LISTEN)
                listener_served(keeper, keeper->asked_number, result);
        forwarder_supply(keeper);
}

/* Whether a descriptor is a seccomp listener: it has no other mark than its name. */
static int is_listener(int fd) {
        static const char wanted[] = "anon_inode:seccomp notify";
        char path[32], name[64];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, name, sizeof(name));
        return n == sizeof(wanted) - 1 && !memcmp(name, wanted, sizeof(wanted) - 1);
}

int32_t listener_add(struct keeper *keeper, uint32_t client, int fd) {
        if (!is_listener(fd))
                return -EINVAL;
        if (keeper->listener_count == LISTENERS)
                return -ENOSPC;
        keeper->listeners[keeper->listener_count++] = (struct listener){ .fd = fd, .number = ++keeper->listener_number, .client = client };
        forwarder_supply(keeper);
        return 0;
}

void listener_drop(struct keeper *keeper, int index, int32_t result) {
        struct listener listener = keeper->listeners[index];

        keeper->listeners[index] = keeper->listeners[--keeper->listener_count];
        close(listener.fd);
        if (listener.client)
                control_answer(keeper, listener.client, result, -1);
}

int32_t handle_add(struct keeper *keeper, uint32_t client, int fd) {
        if (keeper->handle_count == HANDLES)
                return -ENOSPC;
        keeper->handles[keeper->handle_count++] = (struct handle){ .fd = fd, .client = client };
        forwarder_supply(keeper);
        return 0;
}
