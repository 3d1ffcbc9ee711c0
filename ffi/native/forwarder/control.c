/* Who asks the keeper for something. Nobody is waited for: what a client has not said, or does not take, is its own loss. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../internal.h"
#include "keeper.h"

enum { ACCEPT_PAUSE_NS = 100 * 1000 * 1000, FDS_MAX = 8 };

/* Root of our own user namespace; others have other numbers here. */
static int is_root(int fd) {
        struct ucred credentials;
        socklen_t size = sizeof(credentials);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && credentials.uid == 0;
}

void control_drop(struct keeper *keeper, int index) {
        close(keeper->clients[index].fd);
        keeper->clients[index] = keeper->clients[--keeper->client_count];
}

/* Makes room for one more. Returns 0, or -1 when all of them wait for us. */
static int drop_idlest(struct keeper *keeper) {
        int idlest = -1;

        for (int i = 0; i < keeper->client_count; i++)
                if (!keeper->clients[i].is_waiting && (idlest < 0 || keeper->clients[i].heard_ns < keeper->clients[idlest].heard_ns))
                        idlest = i;
        if (idlest < 0)
                return -1;
        control_drop(keeper, idlest);
        return 0;
}

void control_accept(struct keeper *keeper) {
        int fd;

        if (keeper->client_count == CLIENTS && drop_idlest(keeper) < 0) {
                keeper->accept_ns = keeper_now_ns() + ACCEPT_PAUSE_NS;
                return;
        }
        fd = accept4(CONTROL_FD, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
                /* Without descriptors the connection stays there: we do not turn in circles meanwhile. */
                if (errno != EAGAIN && errno != EINTR)
                        keeper->accept_ns = keeper_now_ns() + ACCEPT_PAUSE_NS;
                return;
        }
        if (++keeper->client_serial == 0)
                keeper->client_serial = 1;
        keeper->clients[keeper->client_count++] = (struct client){
                .fd = fd, .serial = keeper->client_serial, .is_refused = !is_root(fd), .heard_ns = keeper_now_ns()
        };
}

int control_answer(struct keeper *keeper, uint32_t serial, int32_t result, int fd) {
        struct nodeos_control answer = { .result = result };
        struct iovec part = { .iov_base = &answer, .iov_len = sizeof(answer) };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

        if (fd >= 0) {
                packet.msg_control = &control;
                packet.msg_controllen = sizeof(control.space);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        }
        for (int i = 0; i < keeper->client_count; i++) {
                struct client *client = &keeper->clients[i];

                if (client->serial != serial)
                        continue;
                client->is_waiting = 0;
                return sendmsg(client->fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
        }
        return -ESRCH;
}

/* Takes one message with at most one descriptor. Returns 0, -EAGAIN when there is none, or what is wrong with it. */
static int receive(int fd, struct nodeos_control *ret_message, int *ret_fd) {
        struct iovec part = { .iov_base = ret_message, .iov_len = sizeof(*ret_message) };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control;
        struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space) };
        ssize_t n = recvmsg(fd, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int fds[FDS_MAX], count = 0;

        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        for (struct cmsghdr *header = CMSG_FIRSTHDR(&packet); header; header = CMSG_NXTHDR(&packet, header)) {
                if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                        continue;
                count = (int) ((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
                memcpy(fds, CMSG_DATA(header), (size_t) count * sizeof(int));
        }
        if (n == sizeof(*ret_message) && count <= 1 && !(packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
                *ret_fd = count ? fds[0] : -1;
                return 0;
        }
        for (int i = 0; i < count; i++)
                close(fds[i]);
        return n == 0 ? -EPIPE : -EINVAL;
}

void control_read(struct keeper *keeper, int index) {
        struct client *client = &keeper->clients[index];
        uint32_t serial = client->serial;
        struct nodeos_control message;
        int32_t result = -EPERM;
        int fd = -1, error = receive(client->fd, &message, &fd), is_later = 0;

        if (error == -EAGAIN)
                return;
        client->heard_ns = keeper_now_ns();
        if (error == 0 && !client->is_refused) {
                client->is_waiting = 1;
                is_later = keeper_do(keeper, serial, message.kind, fd, &result);
        } else if (fd >= 0) {
                close(fd);
        }
        if (is_later)
                return;
        if (error == 0)
                error = control_answer(keeper, serial, result, -1);
        else if (error != -EPIPE)
                control_answer(keeper, serial, client->is_refused ? -EPERM : error, -1);
        /* Who talks nonsense, may not talk, or does not listen is not talked to any more. */
        if (error < 0 || client->is_refused)
                control_drop(keeper, index);
}
