/* One question to a service of the machine over its Unix socket, and its answer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "internal.h"

/* Whom we may ask: sockets in these directories, by name. */
static const char *const directories[] = { "/run/irqbalance/" };

static int is_allowed(const char *path) {
        for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
                size_t length = strlen(directories[i]);

                if (!strncmp(path, directories[i], length) && path[length] && !strchr(path + length, '/'))
                        return 1;
        }
        return 0;
}

/* Connects to a socket, and to nothing that a link there leads to. */
static int connect_to(int fd, const char *path) {
        CLEANUP_FD int target = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int n;

        if (target < 0)
                return -errno;
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", target);
        do
                n = connect(fd, (struct sockaddr *) &address, sizeof(address));
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static int send_all(int fd, const char *text) {
        size_t left = strlen(text);

        while (left > 0) {
                ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                left -= (size_t) n;
        }
        return 0;
}

static int32_t receive_all(int fd, uint8_t *ret_reply, int32_t size) {
        int32_t used = 0;

        while (used < size) {
                ssize_t n = recv(fd, ret_reply + used, (size_t) (size - used), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return used;
                used += (int32_t) n;
        }
        return -EFBIG;
}

/* Who asks, the kernel tells the service by itself, when that wants to know (SO_PASSCRED). */
int32_t nodeos_ask(const char *socket_path, const char *request, uint8_t *ret_reply, int32_t size) {
        CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval limit = { .tv_sec = 1 };
        int32_t n;

        if (!is_allowed(socket_path))
                return -EACCES;
        if (fd < 0)
                return -errno;
        /* The limit for sending is that for connecting as well. */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
                return -errno;
        n = connect_to(fd, socket_path);
        if (n == 0)
                n = send_all(fd, request);
        if (n == 0)
                n = receive_all(fd, ret_reply, size);
        return n == -EAGAIN ? -ETIMEDOUT : n;
}
