/* A program for others to execute: it makes one call and ends with its errno, or 0. It is also linked statically, and is
 * copied where it has to be of another user or have capabilities. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int outcome(int result) {
        return result < 0 ? errno : 0;
}

/* 0 when the file begins with the text, and 100 when it does not. */
static int has_text(const char *path, const char *text) {
        char found[256];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof(found));

        if (n < 0)
                return errno;
        return (size_t) n >= strlen(text) && memcmp(found, text, strlen(text)) == 0 ? 0 : 100;
}

int main(int argc, char **argv) {
        const char *action = argc > 2 ? argv[1] : "", *path = argc > 2 ? argv[2] : "", *more = argc > 3 ? argv[3] : "";

        if (!strcmp(action, "open"))
                return outcome(open(path, O_RDONLY | O_CLOEXEC));
        if (!strcmp(action, "create"))
                return outcome(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (!strcmp(action, "mkdir"))
                return outcome(mkdir(path, 0777));
        if (!strcmp(action, "access"))
                return outcome(access(path, R_OK));
        if (!strcmp(action, "eaccess"))
                return outcome(faccessat(AT_FDCWD, path, R_OK, AT_EACCESS));
        if (!strcmp(action, "text"))
                return has_text(path, more);
        if (!strcmp(action, "fd"))
                return outcome(fcntl(atoi(path), F_GETFD));
        return 101;
}
