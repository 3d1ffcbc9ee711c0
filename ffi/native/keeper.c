/* Talking to the keeper of a container's system calls. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "board.h"
#include "internal.h"

enum { ANSWER_MS = 5000, BACKLOG = 64 };

static int set_path(struct sockaddr_un *address, const char *path) {
        memset(address, 0, sizeof(*address));
        address->sun_family = AF_UNIX;
        if (strlen(path) >= sizeof(address->sun_path))
                return -ENAMETOOLONG;
        strcpy(address->sun_path, path);
        return 0;
}

int32_t nodeos_keeper_listen(const char *path) {
        struct sockaddr_un address;
        int error = set_path(&address, path);
        int fd = error < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return error < 0 ? error : -errno;
        /* The mode of the socket is that of its file: set before the file is made, it is never another one. */
        if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                error = -errno;
        else if (listen(fd, BACKLOG) < 0)
                error = -errno;
        if (error < 0)
                close(fd);
        return error < 0 ? error : fd;
}

int32_t nodeos_keeper_file(const char *path, int32_t kind) {
        int flags = kind == NODEOS_KEEPER_LOG ? O_WRONLY | O_APPEND | O_CREAT : O_RDWR;
        int fd;

        if (kind != NODEOS_KEEPER_BOARD && kind != NODEOS_KEEPER_LOG)
                return -EINVAL;
        fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        return fd < 0 ? -errno : fd;
}

static int send_request(int fd, int32_t kind, int32_t send_fd) {
        struct nodeos_control request = { .kind = (uint32_t) kind };
        struct iovec part = { .iov_base = &request, .iov_len = sizeof(request) };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

        if (send_fd >= 0) {
                packet.msg_control = &control;
                packet.msg_controllen = sizeof(control.space);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &send_fd, sizeof(int));
        }
        return sendmsg(fd, &packet, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int32_t receive_result(int fd, int32_t *ret_fd) {
        struct nodeos_control answer;
        struct iovec part = { .iov_base = &answer, .iov_len = sizeof(answer) };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space) };
        struct cmsghdr *header;
        int taken = -1;
        ssize_t n;

        do
                n = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        header = CMSG_FIRSTHDR(&packet);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                memcpy(&taken, CMSG_DATA(header), sizeof(int));
        if (taken >= 0 && (!ret_fd || n != sizeof(answer))) {
                close(taken);
                taken = -1;
        }
        if (ret_fd)
                *ret_fd = taken;
        return n == sizeof(answer) ? answer.result : -ECONNRESET;
}

int32_t nodeos_keeper_call(const char *path, int32_t kind, int32_t send_fd, int32_t *ret_fd) {
        CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct timeval limit = { .tv_sec = ANSWER_MS / 1000 };
        struct sockaddr_un address;
        int error = set_path(&address, path);

        if (ret_fd)
                *ret_fd = -1;
        if (error < 0 || fd < 0)
                return error < 0 ? error : -errno;
        /* The limit for sending is that for connecting as well. */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        error = send_request(fd, kind, send_fd);
        return error < 0 ? error : receive_result(fd, ret_fd);
}

int32_t nodeos_socketpair(int32_t *ret_fds) {
        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

int32_t nodeos_peer_uid(int32_t fd, uint32_t *ret_ids) {
        struct ucred credentials;
        socklen_t size = sizeof(credentials);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        ret_ids[0] = credentials.uid;
        ret_ids[1] = credentials.gid;
        ret_ids[2] = (uint32_t) credentials.pid;
        return 0;
}

int32_t nodeos_send(int32_t fd, const uint8_t *data, int32_t size) {
        ssize_t n = send(fd, data, (size_t) size, MSG_NOSIGNAL | MSG_DONTWAIT);

        return n < 0 ? -errno : (int32_t) n;
}

int32_t nodeos_duplicate(int32_t fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        return copy < 0 ? -errno : copy;
}

int32_t nodeos_close(int32_t fd) {
        return close(fd) < 0 ? -errno : 0;
}
