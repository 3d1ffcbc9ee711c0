/* A client that makes the same request over and over, on one connection.
 *
 * http_client OUT SOCKET SAMPLES BODY ANSWER
 *
 * Posts the JSON BODY to /v1/syscalls; an answer that does not contain ANSWER is an error. OUT, which is there already, gets the
 * time of each request in nanoseconds as a 32-bit number, without those of a warm-up. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The just-in-time compiler needs some hundred requests; what comes after is what a runtime sees. */
enum { WARM_UP = 1000, ROOM = 8192, CONNECT_MS_MAX = 5000 };

static int64_t clock_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "http_client: %s: %s\n", what, strerror(errno));
        exit(1);
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), result = -1;

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        for (int ms = 0; result < 0 && ms < CONNECT_MS_MAX; ms += 10) {
                result = connect(fd, (struct sockaddr *) &address, sizeof(address));
                if (result < 0)
                        usleep(10000);
        }
        if (result < 0)
                fail(path);
        return fd;
}

/* Bytes of a whole answer, as far as its start says so; 0 when more is needed. */
static size_t size_of(const char *text) {
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");

        return end && length && length < end ? (size_t) (end + 4 - text) + strtoul(length + 17, NULL, 10) : 0;
}

static int64_t ask(int fd, const char *request, size_t size, const char *expected) {
        int64_t from = clock_ns(), ns;
        char text[ROOM];
        size_t used = 0, whole = 0;

        if (write(fd, request, size) != (ssize_t) size)
                fail("write");
        while (!whole || used < whole) {
                ssize_t n = read(fd, text + used, sizeof(text) - 1 - used);

                if (n <= 0)
                        fail("read");
                used += (size_t) n;
                text[used] = 0;
                if (!whole)
                        whole = size_of(text);
        }
        ns = clock_ns() - from;
        if (strstr(text, expected))
                return ns;
        fprintf(stderr, "http_client: %s\n", text);
        exit(1);
}

int main(int argc, char **argv) {
        int count = argc == 6 ? atoi(argv[3]) : 0, out, fd, size;
        uint32_t *samples = count > 0 ? calloc((size_t) count, sizeof(*samples)) : NULL;
        char request[2048];

        errno = EINVAL;
        if (!samples)
                fail("arguments");
        size = snprintf(request, sizeof(request),
                        "POST /v1/syscalls HTTP/1.1\r\nhost: nodeos\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                        strlen(argv[4]), argv[4]);
        out = open(argv[1], O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (out < 0 || size >= (int) sizeof(request))
                fail(argv[1]);
        fd = connect_to(argv[2]);
        for (int i = 0; i < WARM_UP; i++)
                ask(fd, request, (size_t) size, argv[5]);
        for (int i = 0; i < count; i++) {
                int64_t ns = ask(fd, request, (size_t) size, argv[5]);

                samples[i] = ns < UINT32_MAX ? (uint32_t) ns : UINT32_MAX;
        }
        if (write(out, samples, (size_t) count * sizeof(*samples)) != (ssize_t) ((size_t) count * sizeof(*samples)))
                fail("write");
        return 0;
}
