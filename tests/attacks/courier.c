/* A peer of the sidecar: `courier SOCKET` passes its standard input to a socket, and what comes back to its standard output.
 * `courier mark FILE...` gives files an extended attribute. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static int pass(int from, int to) {
        char data[65536];
        ssize_t n = read(from, data, sizeof(data));

        for (ssize_t written = 0; written < n;) {
                ssize_t m = write(to, data + written, (size_t) (n - written));

                if (m < 0)
                        return -1;
                written += m;
        }
        return n > 0 ? 0 : -1;
}

static int mark(char **files) {
        for (; *files; files++)
                if (setxattr(*files, "user.mark", "x", 1, 0) < 0) {
                        perror(*files);
                        return 1;
                }
        return 0;
}

int main(int argc, char **argv) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct pollfd polled[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (argc > 2 && !strcmp(argv[1], "mark"))
                return mark(argv + 2);
        if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
                return 2;
        strcpy(address.sun_path, argv[1]);
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                perror("connect");
                return 1;
        }
        polled[1].fd = fd;
        while (poll(polled, 2, 8000) > 0) {
                if (polled[1].revents && pass(fd, 1) < 0)
                        return 0;
                /* No more to say is not the end: an answer may come. */
                if (polled[0].revents && pass(0, fd) < 0)
                        polled[0].fd = -1;
        }
        return 0;
}
